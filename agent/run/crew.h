// The workers, wherever they are: in the engine's own thread (LocalCrew) or each in one of its own (agent/io).
#pragma once

#include "agent/run/worker.h"

#include <algorithm>
#include <cstddef>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

namespace bulkmail::agent {

class Crew {
 public:
  virtual ~Crew() = default;
  [[nodiscard]] virtual std::size_t size() const = 0;
  // In the order given, each worker. Answers and events of an earlier instruction may come before it is obeyed.
  virtual void tell(std::size_t worker, Worker::Instruction instruction) = 0;
  // In the engine's turn: when those in its thread want the next one.
  [[nodiscard]] virtual std::optional<Monotonic> turn() = 0;
};

class LocalCrew final : public Crew {
 public:
  LocalCrew(std::size_t size, Seams seams, spool::Disk& disk, Dice& dice, const WorkerSettings& settings,
            Worker::Office& office) {
    for (std::size_t i = 0; i < size; ++i)
      workers_.push_back(std::make_unique<Worker>(seams, disk, dice, i, settings, office));
  }

  [[nodiscard]] std::size_t size() const override { return workers_.size(); }

  void tell(std::size_t worker, Worker::Instruction instruction) override {
    workers_[worker]->obey(instruction);
    workers_[worker]->report(); // the engine need not wait for its turn to know
  }

  [[nodiscard]] std::optional<Monotonic> turn() override {
    std::optional<Monotonic> next;
    for (const auto& worker : workers_) {
      const auto wanted = worker->turn();
      if (wanted) next = std::min(next.value_or(*wanted), *wanted);
    }
    return next;
  }

 private:
  std::vector<std::unique_ptr<Worker>> workers_;
};

} // namespace bulkmail::agent
