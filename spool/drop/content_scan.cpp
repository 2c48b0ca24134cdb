#include "spool/drop/content_scan.h"

#include "spool/ascii.h"

#include <algorithm>
#include <cstring>

namespace bulkmail::spool {
namespace {

constexpr std::size_t max_header_line =
    1000; // RFC 5322 §2.1.1: 998 and its CRLF; a longer Message-ID is nobody's

bool has_eight_bit(std::string_view block) {
  std::uint64_t seen = 0;
  for (; block.size() >= sizeof seen; block.remove_prefix(sizeof seen)) {
    std::uint64_t word = 0;
    std::memcpy(&word, block.data(), sizeof word);
    seen |= word;
  }
  for (const char c : block) seen |= static_cast<unsigned char>(c);
  return (seen & 0x8080808080808080) != 0;
}

std::string_view trimmed(std::string_view text) {
  const std::size_t from = text.find_first_not_of(" \t\r");
  if (from == text.npos) return {};
  return text.substr(from, text.find_last_not_of(" \t\r") - from + 1);
}

} // namespace

void ContentScan::add(std::string_view block) {
  if (block.find('\0') != block.npos) { // rare: worth a copy, so that the usual way has no test for it
    std::string clean(block);
    std::erase(clean, '\0');
    return add(clean);
  }
  if (block.empty()) return;
  eight_bit_ = eight_bit_ || has_eight_bit(block);
  size_ += block.size();
  if (held_dot_ && block.front() == '.') --size_;
  held_dot_ = false;
  if (last_ == '\n') begin_line(block);
  for (std::string_view rest = block; !rest.empty();) {
    const std::size_t newline = rest.find('\n');
    if (in_header_) header_piece(rest.substr(0, newline), newline != rest.npos);
    if (newline == rest.npos) break;
    if ((newline > 0 ? rest[newline - 1] : last_) != '\r') ++size_;
    ++lines_;
    last_ = '\n';
    rest.remove_prefix(newline + 1);
    begin_line(rest);
  }
  last_ = block.back();
}

void ContentScan::finish() {
  if (last_ != '\n') size_ += 2;
  if (in_header_) {
    header_piece({}, true);
    in_header_ = false;
  }
  if (!message_id_.empty()) { // angle brackets are the id's own; what else stands there is comment
    const std::size_t open = message_id_.find('<');
    const std::size_t close = message_id_.find('>', open);
    if (close != message_id_.npos) message_id_ = message_id_.substr(open, close - open + 1);
  }
}

void ContentScan::begin_line(std::string_view rest) {
  if (!dot_stuffed_ || !rest.starts_with('.')) return;
  if (rest.size() == 1)
    held_dot_ = true;
  else if (rest[1] == '.')
    --size_;
}

void ContentScan::header_piece(std::string_view piece, bool ended) {
  line_.append(piece.substr(0, max_header_line - std::min(line_.size(), max_header_line)));
  if (!ended) return;
  header_line();
  line_.clear();
}

void ContentScan::header_line() {
  static constexpr std::string_view name = "message-id:";
  if (line_.ends_with('\r')) line_.pop_back();
  if (line_.empty()) {
    in_header_ = false;
    return;
  }
  const bool folded = line_.front() == ' ' || line_.front() == '\t';
  if (!folded) in_message_id_ = message_id_.empty() && starts_without_case(line_, name);
  if (!in_message_id_) return;
  const std::string_view value = trimmed(std::string_view(line_).substr(folded ? 0 : name.size()));
  if (line_.size() == max_header_line || message_id_.size() + value.size() >= max_header_line) {
    in_message_id_ = false;
    message_id_.clear();
    return;
  }
  if (!message_id_.empty() && !value.empty()) message_id_ += ' ';
  message_id_ += value;
}

} // namespace bulkmail::spool
