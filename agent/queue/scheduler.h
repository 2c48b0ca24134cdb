// Who is tried next, over which session, and when (docs/scheduling.md).
//
// Recipients come sorted by domain; a domain waits for its Route or feeds the Lane of its Site (same MX set), where
// messages take turns by weight, and within a message its domains, one transaction each. A free place in the Site's Window
// makes an Attempt. A queue holds (message, recipients) ranges, never bodies and never a timer a recipient. What waits for
// a Site that is down costs one timer, whatever it is. No Site can take sessions from another while that one has less than
// its share.
//
// It owns no clock, no socket and no outcome, and never calls its caller:
//
//   scheduler.add(consignment, now);
//   while (auto domain = scheduler.next_wanted()) resolver.want(*domain, now);
//   on an answer:  scheduler.route_found(domain, answer, now);
//   while (auto work = scheduler.next_work(now)) perform it: see Work;
//   when it is done:  scheduler.settle(work->attempt, dispositions, now);
//   arm a timer at scheduler.wake_at(now)
#pragma once

#include "agent/queue/forecast.h"
#include "agent/queue/gone.h"
#include "agent/queue/retry.h"
#include "agent/queue/sender_rules.h"
#include "agent/queue/site_rules.h"
#include "agent/queue/sorting.h"
#include "agent/queue/source_rule.h"
#include "agent/queue/warmup.h"
#include "agent/queue/way.h"
#include "agent/queue/window.h"
#include "spool/outcome.h"
#include "spool/packed_facts.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace bulkmail::agent {

using AttemptId = std::uint64_t;
using SessionId = std::uint64_t;

struct SchedulerConfig {
  std::uint32_t connections = 1000;
  std::uint32_t connections_per_site = 20;
  std::uint32_t recipients_per_transaction = 100;
  bool mixed_domains = false; // recipients of several domains in one transaction
  std::chrono::milliseconds idle{10'000};
  RetrySchedule schedule{{std::chrono::minutes{5}}}; // of Sites that cannot be reached
  std::vector<SourceRule> sources{}; // addresses to send from, sessions in turn; none: the system chooses
  SiteRules sites{};                 // what limits Sites and recipient domains
  SenderRules senders{};             // whose mail has a larger share of a Site
};

// One message to one Site, once.
struct Work {
  enum class Kind : std::uint8_t {
    open,       // open session `session` along `way`, and use it for these recipients
    reuse,      // session `session` is idle, or has room, and is of the right Lane
    unroutable, // no session: `failure` is the answer for these recipients
    site_down, // no session: the Site could not be reached just now, `last_outcome` says how; delayed until `due`
    expired,   // no session: their time is over (4.4.7)
    cancelled, // no session: somebody wants it so
    close,     // quit `session`: idle for too long, or its place is needed; nothing to settle
    give_up, // end the opening of `session` as if it had timed out: its place is needed; nothing to settle by itself
  } kind = Kind::open;
  AttemptId attempt = 0;
  SessionId session = 0;
  std::uint64_t message = 0; // its number
  std::shared_ptr<const spool::MessageFacts> facts;
  Wall expires{};                                     // the message, as its upstream is told
  std::vector<std::uint32_t> recipients;              // indices into the envelope
  std::vector<std::uint16_t> attempts;                // beside recipients: how often each was tried before
  bool mixed = false;                                 // recipients of several domains, over a session
  std::shared_ptr<const Way> way;                     // open, reuse
  std::optional<resolver::IpAddress> source;          // open: to send from; none: the system's choice
  std::optional<resolver::RouteFailure> failure;      // unroutable
  std::shared_ptr<const spool::Outcome> last_outcome; // site_down
  Monotonic due{};                                    // site_down: when the Site is tried next
};

// What became of one recipient of an attempt, as far as the queue is concerned.
struct Disposition {
  enum class Kind : std::uint8_t {
    done,    // final
    delayed, // again at `due`
    again,   // at once, at the head of its queue; was not tried in full (452 too many recipients, a stale
             // session)
  } kind = Kind::done;
  Monotonic due{};
};

// How a peer answered a transaction, as far as the number of sessions is concerned.
struct Pace {
  std::optional<std::chrono::nanoseconds> end_of_data{}; // to its reply
  bool pushed_back = false;                              // it asked for less
};

// A message, or a part of one, put into the queue.
struct Consignment {
  explicit Consignment(spool::PackedFacts of) : facts(std::move(of)) {}

