// How many sessions a Site may have at the moment: as many as it is known to take, and now and then one more.
//
// It begins with one, and opens by one for each transaction that is answered while all it has are in use, which doubles
// it from one round of answers to the next. Three signs close it:
//
// - A refused session (421, or a connect that failed while others live): it closes to those that live.
// - A push-back, a 4yz reply that asks for less: by a quarter, once for each round of answers.
// - End-of-data latency that rises with the sessions. It is put to the test: the window closes to what the host seems
//   to have capacity for. If fewer carry as much, they are enough; if not, the host has become slower for other
//   reasons, and the window opens again.
//
// What is left is the ceiling. It is probed by one session more, rarely: after so many proofs that it holds (sessions
// established after a refusal, else transactions answered), twice as many after each probe that failed, and at the
// latest after a time. So a host with a limit refuses a known small share of the sessions, not one for each that ended.
// A probe that holds for a while lifts the ceiling, and growth goes on, by one a round.
//
// Time alone opens nothing: growth is a part of completed(), and a Site with work always has a session or is down.
#pragma once

#include "agent/queue/latency_trend.h"
#include "spool/time.h"

#include <chrono>
#include <cstdint>
#include <optional>

namespace bulkmail::agent {

class Window {
 public:
  explicit Window(std::uint32_t limit);

  [[nodiscard]] std::uint32_t size() const { return size_; }

  [[nodiscard]] bool proven() const { return proven_; } // a session was established since the last outage

  // A session reached `ready`: now so many are established, those that are closing left out.
  void established(std::uint32_t sessions, Monotonic now);
  // A transaction was answered, after so long if the end of data was sent. `live`: all sessions that are not closing,
  // this one included.
  void completed(std::optional<std::chrono::nanoseconds> end_of_data, std::uint32_t live, Monotonic now);
  void pushed_back(Monotonic now); // it was, with a reply that asks for less; instead of completed()
  void refused(std::uint32_t live, Monotonic now); // 421 or a failed connect while so many others live
  void outage(); // no session left and none to be had: from one again, up to the ceiling
  void set_limit(std::uint32_t limit);

 private:
  enum class Sign : std::uint8_t { none, refusal, slowness };
  enum class Trial : std::uint8_t { none, before, closing, after };

  // In sessions established; as many transactions count for one. At the longest a refused share of 1 in 257.
  static constexpr std::uint16_t shortest_gap = 8, longest_gap = 256;
  // A refusal may be a stray one: if the same number of sessions is had soon after, it was. So one session in 48 may be
  // refused and nothing is learned from it; what comes more often is meant.
  static constexpr std::uint16_t doubtful_gap = 4, sessions_a_stray = 48, most_trust = 2 * sessions_a_stray;
  static constexpr std::uint32_t transactions_a_session = 4;
  // A gap is over after this times its number, however little happens: 16 s to 17 min.
  static constexpr std::chrono::seconds gap_unit{4};

  void close_to(std::uint32_t level, Sign sign, Monotonic now);
  void confirm();
  void lift_to(std::uint16_t ceiling, Monotonic now);
  void grow();
  void at_ceiling(Monotonic now);
  void advance_trial(Monotonic now);
  void close_for_trial();
  void end_trial(Monotonic now);
  void restart_proofs(Monotonic now);

  [[nodiscard]] bool probing() const { return ceiling_ != 0 && size_ > ceiling_; }

  [[nodiscard]] bool proofs_fill(std::uint32_t gap, Monotonic now) const;

  Monotonic since_{};        // the last sign, probe or trial
  std::uint32_t proofs_ = 0; // since then
  LatencyTrend trend_;
  float trial_average_ = 0;      // the latency before the trial's last step
  std::uint16_t trial_from_ = 0; // the size before it
  std::uint16_t limit_, size_ = 1;
  std::uint16_t ceiling_ = 0;     // 0: none known
  std::uint16_t old_ceiling_ = 0; // while in doubt
  std::uint16_t gap_ = shortest_gap;
  std::uint16_t credit_ = 0;   // transactions since the last growth, while cautious
  std::uint16_t settling_ = 0; // answers that may still be owed to the size before
  std::uint16_t trust_ = sessions_a_stray;
  Sign sign_ = Sign::none; // where the ceiling comes from
  Trial trial_ = Trial::none;
  bool lowered_ = false;  // a step of the trial showed that fewer carry as much
  bool doubtful_ = false; // the ceiling comes from refusals that may have been stray ones
  bool shown_ = false;    // there were as many sessions as the size has
  bool cautious_ = false; // there was a sign: no more doubling
  bool proven_ = false;
};

static_assert(sizeof(Window) <= 64, "there may be 100,000 Sites");

} // namespace bulkmail::agent
