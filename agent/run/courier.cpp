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

// Content up to here fits a fresh socket's buffer: it and the end of data go out in one write.
constexpr std::size_t one_write = 32 * 1024;

milliseconds since(Monotonic begin, Monotonic now) {
  return std::chrono::duration_cast<milliseconds>(now - begin);
}

// The session had been used and the peer ended it before it answered anything of this transaction: nobody was tried.
bool was_stale(const transport::Client& client, std::span<const RecipientResult> results) {
  if (client.transactions() < 2) return false; // this one is counted already
  return std::ranges::all_of(results, [](const RecipientResult& result) {
    const bool shut =
        result.kind == RecipientResult::Kind::refused && result.reply && result.reply->code == 421;
    const bool at_once = result.stage == Stage::mail || result.stage == Stage::rset;
    return at_once && (result.kind == RecipientResult::Kind::lost || shut);
  });
}

} // namespace

Courier::Courier(Tools tools, Settings settings, Work first)
    : tools_(tools),
      settings_(std::move(settings)),
      session_(first.session),
      route_(first.route),
      work_(std::move(first)),
      alarm_(tools.timers, [this] {
        const auto now = tools_.clock.now().mono;
        if (connect_deadline_ && now >= *connect_deadline_) {
          host_failed({Trouble::Kind::timeout, Stage::connect, std::nullopt, "connect timed out"});
        } else if (client_) {
          client_->timeout(now);
          advance();
        }
        rearm();
      }) {}

void Courier::start() {
  const auto now = tools_.clock.now().mono;
  began_ = now;
  walk_.emplace(*route_, tools_.dice, tools_.health, now,
                settings_.source ? std::optional(settings_.source->family) : std::nullopt);
  fetch_content();
  try_next_host();
}

void Courier::try_next_host() {
  const auto now = tools_.clock.now();
  if (finishing_) {
    tools_.desk.put_back(*std::exchange(work_, std::nullopt));
    leave(Scheduler::Gone::closed);
    return;
  }
  const auto candidate = giving_up_ ? std::nullopt : walk_->next();
  if (!candidate) {
    const auto summary = walk_->summary();
    auto outcome = std::make_shared<spool::Outcome>(
        transport::verdict(summary.trouble, summary.peer, summary.every_host_refused, now.wall));
    tools_.desk.unreachable(*std::exchange(work_, std::nullopt), *outcome);
    const bool insecure = outcome->source == spool::Source::tls;
    leave(insecure ? Gone::insecure : Gone::refused, std::move(outcome));
    return;
  }
  peer_ = {candidate->host->name, candidate->address.to_string(), settings_.port, false};
  address_ = candidate->address;
  policy_ = tls_policy(settings_.tls, *candidate->host);
  connect();
}

void Courier::connect() {
  connect_deadline_ = tools_.clock.now().mono + walk_->connect_timeout(settings_.client.timeouts.connect);
  channel_ = tools_.network.connect({address_, settings_.port}, settings_.source, *this);
  rearm();
}

void Courier::host_failed(const Trouble& trouble) {
  connect_deadline_.reset();
  client_.reset();
  channel_.reset();
  const bool tls_failed = trouble.stage == Stage::tls && !finishing_;
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
  config.tls = use_of_tls(policy_);
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

void Courier::secured(const spool::TlsInfo& how) {
  if (!client_) return;
  peer_.tls = how;
  client_->tls_established(tools_.clock.now().mono);
  advance();
}

void Courier::insecure(std::string_view why) {
  if (!client_) return;
  client_->tls_failed(why, tools_.clock.now().mono);
  advance();
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
    if (!event) break;
    if (event->pipelining_broken)
      tools_.health.remember_broken_pipelining(peer_.host, tools_.clock.now().mono);
    switch (event->kind) {
    case Event::Kind::start_tls: start_tls(); break;
    case Event::Kind::ready: ready(); break;
    case Event::Kind::send_content:
      content_wanted_ = true;
      send_content();
      break;
    case Event::Kind::settled: settle(std::move(event->results), event->end_of_data); break;
    case Event::Kind::closed: session_closed(event->trouble); return;
    }
  }
  flush();
  rearm();
}

void Courier::ready() {
  if (!established_) {
    const auto now = tools_.clock.now().mono;
    established_ = true;
    opening_ = since(began_, now);
    walk_->succeeded(now);
    tools_.desk.established(session_);
  }
  if (finishing_ && !work_)
    client_->quit(tools_.clock.now().mono);
  else if (work_)
    begin_transaction();
  else
    tools_.desk.free(session_);
}

void Courier::take(Work work) {
  work_ = std::move(work);
  fetch_content();
  if (client_ && client_->idle()) begin_transaction();
  advance();
}

void Courier::begin_transaction() {
  if (content_first_ && !content_) return; // begun when it is there
  const auto now = tools_.clock.now().mono;
  transaction_began_ = now;
  peer_.dsn = client_->offer().dsn;
  auto built = build_transaction(*work_->facts, work_->recipients, client_->offer());
  if (content_first_) {
    built.transaction.size = content_->size;
    built.transaction.eight_bit = content_->eight_bit;
  }
  unsuitable_ = std::move(built.unsuitable);
  if (built.transaction.recipients.empty()) { // nobody here can be reached over this host
    settle({}, std::nullopt);
    ready();
    return;
  }
  client_->start(std::move(built.transaction), now);
}