  // A recipient that was tried in an earlier run.
  struct Restored {
    std::uint32_t recipient = 0;
    std::uint16_t attempts = 0;
    Monotonic due{}; // not before
  };

  spool::PackedFacts facts;
  SortedRecipients recipients;    // to be sent to; the malformed ones are the caller's
  std::vector<Restored> restored; // some of them
  Wall expires{};
  Monotonic until{};          // the same moment: after it what is left comes back as `expired`
  bool attempt_first = false; // but not before one attempt, as after a restart
};

// A part of the queue, as people name it.
struct Selector {
  enum class Kind : std::uint8_t {
    all,
    message, // `number`
    sender,  // `text`: "ann@example.org", "example.org", "*.example.org", "<>"
    site,    // `text`: a Site's name, one of its hosts, or a recipient domain
  } kind = Kind::all;
  std::uint64_t number = 0;
  std::string text;

  bool operator==(const Selector&) const = default;
};

class Scheduler {
 public:
  Scheduler(SchedulerConfig config, Dice& dice);
  ~Scheduler();

  // A message may come in parts: what is said of it by its number is said of all that are here.
  void add(Consignment consignment, Monotonic now);

  [[nodiscard]] std::optional<std::string> next_wanted(); // a canonical domain whose route is needed
  void route_found(const std::string& domain, WayAnswer answer, Monotonic now);

  // Instead of route_found: somebody else is to send to this domain. What waits for its route, up to 1000 messages of it,
  // leaves the queue; if more does, the domain is wanted again.
  [[nodiscard]] std::vector<Consignment> take_domain(const std::string& domain, Monotonic now);

  // Bounded work per call: call again until nothing comes. It may stop before there is nothing left to do, so that the
  // loop has its turn: then wake_at is now. `paused`: only `expired`, `cancelled`, `close` (the spool is full).
  [[nodiscard]] std::optional<Work> next_work(Monotonic now);
  void pause(bool paused);
  // Steps of some hundred nanoseconds each that next_work ever took: who makes many calls in a turn has enough after some
  // thousand more.
  [[nodiscard]] std::uint64_t steps() const;

  // Answers an attempt; one disposition a recipient, in Work's order. What is delayed until its Site is tried next waits
  // with the Site, and is ready as soon as that answers; what has a time of its own waits for that. `pace`: a peer
  // answered the transaction.
  void settle(AttemptId attempt, std::span<const Disposition> dispositions, Monotonic now,
              std::optional<Pace> pace = {});

  // Sessions. An opened session is `established` once it is ready for its first transaction; `free` when its
  // attempts are settled and it can take another; `gone` in the end, whatever happened before. Before it is free it may have
  // room for one more attempt beside those that are not settled; it says so anew after each.
  void session_established(SessionId session, Monotonic now);
  void session_has_room(SessionId session, Monotonic now);
  void session_free(SessionId session, Monotonic now);
  // Whether another session of the same Site is established: then a refusal is about their number.
  [[nodiscard]] bool has_company(SessionId session) const;
  using Gone = bulkmail::agent::Gone;
  // With `refused` and no other session of the Site established (with `insecure`: and no other Lane): the Site is down. What waits for it comes back as
  // site_down with `outcome`, once each time that it is tried in vain; the times are the schedule's.
  void session_gone(SessionId session, Gone how, std::shared_ptr<const spool::Outcome> outcome,
                    Monotonic now);

