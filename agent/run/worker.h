// A share of the Sites with all that serves them: the queue, the resolver with its cache, and the sessions.
//
// A worker knows no message but by its immutable facts, and no file but those of content. What becomes of recipients it
// tells its Office, which records it. It belongs to one thread, which may be the office's own or one for itself (crew.h):
// nothing in it is shared, what it is told comes as an instruction, what it tells goes out through the Office.
//
//   Worker worker(seams, disk, dice, settings, office);
//   for (;;) { obey instructions, deliver events to the handlers; auto next = worker.turn(); wait, at most until next; }
#pragma once

#include "agent/config/config.h"
#include "agent/queue/host_walk.h"
#include "agent/queue/scheduler.h"
#include "agent/run/content.h"
#include "agent/run/courier.h"
#include "agent/run/settlement.h"
#include "agent/run/timers.h"
#include "agent/run/way_finder.h"
#include "agent/seams.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace bulkmail::agent {

// Which of the workers has the Site; and which is the first to have the domain, until it is known where that leads.
[[nodiscard]] std::size_t worker_for(const resolver::SiteKey& site, std::size_t workers);
[[nodiscard]] std::size_t worker_for(std::string_view domain, std::size_t workers);

struct WorkerSettings {
  Config config;
  std::vector<resolver::Endpoint> servers;               // name servers, from the config or resolv.conf
  resolver::TrustAd trust_ad = resolver::TrustAd::never; // whose AD bit counts
  std::vector<resolver::IpAddress> own_addresses;        // this machine's, loopback left out
  bool ipv6 = true;                                      // this machine can reach IPv6 at all
  std::uint32_t most_connections = 1'000'000;            // what the descriptors allow
  std::uint32_t most_questions = 2000;                   // … and to name servers at once
  std::size_t workers = 1;                               // that share what there may be of each
  std::shared_ptr<const transport::TlsContexts> tls;     // null: all goes in clear
};

// How one of them asks name servers; others that ask take it from here, too.
[[nodiscard]] resolver::ResolverConfig resolver_config(const WorkerSettings& settings, std::size_t worker);

// How a worker stands after a turn.
struct WorkerReport {
  std::uint64_t obeyed = 0; // instructions so far
  Scheduler::Load load;
  std::size_t sessions = 0;
  std::size_t questions = 0; // to name servers, unanswered
  bool quiet = true;         // nothing is due, in an attempt or being resolved

  bool operator==(const WorkerReport& other) const = default;
};

class Worker final : private Courier::Desk {
 public:
  // Called on the worker's thread, in the order in which things happen.
  class Office {
   public:
    virtual ~Office() = default;
    virtual void settled(std::uint64_t message, std::vector<Settlement::Group> groups) = 0;
    virtual void expired(std::uint64_t message, std::vector<std::uint32_t> recipients) = 0;
    // Its file is not what was claimed: nobody is to send it any more.
    virtual void condemned(std::uint64_t message, ContentProblem problem) = 0;
    // A domain turned out to be another worker's.
    virtual void handed_over(std::size_t to, const std::string& domain, std::vector<Consignment> mail) = 0;
    // The MTA-STS policy of a domain, to be kept and to be told to the other workers.
    virtual void learned(std::size_t worker, const std::string& domain, const StsKept& policy) = 0;
    virtual void reported(std::size_t worker, const WorkerReport& report) = 0;
    virtual void post(std::function<void()> answer) = 0; // run where the office is
  };

  Worker(Seams seams, spool::Disk& disk, Dice& dice, std::size_t number, WorkerSettings settings,
         Office& office);
  ~Worker() override;

  using Instruction = std::function<void(Worker&)>;
  void obey(const Instruction& instruction);
  // Answers when it wants the next turn at the latest.
  [[nodiscard]] std::optional<Monotonic> turn();
  void report(); // if anything has changed since the last time

