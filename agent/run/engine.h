// The agent: everything wired together over the seams, one turn at a time. No libuv: agent/io drives the real one,
// tests/simulation a virtual one from a seed.
//
// The engine is the office: it takes mail in, keeps the books (spool/ledger) and answers questions. What is to be sent it
// gives to its workers, each of which has a share of the Sites (worker.h), by the domain of each recipient.
//
//   Engine engine(seams, disk, dice, settings);
//   if (auto recovered = engine.recover(); !recovered) …          // blocking, before the first turn
//   for (;;) { deliver events to the handlers; auto next = engine.turn(); wait for events, at most until next; }
//
// A turn takes what is due and starts what can start; it never blocks. After stop() or, in a drain, when all that was due
// is done, over() becomes true.
#pragma once

#include "agent/config/config.h"
#include "agent/control/frames.h"
#include "agent/run/admin.h"
#include "agent/run/crew.h"
#include "agent/run/intake.h"
#include "agent/run/lmtp_intake.h"
#include "agent/run/order_file.h"
#include "agent/run/queue_answer.h"
#include "agent/run/sts_file.h"
#include "agent/run/tally.h"
#include "agent/run/timers.h"
#include "agent/run/tls_reporter.h"
#include "agent/run/warmup_file.h"
#include "agent/run/worker.h"
#include "agent/seams.h"
#include "spool/ledger.h"
#include "spool/number_table.h"

#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

namespace bulkmail::agent {

struct EngineSettings {
  WorkerSettings worker; // its config is the engine's, too
  std::string version;
  std::uint64_t process_id = 0;
};

struct Drain {
  std::optional<milliseconds> max_time; // after it no transaction is begun
  bool force = false;                   // try what waits, due or not
};

class Engine final : private Intake::Sink, private Worker::Office {
 public:
  // Where the workers are; without it they share the engine's thread.
  using MakeCrew =
      std::function<std::unique_ptr<Crew>(const WorkerSettings& settings, Worker::Office& office)>;

  Engine(Seams seams, spool::Disk& disk, Dice& dice, EngineSettings settings, const MakeCrew& make_crew = {});
  ~Engine() override;

  [[nodiscard]] spool::Result<void> recover(); // blocking
  void drain(Drain drain);                     // one pass over what is due, then over()

  // Answers when it wants the next turn at the latest.
  [[nodiscard]] std::optional<Monotonic> turn();
  void dropped(std::string name); // a hint that new/ changed; "": somewhere
  void lmtp_client(std::unique_ptr<Channel> channel);
  void admin_client(std::unique_ptr<Channel> channel);

  void flush();
  void stop();     // no new claims, finish what is in flight up to stop_timeout
  void stop_now(); // give up what is in flight
  void reload(const Config& config, std::shared_ptr<const transport::TlsContexts> tls);
  void dump_state(); // to the log
  [[nodiscard]] bool over() const;
  [[nodiscard]] bool
  failed() const; // the journal can't be trusted any more: end, and replay at the next start

  struct Progress {
    std::uint64_t relayed = 0, failed = 0, delayed = 0, left = 0;
  };

  [[nodiscard]] Progress progress() const;

  // Adds what only the loop knows (latency) to `queue` answers.
  void set_loop_report(std::function<nlohmann::json()> report) { loop_report_ = std::move(report); }

  // How much memory the process has; asked now and then if `agent.memory` limits it.
  void set_memory_report(std::function<std::uint64_t()> report) {
    memory_report_ = std::move(report);
    watch_memory();
  }

 private:
  // Intake::Sink
  void claimed(spool::Claimed claimed, WireContent content, SortedRecipients recipients) override;
  void refused(spool::Refused refused) override;
  void attention(std::string_view name, std::string_view text) override;
  void disk_trouble(const spool::Error& error) override;
  // Worker::Office
  void settled(std::uint64_t message, std::vector<Settlement::Group> groups) override;
  void expired(std::uint64_t message, std::vector<std::uint32_t> recipients) override;
  void condemned(std::uint64_t message, ContentProblem problem) override;
  void handed_over(std::size_t to, const std::string& domain, std::vector<Consignment> mail) override;
  void learned(std::size_t worker, const std::string& domain, const StsKept& policy) override;
  void reported(std::size_t worker, const WorkerReport& report) override;
  void post(std::function<void()> answer) override;

  void adopt(std::unique_ptr<spool::Message> message, Now now);
  void fail_malformed(spool::Message& message, const std::vector<std::uint32_t>& malformed, Now now);
  void consign(Consignment consignment, const WireContent& content);
  [[nodiscard]] spool::Message*
  open_message(std::uint64_t number); // null: nothing of it is to be settled any more
  [[nodiscard]] std::size_t owner_of(const std::string& domain) const;
  void tell(std::size_t worker, Worker::Instruction instruction);
  void tell_all(const Worker::Instruction& instruction);
  void run_ledger(Now now);
  void let_go();
  void watch_health();
  void watch_memory();
  void watch_end();
  void watch_warmup();
  void watch_tls();
  void ask_tls(std::function<void(const TlsDays&)> then);
  void ask_warmup(std::function<void(const WarmupStates&)> then);
  void rescan();
  void cut();
  // What all workers say, once they all have reported on all they were told.
  [[nodiscard]] bool workers_are_quiet() const;
  [[nodiscard]] bool workers_have_no_sessions() const;
  [[nodiscard]] Scheduler::Load load() const;

