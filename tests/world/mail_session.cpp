#include "tests/world/mail_session.h"

#include "tests/world/mail_host.h"

#include <sys/epoll.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <fstream>

namespace bulkmail::world {
namespace {

constexpr std::size_t read_size = 64 * 1024;
constexpr int reads_a_turn = 4;
constexpr std::size_t most_unprocessed = 1024 * 1024; // beyond it a busy session stops reading
constexpr std::size_t longest_command = 64 * 1024;
constexpr std::size_t endless_block = 16 * 1024;
constexpr int endless_blocks_a_turn = 16;
constexpr milliseconds longest_linger{2000}; // for the client's FIN after ours

bool verb_is(std::string_view line, std::string_view verb) {
  if (line.size() < verb.size()) return false;
  for (std::size_t i = 0; i < verb.size(); ++i) {
    const char c = line[i] >= 'a' && line[i] <= 'z' ? static_cast<char>(line[i] - 'a' + 'A') : line[i];
    if (c != verb[i]) return false;
  }
  return true;
}

// "<a@b> SIZE=1" -> "a@b", "SIZE=1". A quoted local part may hold ">".
std::pair<std::string_view, std::string_view> path_and_parameters(std::string_view text) {
  while (text.starts_with(' ')) text.remove_prefix(1);
  if (!text.starts_with('<')) {
    const auto space = text.find(' ');
    return {text.substr(0, space), space == std::string_view::npos ? "" : text.substr(space + 1)};
  }
  bool quoted = false;
  std::size_t end = 1;
  for (; end < text.size() && (quoted || text[end] != '>'); ++end) {
    if (text[end] == '"') quoted = !quoted;
    if (quoted && text[end] == '\\') ++end;
  }
  const auto path = text.substr(1, std::min(end, text.size()) - 1);
  auto rest = end < text.size() ? text.substr(end + 1) : std::string_view();
  while (rest.starts_with(' ')) rest.remove_prefix(1);
  return {path, rest};
}

std::string_view first_line(std::string_view text) { return text.substr(0, text.find_first_of("\r\n")); }

} // namespace

MailSession::MailSession(Scene& scene, MailHost& host, Descriptor socket, std::string address,
                         std::uint64_t nth)
    : scene_(scene),
      host_(host),
      socket_(std::move(socket)),
      address_(std::move(address)),
      nth_(nth),
      id_(scene.next_id++),
      reader_({scene.sha256, !scene.save.empty()}) {}

MailSession::~MailSession() {
  scene_.loop.cancel(timer_);
  scene_.loop.cancel(latency_timer_);
  if (!ended_) scene_.loop.forget(socket_.get(), *this);
}

template <class T>
T MailSession::rule(std::optional<T> HostKeys::* key, T otherwise) const {
  return host_.rules().get(key, moment(), std::move(otherwise));
}

Moment MailSession::moment() const {
  Moment moment;
  moment.connection = nth_;
  moment.transaction = transactions_;
  moment.message = message_;
  moment.sender = transaction_.lower_sender;
  moment.address = address_;
  moment.elapsed = scene_.elapsed_ms();
  if (stage_ == Stage::rcpt) {
    moment.recipients = {&lower_named_, 1};
    moment.attempt = attempt_;
  } else {
    moment.recipients = transaction_.lower_recipients;
    moment.attempt = transaction_.attempt;
  }
  return moment;
}

void MailSession::begin(std::uint64_t open) {
  if (scene_.log.on())
    scene_.event("connect")
        .text("host", host_.name())
        .text("address", address_)
        .text("from", peer_address(socket_.get()).text())
        .number("connection", nth_)
        .number("id", id_)
        .number("open", open);
  events_ = EPOLLIN;
  scene_.loop.watch(socket_.get(), events_, *this);
  if (host_.tls() != nullptr && host_.rules().tls->implicit) tls_.emplace(*host_.tls());
  const auto greet = [this, open] {
    const auto* most = host_.rules().find(&HostKeys::max_connections, moment());
    if (most && open > *most) {
      send(Stage::greeting, "421 4.7.0 Too many connections\r\n");
      closing_ = true;
    } else {
      reply(Stage::greeting, "220 " + host_.name() + " ESMTP\r\n");
    }
    process();
  };
  const auto latency = rule(&HostKeys::latency, milliseconds(0));
  if (latency.count() == 0) return greet();
  busy_ = true;
  timer_ = scene_.loop.after(latency, [this, greet] {
    busy_ = false;
    greet();
  });
}

void MailSession::ready(std::uint32_t events) {
  if ((events & EPOLLOUT) != 0) flush();
  if (!ended_ && (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) read_input();
  if (!ended_) want_events();
}

void MailSession::read_input() {
  static std::array<char, read_size> buffer; // the world has one thread
  for (int i = 0; i < reads_a_turn && !ended_; ++i) {
    const auto count = recv(socket_.get(), buffer.data(), buffer.size(), 0);
    if (count < 0) {
      if (errno != EAGAIN && errno != EINTR) end("reset");
      return;
    }
    if (count == 0) {
      at_end_ = true;
      if (lingering_)
        end("world");
      else if (arriving_.empty())
        end("client");
      else
        arrived({});
      return;
    }
    if (!stalled_ && !closing_ && !lingering_) arrived({buffer.data(), static_cast<std::size_t>(count)});
    if (static_cast<std::size_t>(count) < buffer.size()) return;
  }
}

void MailSession::arrived(std::string_view bytes) {
  const auto latency = rule(&HostKeys::latency, milliseconds(0));
  if (latency.count() == 0 && arriving_.empty()) {
    take_in(bytes);
    return;
  }
  arriving_.emplace_back(scene_.loop.now() + latency, bytes);
  if (arriving_.size() == 1) latency_timer_ = scene_.loop.after(latency, [this] { release_arrived(); });
}

void MailSession::take_in(std::string_view bytes) {
  if (!tls_) {
    input_ += bytes;
  } else {
    tls_->receive(bytes);
    tell_handshake();
    input_ += tls_->take_plaintext();
  }
  process();
}

void MailSession::release_arrived() {
  while (!arriving_.empty() && arriving_.front().first <= scene_.loop.now() && !ended_) {
    const auto bytes = std::move(arriving_.front().second);
    arriving_.pop_front();
    if (bytes.empty()) return end("client");
    if (stalled_ || closing_ || lingering_) continue;
    take_in(bytes);
  }
  if (arriving_.empty() || ended_) return;
  const auto left = std::chrono::ceil<milliseconds>(arriving_.front().first - scene_.loop.now());
  latency_timer_ = scene_.loop.after(left, [this] { release_arrived(); });
}

void MailSession::process() {
  while (!busy_ && !ended_ && !stalled_ && !deaf_ && !closing_ && !lingering_) {
    if (chunk_left_) {
      if (!chunk()) break;
    } else if (in_content_ && !chunks_begun_) {
      if (!content()) break;
    } else {
      if (!next_command()) break;
      if (rule(&HostKeys::broken_pipelining, false)) at_ = input_.size();
    }
  }
  input_.erase(0, at_);
  at_ = 0;
  if (ended_) return;
  flush();
  if (!ended_) want_events();
}

bool MailSession::next_command() {
  const auto newline = input_.find('\n', at_);
  if (newline == std::string::npos) {
    if (input_.size() - at_ > longest_command) at_ = input_.size();
    return false;
  }
  std::string_view line(input_.data() + at_, newline - at_);
  if (line.ends_with('\r')) line.remove_suffix(1);
  at_ = newline + 1;
  command(line);
  return true;
}

void MailSession::command(std::string_view line) {
  ++commands_;
  if (scene_.log_commands && scene_.log.on())
    scene_.event("command")
        .text("host", host_.name())
        .number("id", id_)
        .flag("tls", tls_.has_value())
        .text("line", line);
  if (verb_is(line, "EHLO ")) {
    stage_ = Stage::ehlo;
    transaction_ = {};
    helo_ = line.substr(5);
    reply(stage_, rule(&HostKeys::helo_only, false) ? "502 5.5.1 Command not implemented\r\n" : ehlo_text());
  } else if (verb_is(line, "HELO ")) {
    stage_ = Stage::helo;
    transaction_ = {};
    helo_ = line.substr(5);
    reply(stage_, "250 " + host_.name() + "\r\n");
  } else if (verb_is(line, "STARTTLS") && host_.tls() != nullptr && !tls_) {
    stage_ = Stage::starttls;
    reply(stage_, "220 2.0.0 Go ahead\r\n");
  } else if (verb_is(line, "MAIL FROM:")) {
    stage_ = Stage::mail;
    mail(line.substr(10));
  } else if (verb_is(line, "RCPT TO:")) {
    stage_ = Stage::rcpt;
    rcpt(line.substr(8));
  } else if (verb_is(line, "DATA") && line.size() == 4) {
    stage_ = Stage::data;
    data();
  } else if (verb_is(line, "BDAT ")) {
    stage_ = Stage::bdat;
    bdat(line.substr(5));
  } else if (verb_is(line, "RSET")) {
    stage_ = Stage::rset;
    reply(stage_, "250 2.0.0 Ok\r\n");
  } else if (verb_is(line, "QUIT")) {
    stage_ = Stage::quit;
    reply(stage_, "221 2.0.0 Bye\r\n");
  } else if (verb_is(line, "NOOP")) {
    stage_ = Stage::noop;
    reply(stage_, "250 2.0.0 Ok\r\n");
  } else {
    stage_ = Stage::other;
    ++host_.tally().unknown_commands;
    reply(stage_, "500 5.5.1 Unknown command\r\n");
  }
}

std::string MailSession::ehlo_text() const {
  static const std::vector<std::string> usual{"PIPELINING", "SIZE 104857600",      "8BITMIME",
                                              "SMTPUTF8",   "ENHANCEDSTATUSCODES", "DSN"};
  const auto* said = host_.rules().find(&HostKeys::extensions, moment());
  auto keywords = said ? *said : usual;
  if (host_.tls() != nullptr && host_.rules().tls->offered && !tls_) keywords.emplace_back("STARTTLS");
  std::string text = (keywords.empty() ? "250 " : "250-") + host_.name() + "\r\n";
  for (const auto& keyword : keywords)
    text += (&keyword == &keywords.back() ? "250 " : "250-") + keyword + "\r\n";
  return text;
}

void MailSession::mail(std::string_view line) {
  if (helo_.empty()) return reply(stage_, "503 5.5.1 EHLO first\r\n");
  if (transaction_.open) return reply(stage_, "503 5.5.1 Nested MAIL\r\n");
  if (const auto* most = host_.rules().find(&HostKeys::max_messages, moment());
      most && transactions_ >= *most) {
    send(stage_, "421 4.7.0 Too many messages on this connection\r\n");
    closing_ = true;
    return;
  }
  ++transactions_;
  message_ = host_.next_message();
  const auto [path, parameters] = path_and_parameters(line);
  transaction_ = {};
  transaction_.sender = path;
  transaction_.lower_sender = lower(path);
  transaction_.mail_parameters = parameters;
  reply(stage_, "250 2.1.0 Ok\r\n");
}

void MailSession::rcpt(std::string_view line) {
  if (!transaction_.open) return reply(stage_, "503 5.5.1 MAIL first\r\n");
  const auto [path, parameters] = path_and_parameters(line);
  named_ = path;
  lower_named_ = lower(path);
  named_parameters_ = parameters;
  attempt_ = host_.next_attempt(lower_named_);
  reply(stage_, recipient_text());
}

std::string MailSession::recipient_text() const {
  const auto* most = host_.rules().find(&HostKeys::max_recipients, moment());
  if (most && transaction_.recipients.size() >= *most) return "452 4.5.3 Too many recipients\r\n";
  const auto* greylist = host_.rules().find(&HostKeys::greylist, moment());
  if (greylist && host_.known_for(transaction_.lower_sender, lower_named_) < *greylist)
    return "451 4.7.1 Greylisted, try again later\r\n";
  return "250 2.1.5 Ok\r\n";
}

void MailSession::data() {
  if (!transaction_.open) return reply(stage_, "503 5.5.1 MAIL first\r\n");
  if (transaction_.recipients.empty() && !rule(&HostKeys::data_without_recipients, false))
    return reply(stage_, "554 5.5.1 No valid recipients\r\n");
  reply(stage_, "354 End data with <CR><LF>.<CR><LF>\r\n");
}

// A step at `bdat` answers at once, and the chunk's octets are taken for commands: so do hosts that don't know BDAT.
void MailSession::bdat(std::string_view parameters) {
  const std::string_view size = parameters.substr(0, parameters.find(' '));
  const auto [end, error] = std::from_chars(size.data(), size.data() + size.size(), chunk_size_);
  if (error != std::errc{} || end != size.data() + size.size())
    return reply(stage_, "501 5.5.4 BDAT size [LAST]\r\n");
  last_chunk_ = lower(parameters.substr(size.size())) == " last";
  if (host_.rules().step(Stage::bdat, moment()) != nullptr)
    return reply(stage_, "502 5.5.1 Unknown command\r\n");
  chunk_left_ = chunk_size_;
  if (!std::exchange(chunks_begun_, true)) {
    reader_.begin();
    const auto* step = host_.rules().step(Stage::content, moment());
    content_step_ = step ? std::optional(*step) : std::nullopt;
  }
  in_content_ = !transaction_.recipients.empty();
}

bool MailSession::chunk() {
  stage_ = Stage::content;
  const std::string_view octets = std::string_view(input_).substr(at_, *chunk_left_);
  at_ += octets.size();
  *chunk_left_ -= octets.size();
  reader_.take_chunk(octets);
  if (content_step_ && !octets.empty() && reader_.size() >= content_step_->after) {
    then(content_step_->then);
    content_step_.reset();
    return false;
  }
  if (*chunk_left_ > 0) return false;
  chunk_left_.reset();
  if (!last_chunk_ && in_content_) {
    reply(Stage::data, fmt::format("250 2.0.0 {} octets\r\n", chunk_size_));
    return true;
  }
  in_content_ = chunks_begun_ = false;
  reader_.end_chunks();
  content_ended();
  return true;
}

bool MailSession::content() {
  stage_ = Stage::content;
  const auto taken = reader_.take(std::string_view(input_).substr(at_));
  at_ += taken;
  if (content_step_ && taken > 0 && reader_.size() >= content_step_->after) {
    then(content_step_->then);
    content_step_.reset();
    return false;
  }
  if (!reader_.done()) return false;
  in_content_ = false;
  content_ended();
  return true;
}

void MailSession::content_ended() {
  stage_ = Stage::end_of_data;
  if (transaction_.recipients.empty()) {
    if (reader_.size() == 0) ++host_.tally().lone_dots;
    chunks_begun_ = false;
    return reply(stage_, "554 5.5.1 No valid recipients\r\n");
  }
  unanswered_ = true;
  incoming_ = {};
  incoming_.seq = ++scene_.tally.messages;
  incoming_.size = reader_.size();
  incoming_.bare = reader_.bare();
  incoming_.digest = reader_.hex_digest();
  if (!scene_.save.empty())
    std::ofstream(fmt::format("{}/{}.eml", scene_.save, incoming_.seq), std::ios::binary) << reader_.text();
  const auto* most = host_.rules().find(&HostKeys::max_size, moment());
  reply(stage_, most && incoming_.size > *most
                    ? "552 5.3.4 Message too big\r\n"
                    : fmt::format("250 2.0.0 Ok: queued as {}\r\n", incoming_.seq));
}

void MailSession::reply(Stage stage, std::string text) {
  const auto* step = host_.rules().step(stage, moment());
  if (!step) return act(stage, std::move(text), {});
  if (step->delay.count() == 0) return act(stage, std::move(text), *step);
  busy_ = true;
  pending_ = {stage, std::move(text), *step};
  timer_ = scene_.loop.after(step->delay, [this] {
    busy_ = false;
    const auto pending = std::move(pending_);
    act(pending.stage, pending.text, pending.step);
    process();
  });
}

void MailSession::act(Stage stage, std::string text, const Step& step) {
  if (step.text) text = *step.text;
  if (step.silent) {
    text.clear();
  } else if (step.hold) {
    held_ += text + step.extra;
    if (stage == Stage::end_of_data) text.clear(); // nothing says yet that the message was taken
  } else if (step.endless) {
    const auto line = std::string(first_line(text));
    const auto unit = !step.endless_text.empty() ? step.endless_text
                      : line.size() > 3          ? line.substr(0, 3) + "-" + line.substr(4) + "\r\n"
                                                 : line + "-\r\n";
    while (endless_.size() < endless_block) endless_ += unit;
    busy_ = true;
    text.clear();
  } else if (step.drip.count() > 0) {
    busy_ = true;
    dripped_ = 0;
    pending_ = {stage, std::move(text), step};
    return drip();
  } else {
    send(stage, text);
    send(stage, step.extra);
  }
  settle(stage, text);
  then(step.then);
}

void MailSession::send(Stage stage, std::string_view text) {
  if (text.empty()) return;
  output_ += held_;
  held_.clear();
  output_ += text;
  if (scene_.log_commands && scene_.log.on())
    scene_.event("reply")
        .text("host", host_.name())
        .number("id", id_)
        .text("stage", to_string(stage))
        .text("text", text);
}

void MailSession::drip() {
  if (dripped_ < pending_.text.size()) {
    output_ += pending_.text[dripped_++];
    flush();
    if (!ended_) timer_ = scene_.loop.after(pending_.step.drip, [this] { drip(); });
    return;
  }
  busy_ = false;
  const auto pending = std::move(pending_);
  settle(pending.stage, pending.text);
  send(pending.stage, pending.step.extra);
  then(pending.step.then);
  process();
}

void MailSession::settle(Stage stage, std::string_view text) {
  const char code = text.empty() ? '\0' : text.front();
  const bool good = code == '2';
  switch (stage) {
  case Stage::mail:
    if (transaction_.open) break; // a nested MAIL was refused
    if (good) {
      transaction_.open = true;
      ++host_.tally().transactions;
    } else {
      transaction_ = {};
    }
    break;
  case Stage::rcpt:
    if (!transaction_.open) break;
    if (good) {
      transaction_.recipients.push_back(std::move(named_));
      transaction_.lower_recipients.push_back(std::move(lower_named_));
      transaction_.parameters.push_back(std::move(named_parameters_));
      transaction_.attempt = std::max(transaction_.attempt, attempt_);
    } else {
      ++scene_.tally.recipients[named_].refused;
      if (scene_.log.on())
        scene_.event("rcpt")
            .text("host", host_.name())
            .number("id", id_)
            .text("rcpt", named_)
            .text("reply", first_line(text));
    }
    break;
  case Stage::data:
    if (code == '3' && transaction_.open) {
      in_content_ = true;
      reader_.begin();
      stage_ = Stage::content;
      const auto* step = host_.rules().step(Stage::content, moment());
      content_step_ = step ? std::optional(*step) : std::nullopt;
    }
    break;
  case Stage::end_of_data:
    if (unanswered_) {
      unanswered_ = false;
      incoming_.reply = first_line(text);
      incoming_.transaction = std::move(transaction_);
      if (text.empty())
        log_finished(incoming_, false);
      else
        finished_.push_back(std::move(incoming_));
    }
    transaction_ = {};
    break;
  case Stage::rset:
    if (!good) break;
    transaction_ = {};
    chunks_begun_ = in_content_ = false;
    break;
  case Stage::quit:
    if (good) closing_ = true;
    break;
  case Stage::ehlo:
  case Stage::helo:
    if (!good) helo_.clear();
    break;
  case Stage::starttls:
    if (good) start_tls();
    break;
  case Stage::greeting:
  case Stage::bdat:
  case Stage::content:
  case Stage::noop:
  case Stage::other: break;
  }
}

// What was said before it goes out in clear, and is forgotten; what was heard behind the command was not for us.
void MailSession::start_tls() {
  wire_ += std::exchange(output_, {});
  input_.clear();
  at_ = 0;
  helo_.clear();
  transaction_ = {};
  tls_.emplace(*host_.tls());
}

void MailSession::tell_handshake() {
  if (tls_told_ || (!tls_->open() && !tls_->failed())) return;
  tls_told_ = true;
  if (!scene_.log.on()) return;
  auto event = scene_.event("tls");
  event.text("host", host_.name()).number("id", id_).flag("open", tls_->open());
  if (tls_->open())
    event.text("version", tls_->version())
        .flag("resumed", tls_->resumed())
        .text("server_name", tls_->server_name());
}

void MailSession::then(Step::Then what) {
  switch (what) {
  case Step::Then::go_on: break;
  case Step::Then::close: closing_ = true; break;
  case Step::Then::reset: closing_ = resetting_ = true; break;
  case Step::Then::stall: stalled_ = true; break;
  case Step::Then::deaf: deaf_ = true; break;
  }
}

void MailSession::fill_wire() {
  if (output_.empty()) output_ = endless_;
  if (!tls_) return wire_.swap(output_);
  if (tls_->open() && !output_.empty()) tls_->write(std::exchange(output_, {}));
  if (tls_->open() && closing_ && !resetting_ && !busy_) tls_->end(); // once, whatever is asked
  wire_ = tls_->take_output();
}

void MailSession::flush() {
  for (int blocks = 0; blocks < endless_blocks_a_turn && !lingering_; ++blocks) {
    if (wire_.empty()) fill_wire();
    if (wire_.empty()) break;
    const auto count = ::send(socket_.get(), wire_.data(), wire_.size(), MSG_NOSIGNAL);
    if (count < 0 && errno == EAGAIN) return;
    if (count < 0 && errno != EINTR) return end("reset");
    if (count > 0) wire_.erase(0, static_cast<std::size_t>(count));
  }
  if (!wire_.empty()) return;
  for (const auto& finished : finished_) log_finished(finished, true);
  finished_.clear();
  if (closing_ && !lingering_ && !busy_) close_gently();
}

void MailSession::log_finished(const Finished& finished, bool answered) {
  const bool accepted = answered && finished.reply.starts_with('2');
  const auto& transaction = finished.transaction;
  for (const auto& recipient : transaction.recipients) {
    auto& tally = scene_.tally.recipients[recipient];
    ++(accepted ? tally.accepted : tally.unanswered);
  }
  auto& tally = host_.tally();
  ++(accepted ? tally.messages : tally.unanswered);
  tally.octets += finished.size;
  ++messages_;
  scene_.tally.last_message = Tally::Clock::now();
  if (!scene_.tally.first_message) scene_.tally.first_message = scene_.tally.last_message;
  if (!scene_.log_messages || !scene_.log.on()) return;
  auto event = scene_.event("message");
  event.number("seq", finished.seq)
      .text("host", host_.name())
      .number("id", id_)
      .text("helo", helo_)
      .text("sender", transaction.sender)
      .texts("rcpts", transaction.recipients)
      .text("mail_parameters", transaction.mail_parameters)
      .texts("rcpt_parameters", transaction.parameters)
      .number("size", finished.size)
      .text("sha256", finished.digest)
      .number("bare", finished.bare)
      .flag("tls", tls_.has_value())
      .flag("accepted", accepted);
  if (answered)
    event.text("reply", finished.reply);
  else
    event.null("reply");
}

void MailSession::want_events() {
  const bool reading = !deaf_ && !at_end_ && input_.size() < most_unprocessed;
  const bool writing =
      !lingering_ && (!wire_.empty() || (!output_.empty() && (!tls_ || tls_->open())) || !endless_.empty());
  const std::uint32_t wanted = (reading ? EPOLLIN : 0U) | (writing ? EPOLLOUT : 0U);
  if (wanted == events_) return;
  events_ = wanted;
  scene_.loop.change(socket_.get(), events_, *this);
}

// FIN first, then read what is still under way: closing with unread input would make the kernel send a RST,
// and the client might never see our last reply.
void MailSession::close_gently() {
  if (resetting_) {
    const linger now{1, 0};
    setsockopt(socket_.get(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
    return end("world");
  }
  lingering_ = true;
  shutdown(socket_.get(), SHUT_WR);
  if (at_end_) return end("world");
  scene_.loop.cancel(timer_);
  timer_ = scene_.loop.after(longest_linger, [this] { end("world"); });
}

void MailSession::end(std::string_view by) {
  if (ended_) return;
  ended_ = true;
  for (const auto& finished : finished_) log_finished(finished, false);
  finished_.clear();
  if (unanswered_) {
    incoming_.transaction = transaction_;
    log_finished(incoming_, false);
  }
  if (in_content_) {
    ++host_.tally().partial;
    if (scene_.log.on())
      scene_.event("partial")
          .text("host", host_.name())
          .number("id", id_)
          .text("sender", transaction_.sender)
          .texts("rcpts", transaction_.recipients)
          .number("size", reader_.size());
  }
  if (scene_.log.on())
    scene_.event("close")
        .text("host", host_.name())
        .number("id", id_)
        .text("by", by)
        .number("messages", messages_)
        .number("commands", commands_)
        .text("stage", to_string(stage_));
  scene_.loop.forget(socket_.get(), *this);
  scene_.loop.cancel(timer_);
  scene_.loop.cancel(latency_timer_);
  host_.ended(*this);
}

} // namespace bulkmail::world
