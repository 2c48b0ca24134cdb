// Forecasts: what the workers expect of messages whose status is about to be written, or that somebody asks for.
#include "agent/run/engine.h"

#include <algorithm>
#include <chrono>

namespace bulkmail::agent {

namespace {

// Workers are asked so long before a status is due: they answer within a turn of their loops, and what they say should be
// no older than needs be.
constexpr milliseconds lead{400};
// … and not more often than so: a look costs a millisecond if a thousand statuses are due, which under load they always are.
constexpr milliseconds between_looks{400};

} // namespace

// Answers when it wants to be called again, if nothing happens before.
std::optional<Monotonic> Engine::foresee_statuses(Now now) {
  if (now.mono < next_foresight_) return next_foresight_;
  auto numbers = ledger_.statuses_due_by(now.mono + lead);
  if (!numbers.empty()) {
    next_foresight_ = now.mono + between_looks;
    foresee(std::move(numbers), [] {});
  }
  const auto deadline = ledger_.deadline();
  return deadline && *deadline > now.mono + lead ? std::optional(*deadline - lead) : std::nullopt;
}

// Sets the forecasts of these messages, and then goes on.
void Engine::foresee(std::vector<std::uint64_t> numbers, std::function<void()> then) {
  const auto asked = std::make_shared<const std::vector<std::uint64_t>>(std::move(numbers));
  ask_all<std::vector<Outlook>>(
      [asked](Worker& worker) { return worker.outlooks(*asked); },
      [this, asked, then = std::move(then)](std::vector<std::vector<Outlook>> parts) {
        for (std::size_t i = 0; i < asked->size(); ++i) {
          Outlook all;
          for (auto& part : parts) all.add(std::move(part[i]));
          if (spool::Message* message = open_message((*asked)[i])) set_forecast(*message, std::move(all));
        }
        then();
      });
}

void Engine::set_forecast(spool::Message& message, Outlook outlook) const {
  const Now now = seams_.clock.now();
  const auto counts = message.counts();
  const auto made = forecast(std::move(outlook), counts.relayed + counts.delivered + counts.failed, now.mono,
                             now.mono + (message.expires() - now.wall));
  const auto date = [&](Monotonic at) { return now.wall + std::chrono::ceil<milliseconds>(at - now.mono); };
  message.set_forecast(made ? std::optional(spool::Forecast{date(made->half), date(made->nearly_all)})
                            : std::nullopt);
}

} // namespace bulkmail::agent
