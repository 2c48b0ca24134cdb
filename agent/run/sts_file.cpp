#include "agent/run/sts_file.h"

#include "agent/run/log_line.h"
#include "agent/run/state_file.h"

#include <memory>

namespace bulkmail::agent {
namespace {

constexpr const char* file_name = "state/mta-sts";
constexpr std::uint64_t max_file = 64 << 20; // some hundred octets a domain
constexpr milliseconds gather{2'000};        // a start learns many policies at once

} // namespace

StsFile::StsFile(spool::Disk& disk, Pool& pool, Log& log, Clock& clock, Timers& timers)
    : disk_(disk),
      pool_(pool),
      log_(log),
      clock_(clock),
      alarm_(timers, [this] { write(); }) {}

const StsKeptByDomain& StsFile::recover() {
  const auto text = read_state(disk_, file_name, max_file);
  if (!text)
    say(log_, Level::warning, "policies forgotten",
        std::string(file_name) + " can't be read: " + text.error().text);
  else if (*text)
    kept_ = read_sts(**text);
  std::erase_if(kept_, [now = clock_.now().wall](const auto& one) { return one.second.expires <= now; });
  return kept_;
}

void StsFile::keep(const std::string& domain, const StsKept& kept) {
  kept_.insert_or_assign(domain, kept);
  if (std::exchange(news_, true)) return;
  alarm_.set(clock_.now().mono + gather);
}

void StsFile::close() {
  if (news_) write();
}

void StsFile::write() {
  alarm_.set(std::nullopt);
  if (writing_ || !news_) return; // when that is done, it is looked at again
  writing_ = true;
  news_ = false;
  std::erase_if(kept_, [now = clock_.now().wall](const auto& one) { return one.second.expires <= now; });
  const auto written = std::make_shared<spool::Result<void>>();
  pool_.run(
      [written, text = write_sts(kept_), &disk = disk_] { *written = write_state(disk, file_name, text); },
      [this, written] {
        writing_ = false;
        if (!*written) say(log_, Level::warning, "policies not kept", written->error().text);
        if (news_) write();
      });
}

} // namespace bulkmail::agent