  // foresight.cpp
  [[nodiscard]] std::optional<Monotonic> foresee_statuses(Now now);
  void foresee(std::vector<std::uint64_t> numbers, std::function<void()> then);
  void set_forecast(spool::Message& message, Outlook outlook) const;

  // orders.cpp
  struct Order { // by hand
    Request request;
    Selector what;
    std::vector<std::string> domains; // that a Site's selector means
    std::shared_ptr<Reply> reply;
    std::optional<Tally> tally;
  };

  [[nodiscard]] std::expected<Selector, std::string> selector_of(const Request& request) const;
  void take_order(const Request& request, std::shared_ptr<Reply> reply);
  void count(Order order);
  void run_orders();
  void carry_out(const Order& order);
  void release(const Selector& what, std::shared_ptr<Reply> reply);
  void keep_orders(std::shared_ptr<Reply> reply, nlohmann::json body);
  void restore_holds();
  void fail_cancelled(spool::Message& message, Now now);
  [[nodiscard]] bool fail_if_cancelled(const std::string& domain, const Consignment& handed_over);
  void forget_done_orders();

  // answers.cpp
  void answer(const Request& request, std::shared_ptr<Reply> reply);
  void show(const std::string& id, std::shared_ptr<Reply> reply);
  void show(const spool::Message& message, const std::vector<Scheduler::Holding>& holding,
            std::shared_ptr<Reply> reply);
  void ask_sites(std::function<void(std::vector<Scheduler::SiteView>)> then);
  void describe_queue(std::shared_ptr<Reply> reply);
  void run_answers();
  [[nodiscard]] nlohmann::json describe_agent();
  [[nodiscard]] nlohmann::json date_of(std::optional<Monotonic> at) const;
  [[nodiscard]] spool::Message* find(const std::string& id) const;
  // Asks every worker; `then` gets the answers in their order.
  template <class Answer>
  void ask_all(std::function<Answer(Worker&)> question, std::function<void(std::vector<Answer>)> then);

  [[nodiscard]] const Config& config() const { return settings_.worker.config; }

  Seams seams_;
  spool::Disk& disk_;
  EngineSettings settings_;
  Timers timers_;
  spool::Ids ids_;
  spool::Ledger ledger_;
  Intake intake_;
  LmtpIntake lmtp_;
  Admin admin_;
  spool::NumberTable<std::unique_ptr<spool::Message>> messages_;
  std::unordered_set<std::uint64_t> condemned_; // of them
  std::uint64_t newest_ = 0;                    // number there ever was
  OrderFile order_file_;
  WarmupFile warmup_file_;
  StsFile sts_file_;
  bool warmup_closed_ = false; // what the workers owed in the end is on its way to the disk
  TlsReporter tls_reporter_;
  bool tls_closed_ = false; // what the workers counted last is on its way to the disk
  std::list<Order> orders_; // whose mail is being counted

  struct Standing { // of a worker
    std::uint64_t told = 0;
    WorkerReport report;
  };

  std::vector<Standing> standings_;
  std::unordered_map<std::string, std::size_t> owners_; // of domains that were handed over
  std::unique_ptr<Crew> crew_;                          // after all that its workers tell of
  std::list<QueueAnswer> answers_;
  Timers::Alarm ledger_alarm_, foresight_alarm_, rescan_alarm_, end_alarm_, max_time_alarm_, memory_alarm_,
      warmup_alarm_, tls_alarm_;
  std::function<nlohmann::json()> loop_report_;
  std::function<std::uint64_t()> memory_report_;
  Monotonic next_foresight_{};
  Monotonic started_{};
  Wall started_wall_{};
  spool::LedgerHealth::State known_health_ = spool::LedgerHealth::State::good;
  std::optional<Drain> drain_;
  bool memory_is_full_ = false;
  bool stopping_ = false, at_once_ = false;
  Progress progress_;
};

template <class Answer>
void Engine::ask_all(std::function<Answer(Worker&)> question, std::function<void(std::vector<Answer>)> then) {
  struct Round {
    std::vector<Answer> answers;
    std::size_t missing = 0;
    std::function<void(std::vector<Answer>)> then;
  };

  auto round = std::make_shared<Round>();
  round->answers.resize(crew_->size());
  round->missing = crew_->size();
  round->then = std::move(then);
  for (std::size_t i = 0; i < crew_->size(); ++i) {
    tell(i, [round, question, i](Worker& worker) {
      auto answer = std::make_shared<Answer>(question(worker));
      worker.office().post([round, answer, i] {
        round->answers[i] = std::move(*answer);
        if (--round->missing == 0) round->then(std::move(round->answers));
      });
    });
  }
}

} // namespace bulkmail::agent
