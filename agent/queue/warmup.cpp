#include "agent/queue/warmup.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <tuple>

namespace bulkmail::agent {
namespace {

using std::chrono::ceil;

std::string_view take_word(std::string_view& line) {
  const auto word = line.substr(0, line.find(' '));
  line.remove_prefix(std::min(word.size() + 1, line.size()));
  return word;
}

std::optional<std::int64_t> take_number(std::string_view& line) {
  const auto word = take_word(line);
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), number);
  if (error != std::errc{} || end != word.data() + word.size() || number < 0) return std::nullopt;
  return number;
}

} // namespace

Warmup::Warmup(std::span<const Rate> steps, const WarmupState& state, Now now)
    : steps_(steps.begin(), steps.end()) {
  resume(state, now);
}

void Warmup::resume(const WarmupState& state, Now now) {
  if (begun_) return;
  step_ = state.step;
  begun_ = state.begun;
  began_ = now.mono;
  if (step_ >= steps_.size()) return;
  const milliseconds period = steps_[step_].period;
  const milliseconds elapsed = std::clamp(state.elapsed, milliseconds{0}, period);
  const milliseconds away = std::clamp(now.wall - state.saved, milliseconds{0}, period - elapsed);
  enter(step_, now.mono - elapsed - (begun_ ? away : milliseconds{0}), now.mono);
  const milliseconds wait = std::min(state.wait.value_or(longest_wait), longest_wait);
  gcra_.hold(now.mono + std::max(wait - away, milliseconds{0}), now.mono);
}

bool Warmup::over(Monotonic now) {
  advance(now);
  return step_ >= steps_.size();
}

std::uint32_t Warmup::chunk(Monotonic now) { return over(now) ? unlimited : gcra_.chunk(); }

Monotonic Warmup::next(Monotonic now) {
  if (over(now)) return now;
  return begun_ ? std::min(gcra_.next(now), end()) : gcra_.next(now);
}

void Warmup::take(std::uint32_t n, Monotonic now) {
  if (over(now)) return;
  if (!begun_) began_ = now;
  begun_ = true;
  gcra_.take(n, now);
}

WarmupState Warmup::state(Now now) {
  if (over(now.mono)) return {step_, begun_, {}, milliseconds{0}, now.wall};
  return {step_, begun_, begun_ ? std::chrono::floor<milliseconds>(now.mono - began_) : milliseconds{0},
          ceil<milliseconds>(gcra_.next(now.mono) - now.mono), now.wall};
}

void Warmup::set_steps(std::span<const Rate> steps, Monotonic now) {
  advance(now);
  steps_.assign(steps.begin(), steps.end());
  if (step_ < steps_.size()) enter(step_, began_, now);
  advance(now);
}

void Warmup::advance(Monotonic now) {
  while (begun_ && step_ < steps_.size() && end() <= now) enter(step_ + 1, end(), now);
}

void Warmup::enter(std::uint32_t step, Monotonic began, Monotonic now) {
  step_ = step;
  began_ = began;
  if (step_ < steps_.size()) gcra_.set_rate(steps_[step_], Gcra::standard_chunk(steps_[step_]), now);
}

void merge(WarmupStates& into, const WarmupStates& other) {
  for (const auto& [address, state] : other) {
    const auto [at, added] = into.try_emplace(address, state);
    if (added) continue;
    WarmupState& known = at->second;
    const auto wait = known.wait && state.wait ? std::max(known.wait, state.wait) : std::nullopt;
    const auto progress = [](const WarmupState& one) { return std::tuple(one.begun, one.step, one.elapsed); };
    if (progress(known) < progress(state)) known = state;
    known.wait = wait;
  }
}

std::string write_warmup(const WarmupStates& states) {
  std::string text;
  for (const auto& [address, state] : states)
    text += fmt::format("{} {} {} {} {} {}\n", address.to_string(), state.step, state.begun ? 1 : 0,
                        state.elapsed.count(), state.wait.value_or(Warmup::longest_wait).count(),
                        state.saved.time_since_epoch().count());
  return text;
}

WarmupStates read_warmup(std::string_view text) {
  WarmupStates states;
  while (!text.empty()) {
    std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    const auto address = resolver::IpAddress::parse(take_word(line));
    const auto step = take_number(line), begun = take_number(line), elapsed = take_number(line),
               wait = take_number(line), saved = take_number(line);
    if (!address || !step || !begun || !elapsed || !wait || !saved || !line.empty()) continue;
    states[*address] = {static_cast<std::uint32_t>(std::min<std::int64_t>(*step, Warmup::unlimited)),
                        *begun == 1, milliseconds{*elapsed}, milliseconds{*wait}, Wall{milliseconds{*saved}}};
  }
  return states;
}

} // namespace bulkmail::agent