void Courier::fetch_content() {
  content_.reset();
  reader_.reset();
  content_wanted_ = end_after_drain_ = reading_block_ = last_block_sent_ = false;
  const auto& facts = work_->facts;
  content_first_ = tools_.contents.decides_size(*facts);
  if (!content_first_ && !ContentStore::is_small(*facts)) return; // opened when it is needed
  const auto recipient = work_->recipients.front();
  content_ = tools_.contents.find(*facts, recipient);
  if (content_) return;
  tools_.contents.load(
      facts, recipient,
      [self = weak_from_this(), attempt = work_->attempt](Content content,
                                                          std::shared_ptr<const ContentProblem> problem) {
        const auto courier = self.lock();
        if (!courier || courier->over_ || !courier->work_ || courier->work_->attempt != attempt) return;
        if (problem) {
          courier->content_failed(*problem);
        } else {
          courier->content_ = std::move(content);
          const bool waits = courier->content_first_ && courier->client_ && courier->client_->idle();
          if (waits) courier->begin_transaction();
          courier->send_content();
          courier->advance();
        }
      });
}

void Courier::send_content() {
  if (!content_wanted_ || !work_) return;
  if (!ContentStore::is_small(*work_->facts)) {
    if (!reader_)
      reader_ = tools_.contents.open(work_->facts, content_ ? std::move(content_->signatures) : "");
    if (reading_block_ || last_block_sent_) return;
    reading_block_ = true;
    reader_->next([self = weak_from_this()](ContentReader::Block block) {
      if (const auto courier = self.lock(); courier && !courier->over_) courier->send_block(std::move(block));
    });
    return;
  }
  if (!content_) return; // sent when it is loaded
  content_wanted_ = false;
  const WireContent content = std::exchange(content_, std::nullopt)->wire;
  if (content->size() <= one_write) {
    end_content();
    if (client_) channel_->write(content, client_->take_output());
    return;
  }
  channel_->write(content);
  if (channel_->unwritten() > 0)
    end_after_drain_ = true;
  else
    end_content();
}

void Courier::send_block(ContentReader::Block block) {
  reading_block_ = false;
  if (!work_ || !content_wanted_) return; // the peer answered in the middle
  if (block.problem) return content_failed(*block.problem);
  channel_->write(std::move(block.wire));
  last_block_sent_ = block.last;
  if (channel_->unwritten() == 0)
    drained();
  else
    rearm();
}

void Courier::drained() {
  if (!client_ || !work_) return;
  if (std::exchange(end_after_drain_, false)) {
    end_content();
  } else if (content_wanted_ && reader_) {
    client_->content_progress(tools_.clock.now().mono);
    if (last_block_sent_) {
      content_wanted_ = false;
      end_content();
    } else {
      send_content();
    }
  }
  advance();
}

void Courier::end_content() {
  if (tools_.desk.may_send())
    client_->end_of_content(tools_.clock.now().mono);
  else
    drop_session();
}

// No dot goes out: the peer forgets the transaction, and what it was about is tried again as if it had not been.
void Courier::drop_session() {
  client_.reset();
  channel_.reset();
  if (work_) tools_.desk.put_back(*std::exchange(work_, std::nullopt));
  leave(Scheduler::Gone::closed);
}

void Courier::content_failed(const ContentProblem& problem) {
  const Work work = *std::exchange(work_, std::nullopt);
  if (problem.changed)
    tools_.desk.condemned(work, problem);
  else
    tools_.desk.unreadable(work, problem);
  client_.reset();
  channel_.reset(); // no dot: the peer forgets the transaction
  leave(Scheduler::Gone::closed);
}

void Courier::settle(std::vector<RecipientResult> results,
                     std::optional<std::chrono::nanoseconds> end_of_data) {
  const Work work = *std::exchange(work_, std::nullopt);
  content_.reset();
  reader_.reset();
  content_wanted_ = end_after_drain_ = false;
  if (!results.empty() && was_stale(*client_, results)) {
    tools_.desk.put_back(work);
    return;
  }
  if (!unsuitable_.empty()) { // weave in those that were left out
    std::vector<RecipientResult> all;
    std::size_t next = 0;
    for (auto& left_out : unsuitable_)
      all.push_back(left_out ? std::move(*left_out) : std::move(results[next++]));
    unsuitable_.clear();
    results = std::move(all);
  }
  const bool answered = std::ranges::any_of(results, [](const RecipientResult& result) {
    return result.kind == RecipientResult::Kind::accepted ||
           (result.kind == RecipientResult::Kind::refused && result.reply->code != 421);
  });
  useful_ |= answered;
  tools_.desk.settled(work, results, peer_,
                      {std::exchange(opening_, milliseconds{}),
                       since(transaction_began_, tools_.clock.now().mono), answered, end_of_data});
}

void Courier::session_closed(const Trouble& trouble) {
  if (!established_) { // this host won't have us: the next one
    host_failed(trouble);
    return;
  }
  flush();
  client_.reset();
  channel_.reset();
  if (work_) tools_.desk.put_back(*std::exchange(work_, std::nullopt)); // given to it in its last moment
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
  if (established_) {
    if (client_ && client_->idle() && !work_) close();
    return;
  }
  drop_session();
}

void Courier::cut() {
  finish();
  if (!over_ && client_ && !client_->content_sent()) drop_session();
}

void Courier::abandon(std::uint64_t message) {
  if (!over_ && work_ && work_->message == message) drop_session();
}

void Courier::leave(Scheduler::Gone how, std::shared_ptr<const spool::Outcome> outcome) {
  if (std::exchange(over_, true)) return;
  alarm_.set(std::nullopt);
  tools_.desk.gone(session_, how, std::move(outcome));
}

void Courier::flush() {
  if (client_ && channel_ && client_->has_output()) channel_->write(client_->take_output());
}

void Courier::rearm() {
  if (over_) return;
  if (connect_deadline_)
    alarm_.set(connect_deadline_);
  else if (client_)
    alarm_.set(client_->deadline());
}

} // namespace bulkmail::agent
