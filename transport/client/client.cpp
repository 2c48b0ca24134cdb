#include "transport/client/client.h"

#include "transport/client/command_line.h"
#include "transport/printable.h"

#include <fmt/format.h>

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

Client::Client(ClientConfig config, Monotonic now) : config_(std::move(config)) {
  if (config_.tls == UseTls::at_once)
    await_handshake();
  else
    push(Verb::greeting);
  untaken_ = commands_.size(); // nothing to send: the host speaks first
  arm(now);
}

void Client::receive(std::string_view bytes, Monotonic now) {
  while (!bytes.empty() && !closed_) {
    // Whoever can put octets between the 220 and TLS would have them taken for what comes protected (CVE-2011-0411).
    if (shaking_hands()) return out_of_step(Stage::starttls, "octets in clear behind the reply");
    bytes.remove_prefix(parser_.feed(bytes));
    if (!parser_.problem().empty()) return out_of_step(stage(), parser_.problem());
    if (!parser_.done()) break;
    answered(now);
    parser_.next();
    proceed(now);
  }
  // The beginning of a reply that nobody asked for: a 421, or something that ends the session.
  if (!closed_ && !deadline_ && parser_.begun()) deadline_ = now + config_.timeouts.rset;
}

void Client::lost(std::string_view why, Monotonic) {
  if (closed_) return;
  if (stage() == Stage::quit) return close({});
  close({.kind = Trouble::Kind::lost,
         .stage = stage(),
         .reply = {},
         .text = printable(fmt::format("connection lost while {}: {}", doing(stage()), why))});
}

