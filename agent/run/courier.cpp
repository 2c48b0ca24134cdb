#include "agent/run/courier.h"

#include "agent/run/security.h"
#include "agent/run/transaction_builder.h"

#include <algorithm>

namespace bulkmail::agent {

using transport::Event;
using transport::RecipientResult;
using transport::Stage;
using transport::Trouble;

namespace {

milliseconds since(Monotonic begin, Monotonic now) {
  return std::chrono::duration_cast<milliseconds>(now - begin);
}

} // namespace

Courier::Courier(Tools tools, Settings settings, Work first)
    : tools_(tools),
      settings_(std::move(settings)),
      session_(first.session),
      way_(first.way),
      alarm_(tools.timers, [this] {
        const auto now = tools_.clock.now().mono;
        if (connect_deadline_ && now >= *connect_deadline_) {
          host_failed({Trouble::Kind::timeout, Stage::connect, std::nullopt, "connect timed out"});
        } else if (client_) {
          client_->timeout(now);
          advance();
        }
        rearm();
      }) {
  loads_.emplace_back(std::move(first));
}

void Courier::start() {
  const auto now = tools_.clock.now().mono;
  began_ = now;
  walk_.emplace(*way_, tools_.dice, tools_.health, now,
                settings_.source ? std::optional(settings_.source->family) : std::nullopt);
  fetch_content(loads_.front());
  try_next_host();
}

void Courier::try_next_host() {
  const auto now = tools_.clock.now();
  if (finishing_) {
    put_back_waiting();
    leave(Scheduler::Gone::closed);
    return;
  }
  const auto candidate = giving_up_ ? std::nullopt : walk_->next();
  if (!candidate) {
    const auto summary = walk_->summary();
    auto outcome = std::make_shared<spool::Outcome>(
        transport::verdict(summary.trouble, summary.peer, summary.every_host_refused, now.wall));
    for (; !loads_.empty(); loads_.pop_front()) tools_.desk.unreachable(loads_.front().work, *outcome);
    const bool insecure = outcome->source == spool::Source::tls;
    leave(insecure ? Gone::insecure : Gone::refused, std::move(outcome));
    return;
  }
  const bool socket = !way_->terms->socket.empty();
  peer_ = {.host = candidate->host->name,
           .address = socket ? "" : candidate->address.to_string(),
           .port = socket ? std::uint16_t{0} : way_->terms->port,
           .final_delivery = settings_.client.protocol == transport::ClientConfig::Protocol::lmtp};
  address_ = candidate->address;
  policy_ = tls_policy(settings_.tls, *candidate->host);
  connect();
}

void Courier::connect() {
  fault_ = transport::TlsFault::handshake;
  connect_deadline_ = tools_.clock.now().mono + walk_->connect_timeout(settings_.client.timeouts.connect);
  const Terms& terms = *way_->terms;
  channel_ = terms.socket.empty() ? tools_.network.connect({address_, terms.port}, settings_.source, *this)
                                  : tools_.machine.connect(terms.socket, *this);
  rearm();
}

void Courier::host_failed(const Trouble& trouble) {
  connect_deadline_.reset();
  client_.reset();
  channel_.reset();
  const bool tls_failed = trouble.stage == Stage::tls && !finishing_;
  if (tls_failed)
    tell_tls({.failure = tls_result(fault_), .reason = trouble.text});
  else if (trouble.kind == Trouble::Kind::insecure)
    tell_tls({.failure = TlsResult::starttls_not_supported});
  if (tls_failed && policy_.level == transport::TlsLevel::opportunistic) {
    policy_.level =
        transport::TlsLevel::off; // TLS that does not work is no better than none: once more, in clear
    return connect();
  }
  walk_->failed(trouble, peer_, tools_.clock.now().mono);
  try_next_host();
}

void Courier::connected() {
  connect_deadline_.reset();
  auto config = settings_.client;
  config.allow_pipelining = !tools_.health.pipelining_broken(peer_.host);
  config.allow_chunking = !tools_.health.chunking_broken(peer_.host);
  config.allow_running_ahead = !tools_.health.running_ahead_broken(peer_.host);
  config.tls = way_->terms->implicit_tls ? transport::UseTls::at_once : use_of_tls(policy_);
  client_.emplace(std::move(config), tools_.clock.now().mono);
  advance();
}

void Courier::start_tls() {
  channel_ = std::make_unique<SecureChannel>(
      std::move(channel_),
      SecureChannel::Security{settings_.tls_contexts,
                              policy_,
                              {tools_.tickets, transport::ticket_key(peer_.host, peer_.port, policy_)}},
      *this, tools_.clock);
}

void Courier::secured(const spool::TlsInfo& how, std::optional<transport::TlsFault> flaw) {
  if (!client_) return;
  peer_.tls = how;
  tell_tls({.flaw = flaw});
  client_->tls_established(tools_.clock.now().mono);
  advance();
}

void Courier::insecure(std::string_view why, transport::TlsFault fault) {
  if (!client_) return;
  fault_ = fault;
  client_->tls_failed(why, tools_.clock.now().mono);
  advance();
}

void Courier::tell_tls(TlsSight sight) {
  if (loads_.empty() || !way_->by_dns) return; // of a relay the domain knows nothing
  sight.policy = policy_;
  sight.host = peer_.host;
  sight.address = peer_.address;
  if (settings_.source) sight.source = settings_.source->to_string();
  tools_.desk.tls_seen(loads_.front().work, sight);
}

void Courier::received(std::string_view bytes) {
  if (!client_) return;
  client_->receive(bytes, tools_.clock.now().mono);
  advance();
}

void Courier::closed(std::string_view why, bool local) {
  if (client_) {
    client_->lost(why, tools_.clock.now().mono);
    advance();
    return;
  }
  if (local) return drop_session(); // no descriptor, no port: nothing is known about the host
  host_failed({Trouble::Kind::lost, Stage::connect, std::nullopt, std::string(why)});
}

void Courier::advance() {
  while (client_ && !over_) {
    auto event = client_->next_event();
    if (!event) {
      begin_waiting();
      send_content();
      if (!client_ || !client_->has_event()) break;
      continue;
    }
    switch (event->kind) {
    case Event::Kind::start_tls: start_tls(); break;
    case Event::Kind::ready: ready(); break;
    case Event::Kind::send_content: break; // below
    case Event::Kind::settled: settle(*event); break;
    case Event::Kind::closed:
      remember(*event);
      session_closed(event->trouble);
      return;
    }
  }
  flush();
  rearm();
  const bool room = client_ && established_ && !finishing_ && !loads_.empty() && waiting() == nullptr &&
                    client_->can_start();
  if (room && !std::exchange(room_told_, true)) tools_.desk.has_room(session_);
}

void Courier::remember(const Event& event) {
  const auto now = tools_.clock.now().mono;
  if (event.pipelining_broken) tools_.health.remember_broken_pipelining(peer_.host, now);
  if (event.chunking_broken) tools_.health.remember_broken_chunking(peer_.host, now);
  if (event.running_ahead_broken) tools_.health.remember_broken_running_ahead(peer_.host, now);
}

void Courier::ready() {
  if (!established_) {
    const auto now = tools_.clock.now().mono;
    established_ = true;
    opening_ = since(began_, now);
    walk_->succeeded(now);
    if (use_of_tls(policy_) != transport::UseTls::never && !peer_.tls)
      tell_tls({.failure = TlsResult::starttls_not_supported}); // and this mail may go all the same
    tools_.desk.established(session_);
  }
  become_free();
}

// Nothing is under way.
void Courier::become_free() {
  if (!loads_.empty()) return; // it is begun in a moment
  if (finishing_) return client_->quit(tools_.clock.now().mono);
  room_told_ = false;
  tools_.desk.free(session_);
}

void Courier::take(Work work) {
  room_told_ = false;
  fetch_content(loads_.emplace_back(std::move(work)));
  advance();
}

Courier::Load* Courier::waiting() {
  const auto first = std::ranges::find(loads_, 0U, &Load::transaction);
  return first == loads_.end() ? nullptr : &*first;
}

Courier::Load* Courier::content_wanted() {
  const std::uint32_t wanted = client_ ? client_->wants_content() : 0;
  const auto load = std::ranges::find(loads_, wanted, &Load::transaction);
  return wanted == 0 || load == loads_.end() ? nullptr : &*load;
}

void Courier::begin_waiting() {
  while (Load* load = client_ && client_->can_start() ? waiting() : nullptr) {
    if (lacks_content(*load)) return; // begun when it is there
    begin(*load);
  }
}

// With BDAT all of a small message goes out at once.
bool Courier::lacks_content(const Load& load) const {
  const spool::MessageFacts& facts = *load.work.facts;
  if (load.content) return false;
  return load.content_first ||
         (client_->content_goes_along() && facts.size <= transport::Client::flight_octets);
}

void Courier::begin(Load& load) {
  const auto now = tools_.clock.now().mono;
  const Work& work = load.work;
  load.began = now;
  peer_.dsn = client_->offer().dsn;
  if (work.mixed && client_->offer().rcpt_domain_max == 1) tools_.desk.takes_one_domain(session_);
  auto built = build_transaction(*work.facts, work.recipients, client_->offer());
  if (load.content_first) {
    built.transaction.size = load.content->size;
    built.transaction.eight_bit = load.content->eight_bit;
  }
  load.left_out = std::move(built.unsuitable);
  load.transaction = client_->start(std::move(built.transaction), now);
}

void Courier::fetch_content(Load& load) {
  const auto& facts = load.work.facts;
  load.content_first = tools_.contents.decides_size(*facts);
  if (!load.content_first && !ContentStore::is_small(*facts)) return; // opened when it is needed
  const auto recipient = load.work.recipients.front();
  load.content = tools_.contents.find(*facts, recipient);
  if (load.content) return;
  tools_.contents.load(facts, recipient,
                       [self = weak_from_this(), attempt = load.work.attempt](
                           Content content, std::shared_ptr<const ContentProblem> problem) {
                         if (const auto courier = self.lock())
                           courier->content_came(attempt, std::move(content), problem);
                       });
}

void Courier::content_came(AttemptId attempt, Content content,
                           const std::shared_ptr<const ContentProblem>& problem) {
  const auto load = std::ranges::find(loads_, attempt, [](const Load& one) { return one.work.attempt; });
  if (over_ || load == loads_.end()) return;
  if (problem) return content_failed(*load, *problem);
  load->content = std::move(content);
  advance();
}

// As far as the peer takes it: what it does not take stays where it is.
void Courier::send_content() {
  while (client_) {
    Load* const load = content_wanted();
    if (load == nullptr) return;
    if (load->abandoned) return give_up_content(*load);
    if (client_->output_size() >= transport::Client::flight_octets) flush();
    if (channel_->unwritten() > 0) return; // drained() goes on
    if (!ContentStore::is_small(*load->work.facts)) {
      if (!load->reader)
        load->reader =
            tools_.contents.open(load->work.facts, load->content ? std::move(load->content->signatures) : "");
      if (std::exchange(load->reading, true)) return;
      return load->reader->next([self = weak_from_this()](const ContentReader::Block& block) {
        if (const auto courier = self.lock(); courier && !courier->over_) courier->send_block(block);
      });
    }
    if (!load->content) return; // sent when it is loaded
    const std::string_view rest = std::string_view(*load->content->wire).substr(load->sent);
    const std::string_view block = rest.substr(0, transport::Client::flight_octets);
    const bool last = block.size() == rest.size();
    if (last && !tools_.desk.may_send()) return give_up_content(*load);
    load->sent += block.size();
    client_->send_content(block, last, tools_.clock.now().mono);
  }
}

void Courier::send_block(const ContentReader::Block& block) {
  Load* const load = content_wanted();
  if (load == nullptr || !std::exchange(load->reading, false)) return; // the peer answered in the middle
  if (block.problem) return content_failed(*load, *block.problem);
  if (block.last && (load->abandoned || !tools_.desk.may_send())) return give_up_content(*load);
  client_->send_content(block.wire, block.last, tools_.clock.now().mono);
  advance();
}

// Its end is not to go out. What is past its own is waited for first.
void Courier::give_up_content(const Load& load) {
  if (&load == &loads_.front()) drop_session();
}

void Courier::drained() {
  if (!client_) return;
  client_->content_progress(tools_.clock.now().mono);
  advance();
}

void Courier::put_back_waiting() {
  for (; !loads_.empty() && loads_.back().transaction == 0; loads_.pop_back())
    tools_.desk.put_back(loads_.back().work);
}

// Nothing is past its end of data: the peer forgets the transaction, and what it was about is tried again as if it had not
// been.
void Courier::drop_session() {
  client_.reset();
  channel_.reset();
  for (; !loads_.empty(); loads_.pop_back()) tools_.desk.put_back(loads_.back().work);
  leave(Scheduler::Gone::closed);
}

void Courier::content_failed(Load& load, const ContentProblem& problem) {
  const Work work = std::move(load.work);
  const bool started = load.transaction != 0;
  loads_.erase(std::ranges::find(loads_, &load, [](const Load& one) { return &one; }));
  if (problem.changed)
    tools_.desk.condemned(work, problem);
  else
    tools_.desk.unreadable(work, problem);
  if (started || !established_) return drop_session(); // no end of data: the peer forgets the transaction
  if (client_->idle()) become_free();
  advance();
}

void Courier::settle(Event& event) {
  Load load = std::move(loads_.front());
  loads_.pop_front();
  if (load.abandoned || event.untried) {
    tools_.desk.put_back(load.work);
    return;
  }
  auto& results = event.results;
  if (!load.left_out.empty()) { // weave them in
    std::vector<RecipientResult> all;
    std::size_t next = 0;
    for (auto& left_out : load.left_out)
      all.push_back(left_out ? std::move(*left_out) : std::move(results[next++]));
    results = std::move(all);
  }
  const bool answered = std::ranges::any_of(results, [](const RecipientResult& result) {
    return result.kind == RecipientResult::Kind::accepted ||
           (result.kind == RecipientResult::Kind::refused && result.reply->code != 421);
  });
  useful_ |= answered;
  tools_.desk.settled(load.work, results, peer_,
                      {std::exchange(opening_, milliseconds{}), since(load.began, tools_.clock.now().mono),
                       answered, event.end_of_data});
}

void Courier::session_closed(const Trouble& trouble) {
  if (!established_) { // this host won't have us: the next one
    host_failed(trouble);
    return;
  }
  flush();
  client_.reset();
  channel_.reset();
  put_back_waiting(); // given to it in its last moment
  using Kind = Trouble::Kind;
  const bool pushed_back = trouble.kind == Kind::shutdown || trouble.kind == Kind::timeout;
  if (pushed_back && !useful_) {
    leave(Scheduler::Gone::refused, std::make_shared<spool::Outcome>(
                                        transport::verdict(trouble, peer_, false, tools_.clock.now().wall)));
  } else {
    leave(Scheduler::Gone::closed);
  }
}

void Courier::close() {
  if (!client_ || over_) return;
  client_->quit(tools_.clock.now().mono);
  advance();
}

void Courier::give_up() {
  if (over_ || established_) return;
  giving_up_ = true;
  const bool greeting = client_.has_value();
  host_failed({Trouble::Kind::timeout, greeting ? Stage::greeting : Stage::connect, std::nullopt,
               greeting ? "no greeting yet, and its place was needed"
                        : "no connection yet, and its place was needed"});
}

void Courier::finish() {
  finishing_ = true;
  if (over_) return;
  if (!established_) return drop_session();
  put_back_waiting();
  if (client_ && client_->idle()) close();
}

void Courier::cut() {
  finish();
  if (!over_ && client_ && !client_->content_sent()) drop_session();
}

void Courier::abandon(std::uint64_t message) {
  if (over_) return;
  bool drop = false;
  for (Load& load : loads_) {
    if (load.work.message != message) continue;
    load.abandoned = true;
    drop |= !established_ || (content_wanted() == &load && &load == &loads_.front());
  }
  if (drop) return drop_session();
  const auto erased = std::erase_if(loads_, [&](const Load& load) {
    if (!load.abandoned || load.transaction != 0) return false;
    tools_.desk.put_back(load.work);
    return true;
  });
  if (erased > 0 && client_->idle()) become_free();
  advance();
}

void Courier::leave(Scheduler::Gone how, std::shared_ptr<const spool::Outcome> outcome) {
  if (std::exchange(over_, true)) return;
  alarm_.set(std::nullopt);
  tools_.desk.gone(session_, how, std::move(outcome));
}

void Courier::flush() {
  if (client_ && channel_ && client_->output_size() > 0) channel_->write(client_->take_output());
}

void Courier::rearm() {
  if (over_) return;
  if (connect_deadline_)
    alarm_.set(connect_deadline_);
  else if (client_)
    alarm_.set(client_->deadline());
}

} // namespace bulkmail::agent