  // To be said before its attempt is settled: its Site does not take several domains in one transaction.
  void mixing_refused(SessionId session, Monotonic now);
  // The Site that mail goes to over this route.
  [[nodiscard]] resolver::SiteIdentity site_of(const resolver::Route& route) const;

  // To be asked before such a session's attempt is settled: when its Site is tried next. Those recipients that the
  // refusal was an answer for are delayed until then.
  [[nodiscard]] Monotonic site_due(SessionId session, Monotonic now);

  [[nodiscard]] std::optional<Monotonic> wake_at(Monotonic now) const;

  // By hand. A flush makes due what is delayed. What is held is neither ready nor due until it is released, but expires;
  // the caller keeps the holds over a restart, and sets them before it adds. What is cancelled comes back as `cancelled`,
  // and what of it is in an attempt does when it would have been put back.
  void flush(const Selector& what, Monotonic now);
  void hold(const Selector& what, Monotonic now);
  void release(const Selector& what, Monotonic now);
  void cancel(const Selector& what, Monotonic now);
  // The canonical domains with mail that a selector of Sites means at the moment.
  [[nodiscard]] std::vector<std::string> domains_of(std::string_view site) const;
  void set_config(SchedulerConfig config, Monotonic now);
  // The rules by which ways are found have changed: each domain is wanted again before anything more of it goes.
  void reroute(Monotonic now);

  // The warm-up of addresses to send from: the caller keeps it over a restart, and sets it before it adds. An address that has
  // begun elsewhere goes on here likewise; what has begun here is not set back.
  void restore_warmup(const WarmupStates& states, Now now);
  [[nodiscard]] WarmupStates warmup(Now now) const;

  // When what is left of a message will be done, if its Sites go on as they do: for forecast(). Takes a millisecond at most.
  [[nodiscard]] Outlook outlook(std::uint64_t message, Monotonic now) const;
  // True once every recipient has been settled `done`.
  [[nodiscard]] bool finished(std::uint64_t message) const; // it is then forgotten, too
  void forget(std::uint64_t message);                       // all of it that is not in an attempt

  // Why what is left of a message does not go now: a line for each cause and Site.
  struct Holding {
    enum class Cause : std::uint8_t {
      under_way, // nothing does: it is in an attempt, or about to be answered
      delayed,   // until the first of it is due again
      held,      // by hand
      route,
      site_down,     // until it is tried next
      site_rate,     // until its next transaction
      source_warmup, // until an address that it may be sent from has room
      domain_rate,
      domain_connections,
      sender_rate,
      window,  // the Site has as many sessions as it may have for now
      places,  // all sessions that there may be are in use, or other Sites are first
      opening, // none can be opened on this machine for the moment
      turn,    // other mail in the same lane is first
      more,    // not looked at: it is in too many pieces
    } cause = Cause::under_way;
    std::string where; // the Site; the domain, as long as it has no route
    std::uint64_t recipients = 0;
    std::optional<Monotonic> until; // if that is known
  };

  [[nodiscard]] std::vector<Holding> holding(std::uint64_t message) const;

  struct SiteView {
    std::string site;
    std::vector<std::string> hosts;
    std::uint64_t recipients = 0; // waiting for it, those that have a time of their own left out
    std::uint32_t sessions = 0, window = 0;
    bool held = false;                     // by hand
    std::optional<Monotonic> next_attempt; // while it is down
    std::string last_reply;
  };

  [[nodiscard]] std::vector<SiteView> sites() const;

  struct Load {
    std::uint32_t sessions = 0, idle = 0;
    std::uint64_t ready = 0, delayed = 0, resolving = 0, held = 0, in_attempt = 0; // recipients

    bool operator==(const Load&) const = default;
  };

  [[nodiscard]] Load load() const;
  // Nothing is due now and nothing is in an attempt, being resolved or open, idle sessions excepted. What waits for the warm-up
  // of an address, for hours perhaps, is not due.
  [[nodiscard]] bool quiet() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// As people read it.
[[nodiscard]] std::string_view to_string(Scheduler::Holding::Cause cause);

} // namespace bulkmail::agent