void Client::timeout(Monotonic now) {
  if (closed_ || !deadline_ || now < *deadline_) return;
  if (stage() == Stage::quit) return close({});
  if (!unanswered() && !active_) return out_of_step(stage(), unasked);
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

bool Client::idle() const { return !closed_ && !active_ && !unanswered() && !parser_.begun(); }

// ---- what the caller wants

void Client::start(Transaction transaction, Monotonic now) {
  transaction_ = std::move(transaction);
  const std::size_t count = transaction_.recipients.size();
  results_.assign(count, {});
  progress_.assign(count, Progress::open);
  open_ = static_cast<std::uint32_t>(count);
  accepted_ = 0;
  next_recipient_ = 0;
  content_ = Content::none;
  flight_answered_ = false;
  active_ = true;
  if (closed_ || unanswered()) { // nothing may follow a QUIT
    decide_open(answer(Kind::lost, Stage::mail, {}, "the session is closing"));
    return settle();
  }
  if (parser_.begun()) return out_of_step(Stage::mail, unasked);

  if (const auto reason = unsuitable(transaction_, offer_, config_.eight_bit)) decide_open(*reason);
  for (std::uint32_t i = 0; i < count && open_ > 0; ++i) {
    const bool utf8 = transaction_.needs_smtp_utf8;
    if (auto reason = unsuitable(transaction_.recipients[i], utf8)) decide(i, std::move(*reason));
  }
  step_ = open_ == 0 ? Step::none : needs_rset_ ? Step::rset : Step::mail;
  proceed(now);
}

void Client::content_progress(Monotonic now) {
  if (!closed_ && content_ == Content::sending) arm(now);
}

void Client::end_of_content(Monotonic now) {
  if (closed_ || content_ != Content::sending) return;
  if (parser_.begun()) return out_of_step(Stage::content, "a reply before the end of data");
  content_ = Content::sent;
  dot_sent_ = now;
  send(Verb::dot);
  arm(now);
}

void Client::abandon_content(std::string_view why, Monotonic) {
  if (closed_ || content_ != Content::sending) return;
  close({.kind = Trouble::Kind::none, .stage = Stage::content, .reply = {}, .text = printable(why)});
}

void Client::quit(Monotonic now) {
  if (closed_ || quit_wanted_) return;
  quit_wanted_ = true;
  std::erase_if(events_, [](const Event& event) { return event.kind == Event::Kind::ready; });
  if (active_ || unanswered()) return;
  send(Verb::quit);
  arm(now);
}

// ---- commands

Stage Client::stage_of(Verb verb) {
  switch (verb) {
  case Verb::greeting: return Stage::greeting;
  case Verb::ehlo:
  case Verb::helo: return Stage::ehlo;
  case Verb::starttls: return Stage::starttls;
  case Verb::handshake: return Stage::tls;
  case Verb::rset: return Stage::rset;
  case Verb::mail: return Stage::mail;
  case Verb::rcpt: return Stage::rcpt;
  case Verb::data: return Stage::data;
  case Verb::dot:
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
  case Verb::helo: return times.ehlo;
  case Verb::starttls:
  case Verb::handshake: return times.tls;
  case Verb::rset: return times.rset;
  case Verb::mail: return times.mail;
  case Verb::rcpt: return times.rcpt;
  case Verb::data: return times.data;
  case Verb::dot:
  case Verb::lone_dot: return times.end_of_data;
  case Verb::quit: return times.quit;
  }
  return times.quit;
}

// Where the dialog stands; an idle session stands before the next MAIL.
Stage Client::stage() const {
  if (unanswered()) return stage_of(commands_[oldest_].verb);
  return content_ == Content::sending ? Stage::content : Stage::mail;
}

std::string Client::doing(Stage stage) const {
  if (stage == Stage::greeting) return "waiting for the greeting";
  if (stage == Stage::tls) return "negotiating TLS";
  if (stage == Stage::content) return "sending the content";
  if (stage == Stage::mail && !active_) return "idle";
  return fmt::format("waiting for the reply to {}", to_string(stage));
}

void Client::push(Verb verb, std::uint32_t recipient) {
  if (!unanswered()) { // all answered: the memory serves the next flight
    commands_.clear();
    oldest_ = untaken_ = 0;
  }
  commands_.push_back({verb, recipient});
}

void Client::send(Verb verb) {
  switch (verb) {
  case Verb::greeting: break;
  case Verb::ehlo: output_.append("EHLO ").append(config_.hostname).append("\r\n"); break;
  case Verb::helo: output_.append("HELO ").append(config_.hostname).append("\r\n"); break;
  case Verb::starttls: output_ += "STARTTLS\r\n"; break;
  case Verb::handshake: break;
  case Verb::rset: output_ += "RSET\r\n"; break;
  case Verb::mail: append_mail(output_, transaction_, offer_); break;
  case Verb::rcpt: append_rcpt(output_, transaction_.recipients[next_recipient_], offer_); break;
  case Verb::data: output_ += "DATA\r\n"; break;
  case Verb::dot:
  case Verb::lone_dot: output_ += ".\r\n"; break;
  case Verb::quit: output_ += "QUIT\r\n"; break;
  }
  push(verb, next_recipient_);
}

// The next command of the transaction, RSET to DATA.
void Client::send_next() {
  switch (step_) {
  case Step::rset:
    send(Verb::rset);
    step_ = Step::mail;
    break;
  case Step::mail:
    send(Verb::mail);
    needs_rset_ = true;
    step_ = Step::rcpt;
    break;
  case Step::rcpt:
    while (next_recipient_ < progress_.size() && progress_[next_recipient_] == Progress::decided)
      ++next_recipient_;
    if (next_recipient_ < progress_.size()) {
      send(Verb::rcpt);
      ++next_recipient_;
    } else {
      step_ = Step::data;
    }
    break;
  case Step::data:
    // Lock-step knows by now whether anybody wants it; a flight has to ask.
    if (accepted_ > 0 || unanswered()) send(Verb::data);
    step_ = Step::none;
    break;
  case Step::none: break;
  }
}

// Sends what may be sent: one command in lock-step, all in one flight with PIPELINING. Ends a finished
// transaction.
void Client::proceed(Monotonic now) {
  if (closed_) return;
  while (step_ != Step::none && (!unanswered() || pipelining())) send_next();
  if (active_ && !unanswered() && content_ == Content::none) settle();
  arm(now);
}

// A deadline for the whole reply to the oldest command, however slowly it comes.
void Client::arm(Monotonic now) {
  deadline_.reset();
  if (unanswered()) {
    deadline_ = now + time_for(commands_[oldest_].verb);
  } else if (content_ == Content::sending) {
    deadline_ = now + config_.timeouts.block;
  }
}

void Client::become_ready() {
  if (quit_wanted_) return send(Verb::quit);
  events_.push_back({.kind = Event::Kind::ready, .results = {}, .trouble = {}});
}

// ---- replies, in the order of RFC 5321

void Client::answered(Monotonic now) {
  if (!unanswered() || oldest_ >= untaken_) return answered_out_of_turn();
  const Command command = commands_[oldest_++];
  const Stage stage = stage_of(command.verb);
  const Reply& reply = parser_.reply();
  flight_answered_ = true;
  if (command.verb == Verb::quit) return close({});
  if (reply.code == service_not_available) return shut_down(stage);
  if (reply.kind() == 3 && command.verb != Verb::data && command.verb != Verb::lone_dot) {
    return out_of_step(stage, fmt::format("{} to {}", reply.code, to_string(stage)));
  }
  switch (command.verb) {
  case Verb::greeting: return greeting_answered();
  case Verb::ehlo:
  case Verb::helo: return hello_answered(command.verb);
  case Verb::starttls: return starttls_answered();
  case Verb::handshake: return;
  case Verb::rset:
    // needs_rset_ stays as it is: with PIPELINING the MAIL that followed in one flight has set it for the next time.
    if (!reply.positive()) out_of_step(stage, fmt::format("{} to RSET", reply.code));
    return;
  case Verb::mail: return mail_answered();
  case Verb::rcpt: return rcpt_answered(command.recipient);
  case Verb::data: return data_answered();
  case Verb::dot: return dot_answered(now);
  case Verb::lone_dot: return; // whatever the host thinks of a message without recipients
  case Verb::quit: return;
  }
}

void Client::greeting_answered() {
  if (parser_.reply().negative()) return refuse_session(Stage::greeting);
  send(Verb::ehlo);
}

void Client::hello_answered(Verb verb) {
  const Reply& reply = parser_.reply();
  if (verb == Verb::ehlo && reply.kind() == 5) return send(Verb::helo);
  if (reply.negative()) return refuse_session(Stage::ehlo);
  if (verb == Verb::ehlo) offer_ = parse_offer(reply);
  if (!turns_to_tls()) become_ready();
}

void Client::mail_answered() {
  if (parser_.reply().positive()) return;
  decide_open(answer(Kind::refused, Stage::mail, share()));
  step_ = Step::none;
}

void Client::rcpt_answered(std::uint32_t recipient) {
  if (progress_[recipient] != Progress::open) return; // MAIL was refused: what follows in the flight is void
  const Reply& reply = parser_.reply();
  if (reply.positive()) {
    progress_[recipient] = Progress::accepted;
    ++accepted_;
    return;
  }
  const Kind kind = accepted_ > 0 && too_many_recipients(reply) ? Kind::again : Kind::refused;
  decide(recipient, answer(kind, Stage::rcpt, share()));
}

void Client::data_answered() {
  const Reply& reply = parser_.reply();
  const bool wanted = accepted_ > 0;
  // "Bad sequence of commands" where it was right: the host loses commands of a flight. Lock-step will tell.
  const bool lost_commands = reply.code == 503 && wanted && pipelining() && !pipelining_proven_;
  if (reply.code == 354) {
    pipelining_proven_ = pipelining();
    if (!wanted) return send(Verb::lone_dot);
    content_ = Content::sending;
    events_.push_back({.kind = Event::Kind::send_content, .results = {}, .trouble = {}});
  } else if (reply.negative() && !lost_commands) {
    pipelining_proven_ = pipelining();
    if (wanted) decide_open(answer(Kind::refused, Stage::data, share()));
  } else {
    out_of_step(Stage::data, fmt::format("{} to DATA", reply.code));
  }
}

void Client::dot_answered(Monotonic now) {
  end_of_data_ = now - dot_sent_;
  const bool accepted = parser_.reply().positive();
  content_ = Content::none;
  needs_rset_ = !accepted;
  decide_open(answer(accepted ? Kind::accepted : Kind::refused, Stage::end_of_data, share()));
}

// A reply although no command waits for one.
void Client::answered_out_of_turn() {
  const Reply& reply = parser_.reply();
  if (reply.code == service_not_available) return shut_down(stage());
  if (content_ == Content::sending && reply.negative()) {
    // It does not want the rest; but what ends the content is a dot, and that would ask it to take the message.
    SharedReply shared = share();
    decide_open(answer(Kind::refused, Stage::content, shared));
    return close({.kind = Trouble::Kind::none,
                  .stage = Stage::content,
                  .reply = shared,
                  .text = "refused in the middle of the content"});
  }
  out_of_step(stage(), fmt::format("{} that nobody asked for", reply.code));
}

// ---- answers for recipients

void Client::decide(std::uint32_t recipient, RecipientResult result) {
  if (progress_[recipient] == Progress::accepted) --accepted_;
  progress_[recipient] = Progress::decided;
  results_[recipient] = std::move(result);
  --open_;
}

void Client::decide_open(const RecipientResult& result) {
  for (std::uint32_t i = 0; i < progress_.size() && open_ > 0; ++i) {
    if (progress_[i] != Progress::decided) decide(i, result);
  }
}

void Client::settle() {
  active_ = false;
  step_ = Step::none;
  content_ = Content::none;
  ++transactions_;
  events_.push_back({.kind = Event::Kind::settled,
                     .results = std::move(results_),
                     .trouble = {},
                     .end_of_data = std::exchange(end_of_data_, std::nullopt)});
  if (closed_ || unanswered()) return;
  if (transactions_ >= config_.messages_per_connection) quit_wanted_ = true;
  become_ready();
}

// ---- ends of the session

void Client::shut_down(Stage stage) {
  SharedReply reply = share();
  decide_open(answer(Kind::refused, stage, reply));
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
  const bool broken = tells_pipelining_broken(trouble.kind);
  closed_ = true;
  deadline_.reset();
  output_.clear();
  std::erase_if(events_, [](const Event& event) {
    return event.kind != Event::Kind::settled; // what nobody has begun need not begin
  });
  if (active_) {
    const Kind kind = content_ == Content::sent ? Kind::indeterminate : Kind::lost;
    decide_open(answer(kind, trouble.stage, {}, trouble.text));
    settle();
    events_.back().pipelining_broken = broken;
  }
  events_.push_back({.kind = Event::Kind::closed,
                     .results = {},
                     .trouble = std::move(trouble),
                     .pipelining_broken = broken});
}

// Between MAIL and the reply to DATA of a session that has not pipelined before: commands were lost, or the
// host hung up over them. Replies that don't fit their commands tell at any time.
bool Client::tells_pipelining_broken(Trouble::Kind kind) const {
  if (!active_ || !pipelining() || content_ != Content::none) return false;
  if (!unanswered() && !flight_answered_) return false; // the flight had not begun
  switch (kind) {
  case Trouble::Kind::malformed: return true;
  case Trouble::Kind::lost: return !pipelining_proven_;
  case Trouble::Kind::timeout: return !pipelining_proven_ && flight_answered_;
  case Trouble::Kind::none:
  case Trouble::Kind::refused:
  case Trouble::Kind::shutdown:
  case Trouble::Kind::insecure: return false;
  }
  return false;
}

} // namespace bulkmail::transport
