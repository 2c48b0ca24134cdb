#include "agent/io/threaded_crew.h"

#include "agent/io/https_client.h"
#include "agent/io/machine.h"
#include "agent/io/uv_machine.h"
#include "agent/io/uv_network.h"

#include <atomic>
#include <mutex>
#include <string>
#include <thread>
#include <utility>

namespace bulkmail::agent {
namespace {

// What a worker tells happens where the office is.
class FarOffice final : public Worker::Office {
 public:
  FarOffice(Loop& home, Worker::Office& office) : home_(home), office_(office) {}

  void settled(std::uint64_t message, std::vector<Settlement::Group> groups) override {
    auto held = std::make_shared<std::vector<Settlement::Group>>(std::move(groups));
    home_.send([this, message, held] { office_.settled(message, std::move(*held)); });
  }

  void expired(std::uint64_t message, std::vector<std::uint32_t> recipients) override {
    home_.send([this, message, recipients = std::move(recipients)] { office_.expired(message, recipients); });
  }

  void condemned(std::uint64_t message, ContentProblem problem) override {
    home_.send([this, message, problem = std::move(problem)] { office_.condemned(message, problem); });
  }

  void handed_over(std::size_t to, const std::string& domain, std::vector<Consignment> mail) override {
    auto held = std::make_shared<std::vector<Consignment>>(std::move(mail));
    home_.send([this, to, domain, held] { office_.handed_over(to, domain, std::move(*held)); });
  }

  void learned(std::size_t worker, const std::string& domain, const StsKept& policy) override {
    home_.send([this, worker, domain, policy] { office_.learned(worker, domain, policy); });
  }

  void reported(std::size_t worker, const WorkerReport& report) override {
    home_.send([this, worker, report] { office_.reported(worker, report); });
  }

  void post(std::function<void()> answer) override {
    home_.send([this, answer = std::move(answer)] { office_.post(answer); });
  }

 private:
  Loop& home_;
  Worker::Office& office_;
};

} // namespace

class ThreadedCrew::Thread {
 public:
  Thread(std::size_t number, Loop& home, spool::Disk& disk, Log& log, const WorkerSettings& settings,
         Worker::Office& office)
      : office_(home, office),
        network_(loop_),
        machine_(loop_),
        https_(loop_),
        worker_(Seams{loop_, loop_, network_, machine_, https_, log}, disk, dice_, number, settings, office_),
        thread_([this] { run(); }) {}

  ~Thread() {
    loop_.send([this] { over_ = true; });
    thread_.join();
  }

  void tell(Worker::Instruction instruction) {
    loop_.send([this, instruction = std::move(instruction)] { worker_.obey(instruction); });
  }

  [[nodiscard]] LatencyHistogram latency() const {
    const std::lock_guard lock(latency_lock_);
    return latency_;
  }

 private:
  void run() {
    loop_.drive(
        [this] {
          const auto next = worker_.turn();
          const std::lock_guard lock(latency_lock_);
          latency_ = loop_.latency();
          return next;
        },
        [this] { return over_; });
    loop_.finish_jobs();
  }

  FarOffice office_;
  Loop loop_;
  UvNetwork network_;
  UvMachine machine_;
  HttpsClient https_;
  KernelDice dice_;
  Worker worker_;
  bool over_ = false; // the thread's own
  mutable std::mutex latency_lock_;
  LatencyHistogram latency_;
  std::thread thread_; // last: it uses all of the above
};

ThreadedCrew::ThreadedCrew(std::size_t size, Loop& home, spool::Disk& disk, Log& log,
                           const WorkerSettings& settings, Worker::Office& office) {
  for (std::size_t i = 0; i < size; ++i)
    threads_.push_back(std::make_unique<Thread>(i, home, disk, log, settings, office));
}

ThreadedCrew::~ThreadedCrew() = default;

void ThreadedCrew::tell(std::size_t worker, Worker::Instruction instruction) {
  threads_[worker]->tell(std::move(instruction));
}

LatencyHistogram ThreadedCrew::latency() const {
  LatencyHistogram all;
  for (const auto& thread : threads_) all.add(thread->latency());
  return all;
}

} // namespace bulkmail::agent
