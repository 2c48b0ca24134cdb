#include "transport/content/merge/text.h"

#include "spool/drop/merge_object.h"
#include "spool/drop/parameters.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace bulkmail::transport {
namespace {

std::string_view trimmed(std::string_view text) {
  const std::size_t from = text.find_first_not_of(" \t");
  if (from == text.npos) return {};
  return text.substr(from, text.find_last_not_of(" \t") - from + 1);
}

std::unexpected<MergeProblem> bad(std::string text) {
  return std::unexpected(MergeProblem{"bad-template", std::move(text), {}});
}

} // namespace

std::expected<MergeText, MergeProblem> MergeText::parse(std::string_view text, const spool::FieldNames& names,
                                                        FieldUse& use) {
  MergeText parsed;
  std::string literal;
  while (true) {
    const std::size_t open = text.find("{{");
    literal += text.substr(0, open);
    if (open == text.npos) break;
    text.remove_prefix(open);
    // Before braces a backslash takes away the meaning of what follows, which may be another backslash.
    const std::size_t last_other = literal.find_last_not_of('\\');
    const std::size_t backslashes = literal.size() - (last_other == literal.npos ? 0 : last_other + 1);
    literal.resize(literal.size() - (backslashes + 1) / 2);
    if (backslashes % 2 == 1) {
      literal += "{{";
      text.remove_prefix(2);
      continue;
    }
    const bool raw = text.starts_with("{{{");
    const std::string_view close = raw ? "}}}" : "}}";
    const std::size_t end = text.find(close);
    const std::string_view name =
        trimmed(text.substr(close.size(), end == text.npos ? 0 : end - close.size()));
    if (end == text.npos || !spool::is_merge_name(name))
      return bad(
          fmt::format("\"{}\" is no placeholder: right is {{{{name}}}} with a name of A-Z a-z 0-9 . _ -, or "
                      "\\{{{{ for two braces",
                      spool::excerpt(text.substr(0, std::min(end, std::size_t{60})))));
    const auto field = names.find(name);
    if (!field) return std::unexpected(MergeProblem{"missing-field", {}, std::string(name)});
    if (++use.total > FieldUse::most) return bad(fmt::format("more than {} placeholders", FieldUse::most));
    ++use.times[*field];
    if (!literal.empty()) parsed.pieces_.push_back({std::exchange(literal, {}), std::nullopt, false});
    parsed.pieces_.push_back({{}, field, raw});
    text.remove_prefix(end + close.size());
  }
  if (!literal.empty()) parsed.pieces_.push_back({std::move(literal), std::nullopt, false});
  return parsed;
}

std::string MergeText::plain(MergeValues values) const {
  std::string out;
  for (const MergePiece& piece : pieces_)
    out += piece.field ? values[*piece.field] : std::string_view(piece.literal);
  return out;
}

bool is_ascii(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

} // namespace bulkmail::transport
