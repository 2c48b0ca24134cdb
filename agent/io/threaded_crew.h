// Workers in threads of their own, each with its own loop, network and dice. Instructions go to them and what they tell
// comes back over two hand-over queues a worker; they share nothing else with the engine but the disk and the log, which
// take calls from any thread.
#pragma once

#include "agent/io/loop.h"
#include "agent/run/crew.h"

#include <cstddef>
#include <memory>
#include <optional>
#include <vector>

namespace bulkmail::agent {

class ThreadedCrew final : public Crew {
 public:
  // `home` is the engine's loop, on which the office is told; it must outlive the crew.
  ThreadedCrew(std::size_t size, Loop& home, spool::Disk& disk, Log& log, const WorkerSettings& settings,
               Worker::Office& office);
  ~ThreadedCrew() override; // ends the threads, whatever they are at

  [[nodiscard]] std::size_t size() const override { return threads_.size(); }

  void tell(std::size_t worker, Worker::Instruction instruction) override;

  [[nodiscard]] std::optional<Monotonic> turn() override { return std::nullopt; }

  [[nodiscard]] LatencyHistogram latency() const; // of all their loops

 private:
  class Thread;
  std::vector<std::unique_ptr<Thread>> threads_;
};

} // namespace bulkmail::agent
