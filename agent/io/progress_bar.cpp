#include "agent/io/progress_bar.h"

#include <fmt/format.h>

#include <cstdio>
#include <string>

namespace bulkmail::agent {
namespace {

constexpr std::chrono::milliseconds refresh{100};
constexpr std::size_t width = 30;

} // namespace

void ProgressBar::show(const Engine::Progress& progress) {
  if (!shown_) return;
  const auto now = std::chrono::steady_clock::now();
  if (now - last_ < refresh) return;
  last_ = now;
  draw(progress);
}

void ProgressBar::finish(const Engine::Progress& progress) {
  if (!shown_) return;
  draw(progress);
  fmt::print(stderr, "\n");
}

void ProgressBar::draw(const Engine::Progress& progress) {
  const std::uint64_t done = progress.relayed + progress.failed;
  const std::uint64_t all = done + progress.left;
  const std::size_t filled = all == 0 ? width : static_cast<std::size_t>(done * width / all);
  fmt::print(stderr, "\r[{:#<{}}{:.<{}}] {} relayed, {} failed, {} left \x1b[K", "", filled, "",
             width - filled, progress.relayed, progress.failed, progress.left);
  std::fflush(stderr);
}

} // namespace bulkmail::agent
