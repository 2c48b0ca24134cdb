#include "transport/client/client.h"

#include "transport/client/command_line.h"
#include "transport/printable.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>

namespace bulkmail::transport {

namespace {

using Kind = RecipientResult::Kind;

constexpr std::string_view unasked = "bytes that nobody asked for";

RecipientResult answer(Kind kind, Stage stage, SharedReply reply, std::string text = {}) {
  return {.kind = kind, .stage = stage, .reply = std::move(reply), .text = std::move(text), .enhanced = {}};
}

} // namespace

// ---- bytes, time and the loss of the connection

Client::Client(ClientConfig config, Monotonic now) : config_(std::move(config)), now_(now) {
  if (config_.tls == UseTls::at_once)
    await_handshake();
  else
    push(Verb::greeting);
  untaken_ = commands_.size(); // nothing to send: the host speaks first
  arm();
}

void Client::receive(std::string_view bytes, Monotonic now) {
  now_ = now;
  while (!bytes.empty() && !closed_) {
    // Whoever can put octets between the 220 and TLS would have them taken for what comes protected (CVE-2011-0411).
    if (shaking_hands()) return out_of_step(Stage::starttls, "octets in clear behind the reply");
    bytes.remove_prefix(parser_.feed(bytes));
    if (!parser_.problem().empty()) return out_of_step(stage(), parser_.problem());
    if (!parser_.done()) break;
    answered();
    parser_.next();
    proceed();
  }
  come_home();
  // The beginning of a reply that nobody asked for: a 421, or something that ends the session.
  if (!closed_ && !deadline_ && parser_.begun()) deadline_ = now + config_.timeouts.rset;
}

void Client::lost(std::string_view why, Monotonic now) {
  now_ = now;
  if (closed_) return;
  if (stage() == Stage::quit) return close({});
  close({.kind = Trouble::Kind::lost,
         .stage = stage(),
         .reply = {},
         .text = printable(fmt::format("connection lost while {}: {}", doing(stage()), why))});
}

void Client::timeout(Monotonic now) {
  now_ = now;
  if (closed_ || !deadline_ || now < *deadline_) return;
  if (stage() == Stage::quit) return close({});
  if (!unanswered() && running_.empty()) return out_of_step(stage(), unasked);
  close({.kind = Trouble::Kind::timeout,
         .stage = stage(),
         .reply = {},
         .text = fmt::format("timed out while {}", doing(stage()))});
}

std::string Client::take_output() {
  untaken_ = commands_.size();
  return std::exchange(output_, {});
}

std::optional<Event> Client::next_event() {
  if (events_.empty()) return std::nullopt;
  Event event = std::move(events_.front());
  events_.pop_front();
  return event;
}

bool Client::idle() const {
  return ready_ && !closed_ && !quit_wanted_ && running_.empty() && !unanswered() && !parser_.begun();
}

bool Client::content_sent() const {
  return !settled_.empty() || std::ranges::any_of(running_, [](const Running& one) { return one.end_sent; });
}

// ---- what the caller wants

std::uint32_t Client::start(Transaction transaction, Monotonic now) {
  now_ = now;
  Running& added = running_.emplace_back(++started_, std::move(transaction));
  const std::uint32_t id = added.id;
  if (closed_ || quit_wanted_ || !ready_) { // nothing may follow a QUIT
    added.decide_open(answer(Kind::lost, Stage::mail, {}, "the session is closing"));
    added.step = Step::over;
    if (running_.size() == 1) {
      settle();
      tell_settled();
      ready_due_ = false;
    }
    return id;
  }
  if (parser_.begun() && !unanswered()) {
    out_of_step(Stage::mail, unasked);
    return id;
  }
  if (const auto reason = unsuitable(added.transaction, offer_, config_.eight_bit))
    added.decide_open(*reason);
  RecipientLimits limits(offer_);
  for (std::uint32_t i = 0; i < added.progress.size() && added.open > 0; ++i) {
    const TransactionRecipient& recipient = added.transaction.recipients[i];
    if (auto reason = unsuitable(recipient, added.transaction.needs_smtp_utf8)) {
      added.decide(i, std::move(*reason));
    } else if (!limits.takes(recipient.address)) {
      added.decide(i, answer(Kind::again, Stage::rcpt, {}, "more recipients than the host takes at once"));
    }
  }
  if (added.open == 0) added.step = Step::over;
  proceed();
  come_home();
  return id;
}

bool Client::can_start() const {
  if (running_.empty()) return idle();
  if (closed_ || quit_wanted_ || !runs_ahead() || started_ >= message_limit()) return false;
  const Running& last = running_.back();
  if (last.transaction.size > flight_octets) return false;
  if (!chunking()) return last.step != Step::begin; // DATA ends a flight
  return last.end_sent && running_.size() < depth_ && running_.size() + settled_.size() < most_transactions &&
         octets_ < most_octets;
}

// Over a long path, to a host that has answered a whole flight of this session.
bool Client::runs_ahead() const {
  return pipelining_proven_ && pipelining() && !lmtp() && config_.allow_running_ahead &&
         round_trip_ >= config_.run_ahead_from;
}

std::uint64_t Client::message_limit() const {
  const std::uint64_t ours = config_.messages_per_connection;
  return offer_.mail_max == 0 ? ours : std::min<std::uint64_t>(ours, offer_.mail_max);
}

std::uint32_t Client::wants_content() const {
  const Running* next = sender();
  if (closed_ || next == nullptr || next->step != Step::content) return 0;
  const bool wanted =
      !next->chunked || next->one_flight || (pipelining() ? next->unanswered < most_chunks : !unanswered());
  return wanted ? next->id : 0;
}

void Client::send_content(std::string_view block, bool last, Monotonic now) {
  now_ = now;
  Running* next = sender();
  if (closed_ || next == nullptr || next->step != Step::content) return;
  if (last && parser_.begun() && !unanswered()) {
    return out_of_step(Stage::content, "a reply before the end of data");
  }
  if (next->chunked) {
    if (!block.empty() || last) {
      fmt::format_to(std::back_inserter(output_), "BDAT {}{}\r\n", block.size(), last ? " LAST" : "");
      output_.append(block);
    }
  } else {
    next->stuffer.append(block, output_);
    if (last) output_ += ".\r\n";
  }
  if (!last) {
    if (next->chunked && !block.empty()) push(Verb::chunk, next);
    return arm();
  }
  next->step = Step::over;
  next->end_sent = true;
  next->end_sent_at = now;
  next->timed = !unanswered() || commands_[oldest_].transaction == next->id;
  octets_ += next->transaction.size;
  if (lmtp()) { // a reply for each that was accepted, RFC 2033 §4.2
    for (std::uint32_t i = 0; i < next->progress.size(); ++i) {
      if (next->progress[i] == Running::Progress::accepted) push(Verb::end, next, i);
    }
  } else {
    push(Verb::end, next);
  }
  proceed();
}

void Client::content_progress(Monotonic now) {
  now_ = now;
  const Running* next = sender();
  if (closed_ || next == nullptr || next->step != Step::content || !deadline_) return;
  deadline_ = std::max(*deadline_, now + config_.timeouts.block);
}

void Client::abandon_content(std::string_view why, Monotonic now) {
  now_ = now;
  const Running* next = sender();
  if (closed_ || next == nullptr || next->step != Step::content) return;
  close({.kind = Trouble::Kind::none, .stage = Stage::content, .reply = {}, .text = printable(why)});
}

void Client::quit(Monotonic now) {
  now_ = now;
  if (closed_ || quit_wanted_) return;
  quit_wanted_ = true;
  std::erase_if(events_, [](const Event& event) { return event.kind == Event::Kind::ready; });
  if (!running_.empty() || unanswered()) return;
  send(Verb::quit);
  arm();
}

// ---- commands

Stage Client::stage_of(Verb verb) {
  switch (verb) {
  case Verb::greeting: return Stage::greeting;
  case Verb::ehlo:
  case Verb::helo: return Stage::ehlo;
  case Verb::starttls: return Stage::starttls;
  case Verb::handshake: return Stage::tls;
  case Verb::auth: return Stage::auth;
  case Verb::rset: return Stage::rset;
  case Verb::mail: return Stage::mail;
  case Verb::rcpt: return Stage::rcpt;
  case Verb::data: return Stage::data;
  case Verb::chunk: return Stage::content;
  case Verb::end:
  case Verb::lone_dot: return Stage::end_of_data;
  case Verb::quit: return Stage::quit;
  }
  return Stage::quit;
}

milliseconds Client::time_for(Verb verb) const {
  const Timeouts& times = config_.timeouts;
  switch (verb) {
  case Verb::greeting: return times.greeting;
  case Verb::ehlo:
  case Verb::helo:
  case Verb::auth: return times.ehlo;
  case Verb::starttls:
  case Verb::handshake: return times.tls;
  case Verb::rset: return times.rset;
  case Verb::mail: return times.mail;
  case Verb::rcpt: return times.rcpt;
  case Verb::data: return times.data;
  case Verb::chunk:
  case Verb::end:
  case Verb::lone_dot: return times.end_of_data;
  case Verb::quit: return times.quit;
  }
  return times.quit;
}

// The transaction that sends next.
Running* Client::sender() {
  const auto next = std::ranges::find_if(running_, [](const Running& one) { return one.step != Step::over; });
  return next == running_.end() ? nullptr : &*next;
}

// Where the dialog stands; an idle session stands before the next MAIL.
Stage Client::stage() const {
  if (unanswered()) return stage_of(commands_[oldest_].verb);
  const Running* next = sender();
  return next != nullptr && next->step == Step::content ? Stage::content : Stage::mail;
}

std::string Client::doing(Stage stage) const {
  if (stage == Stage::greeting) return "waiting for the greeting";
  if (stage == Stage::tls) return "negotiating TLS";
  if (stage == Stage::content) return "sending the content";
  if (stage == Stage::mail && running_.empty()) return "idle";
  return fmt::format("waiting for the reply to {}", to_string(stage));
}

void Client::push(Verb verb, Running* of, std::uint32_t recipient) {
  constexpr std::size_t worth_moving = 256;
  if (!unanswered()) { // all answered: the memory serves the next flight
    commands_.clear();
    oldest_ = untaken_ = 0;
    flight_answered_ = false;
    flight_began_ = now_;
  } else if (oldest_ >= worth_moving) {
    commands_.erase(commands_.begin(), commands_.begin() + static_cast<std::ptrdiff_t>(oldest_));
    untaken_ -= oldest_;
    oldest_ = 0;
  }
  commands_.push_back({verb, of != nullptr ? of->id : 0, recipient});
  if (of != nullptr) ++of->unanswered;
}

void Client::send(Verb verb) {
  switch (verb) {
  case Verb::ehlo: output_.append(lmtp() ? "LHLO " : "EHLO ").append(config_.hostname).append("\r\n"); break;
  case Verb::helo: output_.append("HELO ").append(config_.hostname).append("\r\n"); break;
  case Verb::starttls: output_ += "STARTTLS\r\n"; break;
  case Verb::auth: append_auth(); break;
  case Verb::quit: output_ += "QUIT\r\n"; break;
  default: break; // those of a transaction
  }
  push(verb);
}

void Client::send(Verb verb, Running& of) {
  switch (verb) {
  case Verb::rset: output_ += "RSET\r\n"; break;
  case Verb::mail: append_mail(output_, of.transaction, offer_); break;
  case Verb::rcpt: append_rcpt(output_, of.transaction.recipients[of.next_recipient], offer_); break;
  case Verb::data: output_ += "DATA\r\n"; break;
  case Verb::lone_dot: output_ += ".\r\n"; break;
  default: break; // send_content has the others
  }
  push(verb, &of, of.next_recipient);
}

// One command at a time in lock-step, all in one flight with PIPELINING; and on a long path ahead of what is unanswered,
// which then all is sent to its end.
bool Client::may_send(const Running& next) const {
  switch (next.step) {
  case Step::begin:
    if (!unanswered()) return true;
    return runs_ahead() && next.transaction.size <= flight_octets &&
           std::ranges::all_of(running_, [&](const Running& one) { return &one == &next || one.end_sent; });
  case Step::mail:
  case Step::rcpt:
  case Step::data: return !unanswered() || pipelining();
  case Step::chunks: return !unanswered() || next.one_flight;
  case Step::content:
  case Step::over: return false;
  }
  return false;
}

void Client::send_next(Running& next) {
  switch (next.step) {
  case Step::begin:
    next.chunked = chunking();
    next.one_flight = content_goes_along() && next.transaction.size <= flight_octets;
    // How what is unanswered ends nobody knows: a refused transaction would still be open.
    if (needs_rset_ || unanswered()) send(Verb::rset, next);
    next.step = Step::mail;
    break;
  case Step::mail:
    send(Verb::mail, next);
    needs_rset_ = true;
    next.step = Step::rcpt;
    break;
  case Step::rcpt:
    while (next.next_recipient < next.progress.size() &&
           next.progress[next.next_recipient] != Running::Progress::open)
      ++next.next_recipient;
    if (next.next_recipient == next.progress.size()) {
      next.step = next.chunked ? Step::chunks : Step::data;
    } else {
      send(Verb::rcpt, next);
      ++next.next_recipient;
    }
    break;
  case Step::data:
    // Lock-step knows by now whether anybody wants it; a flight has to ask.
    if (next.accepted > 0 || unanswered()) send(Verb::data, next);
    next.step = Step::over;
    break;
  case Step::chunks:
    next.step = next.one_flight || next.accepted > 0 ? Step::content : Step::over;
    if (next.step == Step::content)
      events_.push_back({.kind = Event::Kind::send_content, .transaction = next.id});
    break;
  case Step::content:
  case Step::over: break;
  }
}

// Sends what may be sent, and ends finished transactions.
void Client::proceed() {
  while (!closed_) {
    while (!running_.empty() && running_.front().finished()) settle();
    Running* next = sender();
    if (next == nullptr || !may_send(*next)) break;
    send_next(*next);
  }
  if (!closed_) arm();
}

// A deadline for the whole reply to the oldest command, however slowly it comes and whatever is sent meanwhile.
void Client::arm() {
  if (unanswered()) {
    if (deadline_ && armed_after_ == replies_) return;
    deadline_ = now_ + time_for(commands_[oldest_].verb);
    armed_after_ = replies_;
    return;
  }
  deadline_.reset();
  armed_after_.reset();
  if (const Running* next = sender(); next != nullptr && next->step == Step::content)
    deadline_ = now_ + config_.timeouts.block;
}

void Client::become_ready() {
  if (quit_wanted_) return send(Verb::quit);
  ready_ = true;
  events_.push_back({.kind = Event::Kind::ready});
}

// ---- replies, in the order of RFC 5321

void Client::answered() {
  confirmed_ = false;
  if (!unanswered() || oldest_ >= untaken_) return answered_out_of_turn();
  const Command command = commands_[oldest_++];
  const Stage stage = stage_of(command.verb);
  const Reply& reply = parser_.reply();
  if (!std::exchange(flight_answered_, true) && command.verb != Verb::greeting)
    round_trip_ = std::min(round_trip_, now_ - flight_began_);
  ++replies_;
  if (command.verb == Verb::quit) return close({});
  if (reply.code == service_not_available) return shut_down(stage);
  const bool asks =
      command.verb == Verb::data || command.verb == Verb::lone_dot || command.verb == Verb::auth;
  if (reply.kind() == 3 && !asks) {
    return out_of_step(stage, fmt::format("{} to {}", reply.code, to_string(stage)));
  }
  switch (command.verb) {
  case Verb::greeting: return greeting_answered();
  case Verb::ehlo:
  case Verb::helo: return hello_answered(command.verb);
  case Verb::starttls: return starttls_answered();
  case Verb::auth: return auth_answered();
  default: break;
  }
  if (shifted(command.verb)) return out_of_step(stage, "a reply that is one to another command");
  Running& of = running(command.transaction);
  --of.unanswered;
  of.answered |= command.verb != Verb::rset;
  switch (command.verb) {
  case Verb::rset:
    // needs_rset_ stays as it is: with PIPELINING the MAIL that followed in one flight has set it for the next time.
    if (!reply.positive()) out_of_step(stage, fmt::format("{} to RSET", reply.code));
    return;
  case Verb::mail: return mail_answered(of);
  case Verb::rcpt: return rcpt_answered(of, command.recipient);
  case Verb::data: return data_answered(of);
  case Verb::chunk: return chunk_answered(of);
  case Verb::end: return end_answered(of, command.recipient);
  case Verb::lone_dot: return; // whatever the host thinks of a message without recipients
  default: return;
  }
}

void Client::greeting_answered() {
  if (parser_.reply().negative()) return refuse_session(Stage::greeting);
  send(Verb::ehlo);
}

void Client::hello_answered(Verb verb) {
  const Reply& reply = parser_.reply();
  if (verb == Verb::ehlo && reply.kind() == 5 && !lmtp()) return send(Verb::helo);
  if (reply.negative()) return refuse_session(Stage::ehlo);
  if (verb == Verb::ehlo) offer_ = parse_offer(reply);
  if (!turns_to_tls() && !logs_in()) become_ready();
}

void Client::mail_answered(Running& of) {
  if (parser_.reply().positive()) return;
  of.decide_open(answer(Kind::refused, Stage::mail, share()));
  of.step = Step::over;
}

void Client::rcpt_answered(Running& of, std::uint32_t recipient) {
  // MAIL was refused: what follows in the flight is void.
  if (of.progress[recipient] != Running::Progress::open) return;
  const Reply& reply = parser_.reply();
  if (reply.positive()) return of.accept(recipient);
  const Kind kind = of.accepted > 0 && too_many_recipients(reply) ? Kind::again : Kind::refused;
  of.decide(recipient, answer(kind, Stage::rcpt, share()));
}

void Client::data_answered(Running& of) {
  const Reply& reply = parser_.reply();
  const bool wanted = of.accepted > 0;
  // "Bad sequence of commands" where it was right: the host loses commands of a flight. Lock-step will tell.
  const bool lost_commands = reply.code == 503 && wanted && pipelining() && !pipelining_proven_;
  if (reply.code == 354) {
    pipelining_proven_ = pipelining();
    if (!wanted) return send(Verb::lone_dot, of);
    of.step = Step::content;
    events_.push_back({.kind = Event::Kind::send_content, .transaction = of.id});
  } else if (reply.negative() && !lost_commands) {
    pipelining_proven_ = pipelining();
    if (wanted) of.decide_open(answer(Kind::refused, Stage::data, share()));
  } else {
    out_of_step(Stage::data, fmt::format("{} to DATA", reply.code));
  }
}

// To one that is not the last.
void Client::chunk_answered(Running& of) {
  if (of.accepted == 0) return; // as for its end
  if (parser_.reply().positive()) {
    chunking_proven_ = true;
  } else if (refuses_chunking()) {
    refuse_chunking(of, Stage::content);
  } else {
    refuse_content(of);
  }
}

void Client::end_answered(Running& of, std::uint32_t recipient) {
  const Reply& reply = parser_.reply();
  const bool positive = reply.positive();
  if (of.timed) of.end_of_data = now_ - of.end_sent_at;
  if (lmtp()) {
    needs_rset_ = false;
    return of.decide(recipient,
                     answer(positive ? Kind::accepted : Kind::refused, Stage::end_of_data, share()));
  }
  pipelining_proven_ |= of.one_flight;
  if (of.accepted == 0)
    return; // content that nobody had been accepted for (RFC 3030 §2): whatever the host thinks of it
  if (of.chunked && !positive && refuses_chunking()) return refuse_chunking(of, Stage::end_of_data);
  if (of.one_flight && reply.code == 503) return out_of_step(Stage::end_of_data, "503 to BDAT");
  needs_rset_ = !positive;
  chunking_proven_ |= of.chunked && positive;
  of.decide_open(answer(positive ? Kind::accepted : Kind::refused, Stage::end_of_data, share()));
}

// Where all replies are 2yz, what they say shows that they belong to other commands.
bool Client::shifted(Verb verb) {
  using To = ReplyHabits::To;
  const Reply& reply = parser_.reply();
  if (!reply.positive() || round_trip_ < config_.run_ahead_from) return false;
  const auto to = verb == Verb::rset   ? To::rset
                  : verb == Verb::mail ? To::mail
                  : verb == Verb::rcpt ? To::rcpt
                  : verb == Verb::end  ? To::end_of_data
                                       : To::chunk;
  const auto fit = habits_.fit(to, reply);
  confirmed_ = verb == Verb::end && fit == ReplyHabits::Fit::own;
  return fit == ReplyHabits::Fit::other && running_.size() + settled_.size() > 1;
}

// "Command not recognized" and the like, to the first BDAT: the host, or something before it, does not know the command that
// it offers. What follows it is taken for commands there: nothing more is said.
bool Client::refuses_chunking() const {
  const Reply& reply = parser_.reply();
  if (chunking_proven_ || !reply.negative()) return false;
  constexpr std::string_view protocol = ".5."; // RFC 3463 §3.6, X.5.0 to X.5.2 and X.5.4: about the command
  const bool about_command = reply.enhanced.size() == 5 && reply.enhanced.substr(1, 3) == protocol &&
                             reply.enhanced[4] != '3' && reply.enhanced[4] != '6';
  return (reply.code >= 500 && reply.code <= 504) || about_command;
}

void Client::refuse_chunking(Running& of, Stage stage) {
  SharedReply reply = share();
  chunking_broken_ = true;
  of.decide_open(answer(Kind::again, stage, reply));
  close({.kind = Trouble::Kind::none, .stage = stage, .reply = reply, .text = "the host takes no BDAT"});
}

// It does not want the rest. After DATA what ends the content is a dot, and that would ask it to take the message; what of
// several chunks is refused leaves a state that RFC 3030 §2 calls indeterminate.
void Client::refuse_content(Running& of) {
  SharedReply reply = share();
  of.decide_open(answer(Kind::refused, Stage::content, reply));
  close({.kind = Trouble::Kind::none,
         .stage = Stage::content,
         .reply = reply,
         .text = "refused in the middle of the content"});
}

// A reply although no command waits for one.
void Client::answered_out_of_turn() {
  const Reply& reply = parser_.reply();
  if (reply.code == service_not_available) return shut_down(stage());
  Running* next = sender();
  if (next != nullptr && next->step == Step::content && reply.negative()) return refuse_content(*next);
  out_of_step(stage(), fmt::format("{} that nobody asked for", reply.code));
}

// ---- answers for recipients

// More go under way for each that was answered about as soon as the path allows: so many that it is full, and no more, as
// what waits at a busy host would be served sooner over another session.
void Client::learn_depth(const Running& over) {
  if (!over.one_flight || !over.end_sent || !runs_ahead()) return;
  const auto took = now_ - over.end_sent_at;
  if (took <= 2 * round_trip_) {
    depth_ = std::min(depth_ + 1, most_transactions);
  } else if (took > 4 * round_trip_ && depth_ > 1) {
    --depth_;
  }
}

// The oldest transaction is over.
void Client::settle(bool untried) {
  Running over = std::move(running_.front());
  running_.pop_front();
  ++transactions_;
  if (over.end_sent) octets_ -= over.transaction.size;
  if (!closed_) learn_depth(over);
  settled_.push_back({.kind = Event::Kind::settled,
                      .transaction = over.id,
                      .results = std::move(over.results),
                      .untried = untried,
                      .end_of_data = over.end_of_data});
  ready_due_ = true;
  if (closed_ || confirmed_ || (!over.one_flight && !unanswered())) tell_settled();
}

// Everything that was heard was asked for, and all of it came.
void Client::come_home() {
  if (closed_ || unanswered()) return;
  tell_settled();
  if (!running_.empty() || !std::exchange(ready_due_, false)) return;
  if (transactions_ >= message_limit()) quit_wanted_ = true;
  become_ready();
  arm();
}

void Client::tell_settled() {
  std::ranges::move(settled_, std::back_inserter(events_));
  settled_.clear();
}

// ---- ends of the session

void Client::shut_down(Stage stage) {
  SharedReply reply = share();
  if (!running_.empty()) running_.front().decide_open(answer(Kind::refused, stage, reply));
  close({.kind = Trouble::Kind::shutdown,
         .stage = stage,
         .reply = reply,
         .text = fmt::format("the host closed the session: {}", reply->text())});
}

void Client::refuse_session(Stage stage) {
  SharedReply reply = share();
  close({.kind = Trouble::Kind::refused,
         .stage = stage,
         .reply = reply,
         .text = fmt::format("the host refused the session: {}", reply->text())});
}

void Client::out_of_step(Stage stage, std::string_view problem) {
  close({.kind = Trouble::Kind::malformed,
         .stage = stage,
         .reply = {},
         .text = fmt::format("protocol error while {}: {}", doing(stage), problem)});
}

void Client::close(Trouble trouble) {
  const bool in_mid_content = trouble.kind == Trouble::Kind::none && trouble.reply;
  const bool misfit =
      in_mid_content || trouble.kind == Trouble::Kind::malformed || trouble.kind == Trouble::Kind::timeout;
  const bool pipelining_broken = tells_pipelining_broken(trouble.kind);
  const bool running_ahead_broken = misfit && flight_answered_ && running_.size() + settled_.size() > 1;
  if (misfit) doubt_settled(trouble);
  closed_ = true;
  deadline_.reset();
  output_.clear();
  std::erase_if(events_, [](const Event& event) {
    return event.kind != Event::Kind::settled; // what nobody has begun need not begin
  });
  const bool used = transactions_ > 0;
  for (bool first = true; !running_.empty(); first = false) {
    Running& one = running_.front();
    const bool untried = used && was_untried(one, trouble.kind);
    const Stage stage = first ? trouble.stage : one.end_sent ? Stage::end_of_data : Stage::mail;
    one.decide_open(
        answer(one.end_sent && !untried ? Kind::indeterminate : Kind::lost, stage, {}, trouble.text));
    settle(untried);
  }
  tell_settled();
  events_.push_back({.kind = Event::Kind::closed,
                     .trouble = std::move(trouble),
                     .pipelining_broken = pipelining_broken,
                     .chunking_broken = chunking_broken_,
                     .running_ahead_broken = running_ahead_broken});
}

// The replies may all have been to other commands.
void Client::doubt_settled(const Trouble& trouble) {
  for (Event& event : settled_) {
    for (RecipientResult& result : event.results) {
      if (result.kind == Kind::accepted || result.kind == Kind::refused)
        result = answer(Kind::indeterminate, Stage::end_of_data, {}, trouble.text);
    }
  }
}

// Of a used session that ends: nothing of this transaction can have been done. A host answers MAIL before it takes content,
// and takes nothing after a 421. If it has begun to answer what is unanswered, how far it came is not known.
bool Client::was_untried(const Running& of, Trouble::Kind kind) const {
  if (of.answered) return false;
  return kind == Trouble::Kind::shutdown || !of.end_sent || !flight_answered_;
}

// Between MAIL and the reply to DATA of a session that has not pipelined before: commands were lost, or the
// host hung up over them. Replies that don't fit their commands tell at any time.
bool Client::tells_pipelining_broken(Trouble::Kind kind) const {
  if (running_.empty() || !pipelining()) return false;
  const Running& oldest = running_.front();
  if (oldest.step == Step::begin) return false;
  if (running_.size() == 1) {
    const bool in_content = oldest.step == Step::content || oldest.end_sent;
    const bool flight_over = unanswered() && commands_[oldest_].verb == Verb::end;
    if (in_content && (!oldest.one_flight || flight_over)) return false;
  }
  switch (kind) {
  case Trouble::Kind::malformed: return true;
  case Trouble::Kind::lost: return !pipelining_proven_;
  case Trouble::Kind::timeout: return !pipelining_proven_ && flight_answered_;
  case Trouble::Kind::none:
  case Trouble::Kind::refused:
  case Trouble::Kind::shutdown:
  case Trouble::Kind::insecure:
  case Trouble::Kind::no_entry: return false;
  }
  return false;
}

} // namespace bulkmail::transport
