#include "agent/run/warmup_file.h"

#include "agent/run/log_line.h"
#include "agent/run/state_file.h"

#include <cerrno>
#include <memory>
#include <utility>

namespace bulkmail::agent {
namespace {

constexpr const char* file_name = "state/warmup";
constexpr std::string_view mark = "running\n";
// A line has less than a hundred octets; an address that is no longer used keeps its own.
constexpr std::uint64_t max_file = 1 << 20;

} // namespace

spool::Result<WarmupStates> WarmupFile::recover(std::span<const resolver::IpAddress> warming) {
  auto text = read_state(disk_, file_name, max_file);
  if (!text)
    return std::unexpected(spool::Error{
        EBADMSG,
        std::string(file_name) + " can't be read: " + text.error().text +
            ". It says how far the warm-up of source addresses is. Mend it, or remove it to begin anew"});
  const bool crashed = *text && (*text)->starts_with(mark);
  if (*text) kept_ = read_warmup(**text);
  if (warming.empty()) return kept_;
  for (const auto& address : warming) kept_.try_emplace(address);
  if (crashed)
    for (auto& [address, state] : kept_) state.wait.reset();
  if (auto written = write_state(disk_, file_name, std::string(mark) + write_warmup(kept_)); !written)
    return std::unexpected(written.error());
  return kept_;
}

void WarmupFile::keep(const WarmupStates& states) {
  bool news = false;
  for (const auto& [address, state] : states) {
    const auto [known, added] = kept_.try_emplace(address, state);
    news |= added || known->second.begun != state.begun || known->second.step != state.step;
    known->second = state;
  }
  if (news) write(std::string(mark) + write_warmup(kept_));
}

void WarmupFile::close(const WarmupStates& states) {
  if (states.empty()) return;
  for (const auto& [address, state] : states) kept_.insert_or_assign(address, state);
  write(write_warmup(kept_));
}

void WarmupFile::write(std::string text) {
  wanted_ = std::move(text);
  if (writing_) return;
  writing_ = true;
  const auto written = std::make_shared<spool::Result<void>>();
  pool_.run([written, text = *std::exchange(wanted_, std::nullopt),
             &disk = disk_] { *written = write_state(disk, file_name, text); },
            [this, written] {
              writing_ = false;
              if (!*written) say(log_, Level::warning, "warm-up not kept", written->error().text);
              if (wanted_) write(*std::exchange(wanted_, std::nullopt));
            });
}

} // namespace bulkmail::agent