  // What an instruction may do.
  void consign(Consignment consignment, WireContent content);           // content null: not at hand
  void adopt(const std::string& domain, std::vector<Consignment> mail); // from another worker, to keep
  void abandon(std::uint64_t message);                                  // no dot of it goes out any more
  void flush(const Selector& what);
  void hold(const Selector& what);
  void release(const Selector& what);
  void cancel(const Selector& what);
  void spool_is_good(bool good); // else outcomes could not be kept: no new work, no dot
  void reload(const Config& config, std::shared_ptr<const transport::TlsContexts> tls);
  void stop(); // begin nothing, finish what is in flight
  void cut();  // what is not past its end of data is put back

  [[nodiscard]] std::vector<Scheduler::SiteView> sites() const { return scheduler_.sites(); }

  // Its part of the warm-up of the addresses to send from.
  void restore_warmup(const WarmupStates& states) { scheduler_.restore_warmup(states, seams_.clock.now()); }

  [[nodiscard]] WarmupStates warmup() const { return scheduler_.warmup(seams_.clock.now()); }

  void restore_policy(const std::string& domain, const StsKept& policy) {
    ways_.policies().restore(domain, policy);
  }

  // How TLS went in its sessions since it was last asked.
  [[nodiscard]] TlsDays take_tls_days() { return std::exchange(tls_days_, {}); }

  // What is to be expected of its part of each of these messages.
  [[nodiscard]] std::vector<Outlook> outlooks(std::span<const std::uint64_t> messages) const;

  // Why its part of a message does not go now.
  [[nodiscard]] std::vector<Scheduler::Holding> holding(std::uint64_t message) const {
    return scheduler_.holding(message);
  }

  // Those that a Site's selector means at the moment, canonical.
  [[nodiscard]] std::vector<std::string> domains_of(const std::string& site) const {
    return scheduler_.domains_of(site);
  }

  [[nodiscard]] Office& office() { return office_; }

 private:
  // Courier::Desk
  void settled(const Work& work, const std::vector<transport::RecipientResult>& results,
               const transport::Peer& peer, const Courier::Timing& timing) override;
  void answered(const Work& work, std::vector<spool::Outcome> outcomes) override;
  void unreachable(const Work& work, const spool::Outcome& outcome) override;
  void put_back(const Work& work) override;
  void condemned(const Work& work, const ContentProblem& problem) override;
  void unreadable(const Work& work, const ContentProblem& problem) override;
  void established(SessionId session) override;
  void takes_one_domain(SessionId session) override;
  void has_room(SessionId session) override;
  void free(SessionId session) override;
  void tls_seen(const Work& work, const TlsSight& sight) override;
  void gone(SessionId session, Scheduler::Gone how, std::shared_ptr<const spool::Outcome> outcome) override;

  [[nodiscard]] bool may_send() const override { return spool_is_good_; }

  bool resolve(Now now); // true: there may be more
  [[nodiscard]] bool hand_over(const std::string& domain, const Way& way, Now now);
  bool start_work(Now now); // true: there may be more
  void perform(Work work, Now now);
  void open(Work work);
  void settle_all(const Work& work, const spool::Outcome& outcome, Now now,
                  std::optional<Monotonic> due = {}); // when its Site is tried next, if they wait for that
  void tell(const Work& work, Settlement settlement, Now now, std::optional<Pace> pace = {});
  void let_go();

  Seams seams_;
  spool::Disk& disk_;
  Dice& dice_;
  std::size_t number_;
  WorkerSettings settings_;
  Office& office_;
  Timers timers_;
  Scheduler scheduler_;
  Settler settler_;
  WayFinder ways_;
  ContentStore contents_;
  HostHealth health_;
  transport::TicketStore tickets_;
  // Domains that others handed over. Should the resolvers of two workers disagree on where a domain leads, it stays with
  // the second.
  Memory<std::string> adopted_{std::chrono::minutes{10}, 100'000};
  std::unordered_map<SessionId, std::shared_ptr<Carrier>> carriers_;
  std::vector<SessionId> leaving_; // carriers whose last word was said
  Timers::Alarm scheduler_alarm_;
  bool spool_is_good_ = true;
  bool stopping_ = false;
  WorkerReport report_;
  TlsDays tls_days_;
  bool reported_ = false;
};

} // namespace bulkmail::agent
