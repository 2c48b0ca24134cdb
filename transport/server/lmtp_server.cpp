#include "transport/server/lmtp_server.h"

#include "spool/ascii.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace bulkmail::transport {
namespace {

constexpr std::string_view unwell = "452 4.3.1 insufficient system storage, try later";
constexpr std::string_view too_big_reply = "552 5.3.4 message too big for this system";

// As the envelope compares recipients: local part exact, domain without case.
std::string folded(std::string_view address) {
  std::string key(address);
  const auto domain = static_cast<std::ptrdiff_t>(std::min(key.rfind('@'), key.size()));
  std::transform(key.begin() + domain, key.end(), key.begin() + domain, spool::lower);
  return key;
}

bool is_client_name(std::string_view name) {
  return !name.empty() && name.size() <= 255 &&
         std::ranges::all_of(name, [](char c) { return c > ' ' && c < 0x7f; });
}

} // namespace

LmtpServer::LmtpServer(LmtpConfig config) : config_(std::move(config)) {
  reply(fmt::format("220 {} LMTP bulkmail", config_.hostname));
}

void LmtpServer::receive(std::string_view bytes) {
  if (state_ == State::closed) return;
  if (state_ == State::owed) {
    ahead_ += bytes;
    return;
  }
  while (!bytes.empty() && state_ != State::closed) {
    switch (state_) {
    case State::command: bytes.remove_prefix(take_line(bytes)); break;
    case State::data:
    case State::discarding: bytes.remove_prefix(take_content(bytes)); break;
    case State::owed: ahead_ = bytes; return;
    case State::closed: return;
    }
  }
}

// Takes one command line, or what there is of it, and performs it.
std::size_t LmtpServer::take_line(std::string_view bytes) {
  std::size_t taken = 0;
  for (bool ended = false; !ended && taken < bytes.size();) {
    // A piece up to the next LF, which ends the line only behind a CR.
    const auto piece = bytes.substr(taken, std::min(bytes.find('\n', taken), bytes.size() - 1) + 1 - taken);
    taken += piece.size();
    const char before = piece.size() > 1 ? piece[piece.size() - 2] : last_octet_;
    last_octet_ = piece.back();
    ended = last_octet_ == '\n' && before == '\r';
    line_length_ += piece.size();
    if (line_length_ <= max_line) line_ += piece;
    if (line_length_ > max_discarded) {
      reply("421 4.7.0 endless line");
      close();
      return taken;
    }
    if (!ended) continue;
    const auto length = std::exchange(line_length_, 0);
    const auto line = std::exchange(line_, {});
    last_octet_ = '\0';
    if (length > max_line)
      error("500 5.5.2 line too long");
    else
      perform(std::string_view(line).substr(0, length - 2));
  }
  return taken;
}

void LmtpServer::perform(std::string_view line) {
  const auto command = parse_command(line);
  if (!command) return error("500 5.5.2 not a command");
  const auto& verb = command->verb;
  const bool bare = command->argument.empty();
  if (verb == "LHLO") return lhlo(*command);
  if (verb == "MAIL") return mail(command->argument);
  if (verb == "RCPT") return rcpt(command->argument);
  if (verb == "DATA") return data(*command);
  if (verb == "NOOP") return reply("250 2.0.0 Ok");
  if (verb == "VRFY") return reply("252 2.5.0 send some mail, it will be tried");
  if (verb == "RSET" || verb == "QUIT") {
    if (!bare) return error("501 5.5.4 no argument here");
    reset();
    if (verb == "RSET") return reply("250 2.0.0 Ok");
    reply("221 2.0.0 Bye");
    return close();
  }
  if (verb == "EHLO" || verb == "HELO") return error("500 5.5.1 this is LMTP: use LHLO");
  error("500 5.5.1 unknown command");
}

void LmtpServer::lhlo(const Command& command) {
  if (!is_client_name(command.argument)) return error("501 5.5.4 syntax: LHLO name");
  client_name_ = command.argument;
  reset();
  reply("250-" + config_.hostname);
  reply("250-PIPELINING");
  reply(config_.max_size == 0 ? "250-SIZE" : fmt::format("250-SIZE {}", config_.max_size));
  reply("250-ENHANCEDSTATUSCODES");
  reply("250-8BITMIME");
  reply("250-SMTPUTF8");
  reply("250-XVERP");
  reply("250 DSN");
}

void LmtpServer::mail(std::string_view argument) {
  if (client_name_.empty()) return error("503 5.5.1 LHLO first");
  if (in_transaction_) return error("503 5.5.1 a transaction is open");
  const auto parsed = parse_mail(argument, builder_);
  const auto size = builder_.envelope.declared_size.value_or(0);
  const bool too_big = config_.max_size != 0 && size > config_.max_size;
  in_transaction_ = parsed && can_accept_ && !too_big;
  if (in_transaction_) return reply("250 2.1.0 Ok");
  reset();
  if (!parsed) return error(parsed.error());
  reply(can_accept_ ? too_big_reply : unwell);
}

