// A line that rewrites itself on a terminal while a drain works; elsewhere nothing.
#pragma once

#include "agent/run/engine.h"

#include <chrono>

namespace bulkmail::agent {

class ProgressBar {
 public:
  explicit ProgressBar(bool shown) : shown_(shown) {}

  void show(const Engine::Progress& progress); // a few times a second at most
  void finish(const Engine::Progress& progress);

 private:
  void draw(const Engine::Progress& progress);
  bool shown_;
  std::chrono::steady_clock::time_point last_{};
};

} // namespace bulkmail::agent
