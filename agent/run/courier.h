// One session, from the first connect to the last QUIT: walks the hosts of a Route until one is ready, then carries attempts
// of its Lane one after the other, over a long path several at once.
//
// It pumps bytes between a Channel and a transport::Client and knows no protocol rule and no queue; what becomes of an
// attempt it tells its Desk. Exactly one of settled, unreachable, put_back or condemned answers each attempt it was given,
// and gone() is its last word.
#pragma once

#include "agent/queue/host_walk.h"
#include "agent/queue/scheduler.h"
#include "agent/run/carrier.h"
#include "agent/run/content.h"
#include "agent/run/secure_channel.h"
#include "agent/run/timers.h"
#include "agent/run/tls_sight.h"
#include "agent/seams.h"
#include "transport/client/client.h"
#include "transport/verdict.h"

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace bulkmail::agent {

class Courier final : public Carrier,
                      public SecureChannel::Owner,
                      public std::enable_shared_from_this<Courier> {
 public:
  // What a transaction showed of its host, and how long an attempt's parts took.
  struct Timing {
    milliseconds opening{};                                // connect to ready, of a session's first attempt
    milliseconds transaction{};                            // MAIL to the last reply
    bool answered = false;                                 // something else than 421 and a loss
    std::optional<std::chrono::nanoseconds> end_of_data{}; // to its reply
  };

  class Desk {
   public:
    virtual ~Desk() = default;
    virtual void settled(const Work& work, const std::vector<transport::RecipientResult>& results,
                         const transport::Peer& peer, const Timing& timing) = 0;
    // Of what is no mail host: an outcome for each of its recipients.
    virtual void answered(const Work& work, std::vector<spool::Outcome> outcomes) = 0;
    virtual void unreachable(const Work& work, const spool::Outcome& outcome) = 0;
    virtual void put_back(const Work& work) = 0; // not tried, or over a session that had gone stale
    virtual void condemned(const Work& work, const ContentProblem& problem) = 0;
    virtual void unreadable(const Work& work, const ContentProblem& problem) = 0;
    virtual void established(SessionId session) = 0;
    virtual void takes_one_domain(SessionId session) = 0; // a transaction, as its host announces
    virtual void has_room(SessionId session) = 0;         // can take one more attempt beside those it has
    virtual void free(SessionId session) = 0;
    virtual void gone(SessionId session, Scheduler::Gone how,
                      std::shared_ptr<const spool::Outcome> outcome) = 0;
    // How TLS went in a new session, for the domain of the mail that opened it.
    virtual void tls_seen(const Work& work, const TlsSight& sight) = 0;
    virtual bool may_send() const = 0; // false: the spool could not keep the outcome, no dot goes out
  };

  struct Tools {
    Clock& clock;
    Network& network;
    Machine& machine;
    Timers& timers;
    Dice& dice;
    HostHealth& health;
    transport::TicketStore& tickets;
    ContentStore& contents;
    Desk& desk;
  };

  struct Settings {
    transport::ClientConfig client;
    transport::TlsLevel tls = transport::TlsLevel::off;
    std::shared_ptr<const transport::TlsContexts> tls_contexts; // null: tls is off
    std::optional<resolver::IpAddress> source; // of this machine, to send from; none: the system's choice
  };

  Courier(Tools tools, Settings settings, Work first);
  void start() override;                        // opens the session for the first attempt
  void take(Work work) override;                // another attempt, after free() or has_room()
  void close() override;                        // idle: QUIT
  void give_up() override;                      // not yet ready: it ends as if nobody had answered in time
  void finish() override;                       // no more attempts; idle or not yet ready: ends at once
  void abandon(std::uint64_t message) override; // if it carries that one: no end of data
  void cut() override;                          // as finish, and what is not past its end of data is put back

  [[nodiscard]] SessionId session() const { return session_; }

  [[nodiscard]] bool over() const { return over_; } // gone() was said: to be let go

 private:
  void connected() override;
  void received(std::string_view bytes) override;
  void drained() override;
  void closed(std::string_view why, bool local) override;
  void secured(const spool::TlsInfo& how, std::optional<transport::TlsFault> flaw) override;
  void insecure(std::string_view why, transport::TlsFault fault) override;

  // An attempt on its way.
  struct Load {
    explicit Load(Work what) : work(std::move(what)) {}

    Work work;
    std::uint32_t transaction = 0;                                   // the client's number; 0: not started
    std::vector<std::optional<transport::RecipientResult>> left_out; // never put into the transaction
    bool content_first = false;     // it can't begin before the content is there: its size belongs to MAIL
    std::optional<Content> content; // or the signatures of a large message
    std::size_t sent = 0;           // of that
    std::unique_ptr<ContentReader> reader; // of a large one
    bool reading = false;                  // a block is being read
    bool abandoned = false;
    Monotonic began{};
  };

  void try_next_host();
  void connect();
  void host_failed(const transport::Trouble& trouble);
  void advance();
  void start_tls();
  void remember(const transport::Event& event);
  void tell_tls(TlsSight sight);
  void ready();
  void become_free();
  void begin_waiting();
  void begin(Load& load);
  [[nodiscard]] bool lacks_content(const Load& load) const;
  void fetch_content(Load& load);
  void content_came(AttemptId attempt, Content content, const std::shared_ptr<const ContentProblem>& problem);
  void send_content();
  void send_block(const ContentReader::Block& block);
  void give_up_content(const Load& load);
  void put_back_waiting();
  void drop_session();
  void content_failed(Load& load, const ContentProblem& problem);
  void settle(transport::Event& event);
  void session_closed(const transport::Trouble& trouble);
  void leave(Scheduler::Gone how, std::shared_ptr<const spool::Outcome> outcome = nullptr);
  void flush();
  void rearm();

  [[nodiscard]] Load* waiting();        // the first that is not started
  [[nodiscard]] Load* content_wanted(); // whose content goes on now

  Tools tools_;
  Settings settings_;
  SessionId session_;
  std::shared_ptr<const Way> way_;
  std::optional<HostWalk> walk_;
  std::unique_ptr<Channel> channel_;
  std::optional<transport::Client> client_;
  transport::Peer peer_;
  resolver::IpAddress address_; // the peer's
  transport::TlsPolicy policy_; // for the host that is tried or was reached
  transport::TlsFault fault_{}; // of its handshake
  std::deque<Load> loads_;      // oldest first
  Timers::Alarm alarm_;
  std::optional<Monotonic> connect_deadline_;
  Monotonic began_{};
  milliseconds opening_{};
  bool established_ = false;
  bool useful_ = false; // something other than 421 and a loss was answered to a transaction
  bool room_told_ = false;
  bool finishing_ = false;
  bool giving_up_ = false;
  bool over_ = false;
};

} // namespace bulkmail::agent