// No failure here counts as an error of the session: see max_errors.
void LmtpServer::rcpt(std::string_view argument) {
  if (!in_transaction_) return reply("503 5.5.1 MAIL first");
  const auto rcpt = parse_rcpt(argument, builder_.envelope.smtp_utf8);
  if (!rcpt) return reply(rcpt.error());
  if (accepted_.size() >= config_.max_recipients) return reply("452 4.5.3 too many recipients");
  remember(rcpt->recipient,
           builder_.recipient(rcpt->recipient, rcpt->parameters.notify, rcpt->parameters.orcpt));
  reply("250 2.1.5 Ok");
}

// RFC 2033 §4.2: each RCPT answered 250 has its own reply in the end, also one that named a recipient again.
void LmtpServer::remember(std::string_view recipient, bool added) {
  const auto& envelope = builder_.envelope;
  if (added) {
    const auto place = static_cast<std::uint32_t>(envelope.size() - 1);
    if (!places_.empty()) places_.emplace(folded(recipient), place);
    accepted_.push_back(place);
    return;
  }
  if (places_.empty())
    for (std::uint32_t place = 0; place < envelope.size(); ++place)
      places_.emplace(folded(envelope.recipient(place).address), place);
  accepted_.push_back(places_.at(folded(recipient)));
}

void LmtpServer::data(const Command& command) {
  if (!command.argument.empty()) return error("501 5.5.4 no argument here");
  if (!in_transaction_) return error("503 5.5.1 MAIL first");
  if (accepted_.empty()) return reply("503 5.5.1 no valid recipients"); // RFC 2033 §4.2; the addresses' fault
  if (!can_accept_) {
    reset();
    return reply(unwell);
  }
  state_ = State::data;
  end_of_data_ = {};
  received_ = 0;
  events_.push_back({LmtpEvent::Kind::begin, builder_.take(), {}});
  reply("354 end with <CRLF>.<CRLF>");
}

std::size_t LmtpServer::take_content(std::string_view bytes) {
  std::string content;
  const auto taken = end_of_data_.feed(bytes, content);
  received_ += content.size();
  if (state_ == State::data && config_.max_size != 0 &&
      received_ - end_of_data_.doubled_dots() > config_.max_size) {
    state_ = State::discarding;
    events_.push_back({LmtpEvent::Kind::aborted, {}, {}});
  }
  if (state_ == State::data && !content.empty())
    events_.push_back({LmtpEvent::Kind::content, {}, std::move(content)});
  if (!end_of_data_.found()) return taken;
  if (state_ == State::discarding) {
    state_ = State::command;
    for (std::size_t i = 0; i < accepted_.size(); ++i) reply(too_big_reply);
    reset();
  } else {
    state_ = State::owed;
    events_.push_back({LmtpEvent::Kind::end, {}, {}});
  }
  return taken;
}

void LmtpServer::answer(const std::vector<std::string>& replies) {
  if (state_ != State::owed) return;
  for (const auto place : accepted_) reply(place < replies.size() ? replies[place] : "451 4.3.0 no answer");
  state_ = State::command;
  errors_ = 0;
  reset();
  receive(std::exchange(ahead_, {}));
}

void LmtpServer::answer_all(std::string_view reply) {
  const auto most = accepted_.empty() ? 0 : *std::ranges::max_element(accepted_) + 1;
  answer(std::vector<std::string>(most, std::string(reply)));
}

void LmtpServer::reset() {
  in_transaction_ = false;
  builder_ = {};
  accepted_.clear();
  places_.clear();
}

void LmtpServer::reply(std::string_view text) {
  const auto start = output_.size();
  output_ += text;
  // No name or text of ours may start a line of its own.
  std::replace_if(
      output_.begin() + static_cast<std::ptrdiff_t>(start), output_.end(),
      [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }, '?');
  output_ += "\r\n";
}

void LmtpServer::error(std::string_view text) {
  if (++errors_ < max_errors) return reply(text);
  reply("421 4.7.0 too many errors");
  close();
}

void LmtpServer::close() {
  state_ = State::closed;
  reset();
  events_.push_back({LmtpEvent::Kind::closed, {}, {}});
}

std::optional<LmtpEvent> LmtpServer::next_event() {
  if (events_.empty()) return std::nullopt;
  LmtpEvent event = std::move(events_.front());
  events_.pop_front();
  return event;
}

std::string LmtpServer::take_output() { return std::exchange(output_, {}); }

} // namespace bulkmail::transport
