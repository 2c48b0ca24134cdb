#include "tests/simulation/mail_host.h"

#include <functional>

namespace bulkmail::simulation {
namespace {

std::string between(std::string_view text, char open, char close) {
  const auto from = text.find(open);
  const auto to = text.find(close, from);
  if (from == std::string_view::npos || to == std::string_view::npos) return {};
  return std::string(text.substr(from + 1, to - from - 1));
}

std::string message_id(std::string_view content) {
  const auto at = content.find("Message-ID: ");
  return at == std::string_view::npos ? std::string() : between(content.substr(at), '<', '>');
}

// What a notice says and of which message: kept by the host of the senders.
void note_told(Book& book, std::string_view content) {
  const auto about = content.find("In-Reply-To: ");
  if (about == std::string_view::npos) return;
  const std::string original = between(content.substr(about), '<', '>');
  constexpr std::string_view field = "\r\nFinal-Recipient: rfc822; ";
  for (auto at = content.find(field); at != std::string_view::npos; at = content.find(field, at + 1)) {
    const std::string_view rest = content.substr(at + field.size());
    book.told[{original, std::string(rest.substr(0, rest.find("\r\n")))}].insert(message_id(content));
  }
}

} // namespace

MailHostSession::Answer MailHostSession::greet() {
  if (happens(character_.silent)) {
    silent_ = true;
    return {};
  }
  if (happens(character_.refuse_greeting)) return {"421 4.3.2 busy\r\n", true};
  return {"220 host ESMTP\r\n"};
}

MailHostSession::Answer MailHostSession::receive(std::string_view bytes, Monotonic now) {
  Answer answer;
  if (silent_) return answer;
  pending_ += bytes;
  while (!answer.close) {
    if (in_chunk_) {
      if (!take_chunk()) break;
      if (last_chunk_ && !recipients_.empty())
        end_of_data(answer, now);
      else
        answer.bytes += recipients_.empty() ? "503 5.5.1 Need RCPT\r\n" : "250 2.0.0 chunk\r\n";
      continue;
    }
    const auto end = pending_.find("\r\n");
    if (end == std::string::npos) break;
    const std::string line = pending_.substr(0, end);
    pending_.erase(0, end + 2);
    if (!in_data_) {
      command(line, answer);
    } else if (line == ".") {
      end_of_data(answer, now);
    } else {
      content_ += line + "\r\n";
    }
  }
  return answer;
}

bool MailHostSession::take_chunk() {
  const std::string_view octets = std::string_view(pending_).substr(0, chunk_left_);
  content_ += octets;
  chunk_left_ -= octets.size();
  pending_.erase(0, octets.size());
  in_chunk_ = chunk_left_ > 0;
  return !in_chunk_;
}

void MailHostSession::command(std::string_view line, Answer& answer) {
  if (happens(character_.drop)) {
    answer.close = true;
    return;
  }
  if (happens(character_.shut_down)) {
    answer.bytes += "421 4.3.2 shutting down\r\n";
    answer.close = true;
    return;
  }
  if (line.starts_with("EHLO")) {
    answer.bytes += "250-host\r\n";
    if (character_.pipelining) answer.bytes += "250-PIPELINING\r\n";
    if (character_.chunking) answer.bytes += "250-CHUNKING\r\n";
    answer.bytes += "250 ENHANCEDSTATUSCODES\r\n";
  } else if (line.starts_with("MAIL")) {
    recipients_.clear();
    content_.clear();
    has_sender_ = true;
    answer.bytes += "250 2.1.0 Ok\r\n";
  } else if (line.starts_with("RCPT")) {
    const std::string recipient = between(line, '<', '>');
    if (static_cast<int>(std::hash<std::string>{}(recipient) % 1000) < character_.permanent) {
      answer.bytes += "550 5.1.1 no such user\r\n";
    } else if (happens(character_.temporary)) {
      answer.bytes += "451 4.3.0 later\r\n";
    } else {
      recipients_.push_back(recipient);
      answer.bytes += "250 2.1.5 Ok\r\n";
    }
  } else if (line.starts_with("DATA")) {
    if (recipients_.empty()) {
      answer.bytes += "554 5.5.1 No valid recipients\r\n";
    } else {
      in_data_ = true;
      content_.clear();
      answer.bytes += "354 go on\r\n";
    }
  } else if (line.starts_with("BDAT ")) {
    chunk_left_ = std::stoull(std::string(line.substr(5)));
    last_chunk_ = line.ends_with(" LAST");
    in_chunk_ = true;
  } else if (line.starts_with("RSET")) {
    recipients_.clear();
    answer.bytes += "250 2.0.0 Ok\r\n";
  } else if (line.starts_with("QUIT")) {
    answer.bytes += "221 2.0.0 Bye\r\n";
    answer.close = true;
  } else {
    answer.bytes += "500 5.5.2 what\r\n";
  }
}

void MailHostSession::end_of_data(Answer& answer, Monotonic now) {
  in_data_ = false;
  const bool lost = happens(character_.drop_after_dot);
  for (const auto& recipient : recipients_) {
    auto& entry = book_.entries[{message_id(content_), recipient}];
    entry.taken.push_back(now);
    if (lost) ++entry.replies_lost;
  }
  if (!recipients_.empty()) note_told(book_, content_);
  recipients_.clear();
  if (lost)
    answer.close = true;
  else
    answer.bytes += "250 2.0.0 taken\r\n";
}

} // namespace bulkmail::simulation
