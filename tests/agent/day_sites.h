// The mail hosts of a virtual day: what each Site does, and which domains lead where.
#pragma once

#include "agent/queue/site_rules.h"
#include "agent/queue/source_rule.h"
#include "resolver/dice.h"
#include "spool/time.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace bulkmail::agent::test {

enum class Habit : std::uint8_t {
  fast,
  slow,
  small,   // takes five sessions, and refuses the sixth
  single,  // takes one transaction a session
  choosy,  // takes ten recipients a transaction: 452 for the others
  grey,    // greylists for five minutes
  bounded, // has a limit of sessions by a rule
  metered, // has a rate of messages by a rule
  counted, // has a rate of recipients by a rule
  tarpit,  // takes a minute or two for each transaction
  silent,  // accepts connections, and never greets
  dead,    // for some hours of the day
  stormy,  // has spells of 421
};

inline constexpr std::uint32_t small_limit = 5, bounded_limit = 3, choosy_recipients = 10;
inline constexpr Rate metered_rate{60, std::chrono::minutes{1}}, counted_rate{600, std::chrono::minutes{10}},
    paced_rate{20, std::chrono::minutes{1}};
inline constexpr std::chrono::minutes grey_time{5};

[[nodiscard]] const char* name_of(Habit habit);
[[nodiscard]] std::vector<SiteRule> day_rules(); // for those habits that are rules
// To send from: a warm address, and two that are warmed up for longer than the day, one of them hardly.
[[nodiscard]] std::vector<SourceRule> day_sources();

struct DaySite {
  Habit habit = Habit::fast;
  std::string host;                      // "mx17.fast.test"
  milliseconds connect{}, transaction{}; // to ready; to the answer
  Monotonic down_from{}, down_until{};   // dead
  milliseconds phase{};                  // of its storms

  std::uint32_t taken = 0; // sessions, as the host counts them

  DaySite(std::size_t number, Dice& dice, Monotonic morning);

  [[nodiscard]] bool dead(Monotonic now) const { return now >= down_from && now < down_until; }

  [[nodiscard]] bool serves(Monotonic now) const { return habit != Habit::silent && !dead(now); }

  [[nodiscard]] bool refuses(Monotonic now) const; // 421 for whoever comes, or is there
  [[nodiscard]] std::uint32_t limit() const;       // more sessions are refused

  // Mail for it need not have got through when its time is over.
  [[nodiscard]] bool hopeless() const { return habit == Habit::silent; }

  [[nodiscard]] bool has_rate() const { return habit == Habit::metered || habit == Habit::counted; }

  [[nodiscard]] bool overworked() const { return habit == Habit::tarpit || has_rate(); }
};

struct DayDomain {
  std::string name;
  std::uint32_t site = 0, other_site = 0; // it moves between the two, every few hours
  milliseconds move_every{0};             // 0: it stays
  milliseconds ttl{};
  bool missing = false; // there is no such domain
  bool paced = false;   // has a rate of its own by a rule

  [[nodiscard]] std::uint32_t site_at(Monotonic now) const {
    if (move_every <= milliseconds{0}) return site;
    return now.time_since_epoch() / move_every % 2 == 0 ? site : other_site;
  }
};

[[nodiscard]] std::vector<DaySite> make_sites(std::size_t count, Dice& dice, Monotonic morning);
[[nodiscard]] std::vector<DayDomain> make_domains(std::size_t count, const std::vector<DaySite>& sites,
                                                  Dice& dice);

} // namespace bulkmail::agent::test
