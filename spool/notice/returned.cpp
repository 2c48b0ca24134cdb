#include "spool/notice/returned.h"

#include <algorithm>
#include <string_view>

namespace bulkmail::spool {
namespace {

// Lines of the file, without its dot-stuffing; up to the first empty one where only the header is wanted.
std::string plain_lines(std::string_view bytes, bool dot_stuffed, bool header_only) {
  std::string out;
  out.reserve(bytes.size() + bytes.size() / 32);
  while (!bytes.empty()) {
    const std::size_t newline = bytes.find('\n');
    if (newline == bytes.npos && header_only) break; // cut off, or not a line of a header
    std::string_view line = bytes.substr(0, newline);
    bytes.remove_prefix(newline == bytes.npos ? bytes.size() : newline + 1);
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (header_only && line.empty()) break;
    if (dot_stuffed && line.starts_with('.')) line.remove_prefix(1);
    out += line;
    out += "\r\n";
  }
  return out;
}

} // namespace

bool returns_all(const MessageFacts& facts, NoticeKind kind) {
  if (kind != NoticeKind::failure) return false;
  switch (facts.envelope.ret) {
  case Ret::full: return facts.content.length <= max_full_return;
  case Ret::headers: return false;
  case Ret::unspecified: return facts.content.length <= max_unasked_return;
  }
  return false;
}

Result<Returned> read_returned(Disk& disk, const MessageFacts& facts, NoticeKind kind) {
  auto file = disk.open_read("cur/" + facts.id);
  if (!file) return std::unexpected(file.error());
  Returned returned;
  returned.full = returns_all(facts, kind);
  const std::uint64_t wanted =
      returned.full ? facts.content.length : std::min(facts.content.length, max_returned_header);
  std::string bytes(wanted, '\0');
  const auto got = (*file)->read_at(facts.content.offset, bytes);
  if (!got) return std::unexpected(got.error());
  bytes.resize(*got);
  returned.text = plain_lines(bytes, facts.content.dot_stuffed, !returned.full);
  return returned;
}

} // namespace bulkmail::spool
