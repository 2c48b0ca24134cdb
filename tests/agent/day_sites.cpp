#include "tests/agent/day_sites.h"

#include <fmt/format.h>

#include <array>
#include <chrono>
#include <limits>
#include <utility>

namespace bulkmail::agent::test {

using namespace std::chrono_literals;

namespace {

struct Part {
  Habit habit;
  std::uint32_t percent;
};

constexpr std::array<Part, 13> mixture{{{Habit::fast, 45},
                                        {Habit::slow, 12},
                                        {Habit::small, 8},
                                        {Habit::single, 4},
                                        {Habit::choosy, 3},
                                        {Habit::grey, 8},
                                        {Habit::bounded, 3},
                                        {Habit::metered, 3},
                                        {Habit::counted, 3},
                                        {Habit::tarpit, 2},
                                        {Habit::silent, 4},
                                        {Habit::dead, 3},
                                        {Habit::stormy, 2}}};

Habit draw_habit(Dice& dice) {
  auto roll = dice.below(100);
  for (const auto& [habit, percent] : mixture) {
    if (roll < percent) return habit;
    roll -= percent;
  }
  return Habit::fast;
}

milliseconds between(milliseconds least, milliseconds most, Dice& dice) {
  return least + milliseconds(dice.below(static_cast<std::uint64_t>((most - least).count()) + 1));
}

} // namespace

const char* name_of(Habit habit) {
  switch (habit) {
  case Habit::fast: return "fast";
  case Habit::slow: return "slow";
  case Habit::small: return "small";
  case Habit::single: return "single";
  case Habit::choosy: return "choosy";
  case Habit::grey: return "grey";
  case Habit::bounded: return "bounded";
  case Habit::metered: return "metered";
  case Habit::counted: return "counted";
  case Habit::tarpit: return "tarpit";
  case Habit::silent: return "silent";
  case Habit::dead: return "dead";
  case Habit::stormy: return "stormy";
  }
  return "";
}

std::vector<SourceRule> day_sources() {
  const auto address = [](const char* text) { return *resolver::IpAddress::parse(text); };
  return {{address("192.0.2.201"), {}},
          {address("192.0.2.202"), std::vector<Rate>(100, Rate{60, 1h})},
          {address("192.0.2.203"), std::vector<Rate>(100, Rate{6000, 1h})}};
}

std::vector<SiteRule> day_rules() {
  std::vector<SiteRule> rules(4);
  rules[0].match = {"*.bounded.test"};
  rules[0].connections = bounded_limit;
  rules[1].match = {"*.metered.test"};
  rules[1].rate = metered_rate;
  rules[2].match = {"*.counted.test"};
  rules[2].recipient_rate = counted_rate;
  rules[3].match = {"*.paced.example"};
  rules[3].rate = paced_rate;
  return rules;
}

DaySite::DaySite(std::size_t number, Dice& dice, Monotonic morning)
    : habit(draw_habit(dice)),
      host(fmt::format("mx{}.{}.test", number, name_of(habit))),
      connect(between(10ms, 200ms, dice)),
      transaction(between(30ms, 300ms, dice)),
      phase(between(0ms, 1h, dice)) {
  if (habit == Habit::slow) {
    connect = between(500ms, 4s, dice);
    transaction = between(1s, 10s, dice);
  } else if (habit == Habit::tarpit) {
    transaction = between(60s, 120s, dice);
  } else if (habit == Habit::dead) {
    down_from = morning + between(0h, 16h, dice);
    down_until = down_from + between(1h, 5h, dice);
  }
}

bool DaySite::refuses(Monotonic now) const {
  constexpr std::chrono::minutes storm_every{60}, storm{6};
  return habit == Habit::stormy && (now.time_since_epoch() + phase) % storm_every < storm;
}

std::uint32_t DaySite::limit() const {
  return habit == Habit::small ? small_limit : std::numeric_limits<std::uint32_t>::max();
}

std::vector<DaySite> make_sites(std::size_t count, Dice& dice, Monotonic morning) {
  std::vector<DaySite> sites;
  sites.reserve(count);
  for (std::size_t i = 0; i < count; ++i) sites.emplace_back(i, dice, morning);
  return sites;
}

std::vector<DayDomain> make_domains(std::size_t count, const std::vector<DaySite>& sites, Dice& dice) {
  constexpr std::array<milliseconds, 6> ttls{0s, 5s, 60s, 10min, 1h, 6h};
  std::vector<DayDomain> domains(count);
  for (std::size_t i = 0; i < count; ++i) {
    DayDomain& domain = domains[i];
    domain.site = static_cast<std::uint32_t>(i % sites.size());
    domain.ttl = ttls[dice.below(ttls.size())];
    domain.missing = dice.below(200) == 0;
    domain.paced = dice.below(100) == 0;
    domain.name = fmt::format("d{}.{}.example", i, domain.paced ? "paced" : "plain");
    domain.other_site = static_cast<std::uint32_t>(dice.below(sites.size()));
    const auto is_fast = [&](std::uint32_t site) { return sites[site].habit == Habit::fast; };
    if (is_fast(domain.site) && is_fast(domain.other_site) && dice.below(4) == 0)
      domain.move_every = between(30min, 6h, dice);
  }
  return domains;
}

} // namespace bulkmail::agent::test
