#include "transport/content/wire_form.h"

#include <algorithm>
#include <cstring>

namespace bulkmail::transport {

namespace {

bool has_eight_bit(std::string_view block) {
  constexpr std::uint64_t high_bits = 0x8080808080808080;
  std::uint64_t seen = 0;
  for (; block.size() >= sizeof seen; block.remove_prefix(sizeof seen)) {
    std::uint64_t word = 0;
    std::memcpy(&word, block.data(), sizeof word);
    seen |= word;
  }
  for (const char c : block) seen |= static_cast<std::uint8_t>(c);
  return (seen & high_bits) != 0;
}

} // namespace

void WireEncoder::encode(std::string_view block, std::string& out) {
  if (block.find('\0') !=
      std::string_view::npos) { // rare: worth a copy, so that the usual way has no test for it
    std::string clean(block);
    std::erase(clean, '\0');
    return encode(clean, out);
  }
  eight_bit_ = eight_bit_ || has_eight_bit(block);
  // One growth for the block with a CR and a dot for each line of 32 octets; past that the string grows by
  // itself.
  out.reserve(out.size() + block.size() + block.size() / 16 + 4);
  for (;;) {
    const std::size_t newline = block.find('\n');
    encode_piece(block.substr(0, newline), out);
    if (newline == std::string_view::npos) return;
    end_line(out);
    block.remove_prefix(newline + 1);
  }
}

void WireEncoder::finish(std::string& out) {
  if (pending_cr_) put(" ", out);
  if (!line_start_ || held_dot_) end_line(out);
}

// Part of a line, no LF in it.
void WireEncoder::encode_piece(std::string_view piece, std::string& out) {
  if (piece.empty()) return;
  if (pending_cr_) {
    pending_cr_ = false;
    put(" ", out);
  }
  if (piece.back() == '\r') {
    pending_cr_ = true;
    piece.remove_suffix(1);
  }
  for (std::size_t cr = piece.find('\r'); cr != std::string_view::npos; cr = piece.find('\r')) {
    put(piece.substr(0, cr), out);
    put(" ", out);
    piece.remove_prefix(cr + 1);
  }
  put(piece, out);
}

// Text of the input without any line end: the doubling of its leading dot is undone.
void WireEncoder::put(std::string_view text, std::string& out) {
  if (source_stuffed_ && line_start_ && !text.empty()) {
    if (!held_dot_ && text.front() == '.') {
      held_dot_ = true;
      text.remove_prefix(1);
    }
    if (text.empty()) return;
    if (held_dot_ && text.front() != '.') write(".", out);
    held_dot_ = false;
  }
  write(text, out);
}

// Text as it is meant.
void WireEncoder::write(std::string_view text, std::string& out) {
  if (text.empty()) return;
  line_start_ = false;
  out.append(text);
  size_ += text.size();
}

void WireEncoder::end_line(std::string& out) {
  if (held_dot_) write(".", out);
  held_dot_ = false;
  pending_cr_ = false;
  out.append("\r\n");
  size_ += 2;
  line_start_ = true;
}

std::string wire_form(std::string_view content, bool source_dot_stuffed) {
  WireEncoder encoder(source_dot_stuffed);
  std::string out;
  encoder.encode(content, out);
  encoder.finish(out);
  return out;
}

} // namespace bulkmail::transport
