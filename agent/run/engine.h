// The agent: everything wired together over the seams, one turn at a time. No libuv: agent/io drives the real one,
// tests/simulation a virtual one from a seed.
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
#include "agent/queue/host_walk.h"
#include "agent/queue/scheduler.h"
#include "agent/run/admin.h"
#include "agent/run/content.h"
#include "agent/run/courier.h"
#include "agent/run/dns_client.h"
#include "agent/run/intake.h"
#include "agent/run/lmtp_intake.h"
#include "agent/run/settlement.h"
#include "agent/run/timers.h"
#include "agent/seams.h"
#include "spool/ledger.h"

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

namespace bulkmail::agent {

struct EngineSettings {
  Config config;
  std::vector<resolver::Endpoint> servers;        // name servers, from the config or resolv.conf
  std::vector<resolver::IpAddress> own_addresses; // this machine's, loopback left out
  bool ipv6 = true;                               // this machine can reach IPv6 at all
  std::uint32_t most_connections = 1'000'000;     // what the descriptors allow
  std::uint32_t most_questions = 2000;            // … and to name servers at once
  std::string version;
  std::uint64_t process_id = 0;
};

struct Drain {
  std::optional<milliseconds> max_time; // after it no transaction is begun
  bool force = false;                   // try what waits, due or not
};

class Engine final : private Intake::Sink, private Courier::Desk {
 public:
  Engine(Seams seams, spool::Disk& disk, Dice& dice, EngineSettings settings);
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
  void reload(const Config& config);
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

  [[nodiscard]] Response answer(const Request& request);

 private:
  // Intake::Sink
  void claimed(spool::MessageFacts facts, WireContent content) override;
  void refused(spool::Refused refused) override;
  void attention(std::string_view name, std::string_view text) override;
  void disk_trouble(const spool::Error& error) override;
  // Courier::Desk
  void settled(const Work& work, const std::vector<transport::RecipientResult>& results,
               const transport::Peer& peer, const Courier::Timing& timing) override;
  void unreachable(const Work& work, const spool::Outcome& outcome) override;
  void put_back(const Work& work) override;
  void condemned(const Work& work, const ContentProblem& problem) override;
  void unreadable(const Work& work, const ContentProblem& problem) override;
  void established(SessionId session) override;
  void free(SessionId session) override;
  void gone(SessionId session, Scheduler::Gone how, std::shared_ptr<const spool::Outcome> outcome) override;
  [[nodiscard]] bool may_send() const override;

  void adopt(std::unique_ptr<spool::Message> message, Now now);
  [[nodiscard]] static Consignment consign(const spool::Message& message, Now now);
  bool fail_malformed(spool::Message& message, Now now);
  void resolve(Now now);
  bool start_work(Now now); // true: there may be more
  void perform(Work work, Now now);
  void record(const Work& work, const Settlement& settlement, Now now);
  void settle_all(const Work& work, const spool::Outcome& outcome, Now now);
  void run_ledger(Now now);
  void let_go();
  void watch_health();
  void watch_end();
  void rescan();
  void cut();

  [[nodiscard]] nlohmann::json describe_agent();
  [[nodiscard]] nlohmann::json describe_message(const spool::Message& message);
  [[nodiscard]] const spool::Message* find(const std::string& id) const;
  [[nodiscard]] nlohmann::json date_of(std::optional<Monotonic> at) const;
  [[nodiscard]] nlohmann::json describe_queue();

  Seams seams_;
  spool::Disk& disk_;
  Dice& dice_;
  EngineSettings settings_;
  Timers timers_;
  spool::Ids ids_;
  spool::Ledger ledger_;
  Scheduler scheduler_;
  Settler settler_;
  DnsClient dns_;
  ContentStore contents_;
  HostHealth health_;
  Intake intake_;
  LmtpIntake lmtp_;
  Admin admin_;
  std::unordered_map<std::uint64_t, std::unique_ptr<spool::Message>> messages_; // by number
  std::unordered_map<SessionId, std::shared_ptr<Courier>> couriers_;
  std::vector<SessionId> leaving_; // couriers whose last word was said
  Timers::Alarm scheduler_alarm_, ledger_alarm_, rescan_alarm_, end_alarm_, max_time_alarm_;
  std::function<nlohmann::json()> loop_report_;
  Monotonic started_{};
  Wall started_wall_{};
  spool::LedgerHealth::State known_health_ = spool::LedgerHealth::State::good;
  std::optional<Drain> drain_;
  bool stopping_ = false, at_once_ = false;
  Progress progress_;
};

} // namespace bulkmail::agent
