#include "transport/content/merge/text_body.h"

#include "transport/content/merge/encodings.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace bulkmail::transport {
namespace {

constexpr std::size_t longest_line = 998; // RFC 5321 §4.5.3.1.6, without CRLF

std::unexpected<MergeProblem> bad(std::string text) {
  return std::unexpected(MergeProblem{"bad-template", std::move(text), {}});
}

// Of lines in wire form the first, with its CRLF, taken off.
std::string_view take_line(std::string_view& text) {
  const std::size_t end = text.find("\r\n");
  const std::string_view line = text.substr(0, end == text.npos ? end : end + 2);
  text.remove_prefix(line.size());
  return line;
}

std::string_view without_end(std::string_view line) {
  return line.ends_with("\r\n") ? line.substr(0, line.size() - 2) : line;
}

bool ends_softly(std::string_view line) {
  line = without_end(line);
  return line.substr(0, line.find_last_not_of(" \t") + 1).ends_with('=');
}

void append_escaped(std::string& out, char c) {
  switch (c) {
  case '&': out += "&amp;"; break;
  case '<': out += "&lt;"; break;
  case '>': out += "&gt;"; break;
  case '"': out += "&quot;"; break;
  case '\'': out += "&#39;"; break;
  default: out += c;
  }
}

// Line ends of any kind are CRLF in a body.
void append_value(std::string& out, std::string_view value, bool escape) {
  for (std::size_t i = 0; i < value.size(); ++i) {
    const char c = value[i];
    if (c == '\r' || c == '\n') {
      out += "\r\n";
      if (c == '\r' && i + 1 < value.size() && value[i + 1] == '\n') ++i;
    } else if (escape) {
      append_escaped(out, c);
    } else {
      out += c;
    }
  }
}

} // namespace

std::expected<std::optional<TextBody>, MergeProblem>
TextBody::compile(std::string_view body, TextSetting setting, const spool::FieldNames& names, FieldUse& use) {
  TextBody compiled;
  compiled.setting_ = std::move(setting);
  const bool base64 = compiled.setting_.encoding == BodyEncoding::base64;
  const auto done =
      base64 ? compiled.compile_base64(body, names, use) : compiled.compile_lines(body, names, use);
  if (!done) return std::unexpected(done.error());
  if (!compiled.merged_) return std::nullopt;
  // What is 8bit already, whatever it is called, gets no worse by a value.
  if (compiled.setting_.encoding == BodyEncoding::plain && !is_ascii(body))
    compiled.setting_.seven_bit = false;
  return compiled;
}

TextBody::Done TextBody::compile_lines(std::string_view body, const spool::FieldNames& names, FieldUse& use) {
  const bool quoted = setting_.encoding == BodyEncoding::quoted_printable;
  while (!body.empty()) {
    std::string_view line = take_line(body);
    while (quoted && ends_softly(line) && !body.empty())
      line = std::string_view(line.data(), line.size() + take_line(body).size()); // they stand side by side
    const std::string_view text = without_end(line);
    if (const Done done = add(quoted ? decode_quoted_printable(text) : std::string(text), text, names, use);
        !done)
      return done;
    if (text.size() < line.size()) {
      if (chunks_.empty() || !chunks_.back().text.pieces().empty()) chunks_.emplace_back();
      chunks_.back().literal += "\r\n";
    }
  }
  return {};
}

TextBody::Done TextBody::compile_base64(std::string_view body, const spool::FieldNames& names,
                                        FieldUse& use) {
  const std::size_t end = body.find_last_not_of(" \t\r\n") + 1;
  const auto decoded = decode_base64_body(body.substr(0, end));
  if (!decoded) return {}; // broken as it is, it is sent as it is
  if (const Done done = add(*decoded, body.substr(0, end), names, use); !done) return done;
  chunks_.push_back({std::string(body.substr(end)), {}});
  return {};
}

TextBody::Done TextBody::add(std::string_view decoded, std::string_view as_it_came,
                             const spool::FieldNames& names, FieldUse& use) {
  const auto stays = [&]() -> Done {
    if (chunks_.empty() || !chunks_.back().text.pieces().empty()) chunks_.emplace_back();
    chunks_.back().literal += as_it_came;
    return {};
  };
  std::string text(decoded);
  if (!setting_.charset.empty()) {
    auto utf8 = convert(decoded, setting_.charset, "UTF-8");
    if (!utf8) {
      if (!MergeText::has_placeholder(decoded)) return stays();
      return bad(
          fmt::format("a text part is not in its charset \"{}\", or that is not known", setting_.charset));
    }
    if (!MergeText::has_placeholder(*utf8)) return stays();
    if (convert(*utf8, "UTF-8", setting_.charset) != decoded)
      return bad(fmt::format("a text part in the charset \"{}\" can't be merged without change: use UTF-8",
                             setting_.charset));
    text = std::move(*utf8);
  } else if (!MergeText::has_placeholder(text)) {
    return stays();
  }
  if (setting_.ascii && !is_ascii(text)) return bad("a text part with octets over 127 must say its charset");
  auto parsed = MergeText::parse(text, names, use);
  if (!parsed) return std::unexpected(std::move(parsed.error()));
  merged_ = true;
  chunks_.push_back({{}, std::move(*parsed)});
  return {};
}

// In the part's charset, not encoded.
std::string TextBody::expand(const MergeText& text, MergeValues values) const {
  std::string out;
  for (const MergePiece& piece : text.pieces()) {
    if (piece.field)
      append_value(out, values[*piece.field], setting_.html && !piece.raw);
    else
      out += piece.literal;
  }
  if (setting_.charset.empty()) return out;
  return convert(out, "UTF-8", setting_.charset).value_or(out); // a claim has seen to it that it can be
}

bool TextBody::must_be_quoted(std::string_view text) const {
  if (setting_.seven_bit && !is_ascii(text)) return true;
  while (!text.empty()) {
    const std::string_view line = without_end(take_line(text));
    if (line.size() > longest_line) return true;
    if (std::ranges::any_of(setting_.delimiters,
                            [&](const std::string& one) { return line.starts_with(one); }))
      return true;
  }
  return false;
}

BodyNeeds TextBody::append(std::string& out, MergeValues values) const {
  BodyNeeds needs;
  const std::size_t begin = out.size();
  for (const Chunk& chunk : chunks_) {
    if (chunk.text.pieces().empty()) {
      out += chunk.literal;
      continue;
    }
    const std::string text = expand(chunk.text, values);
    needs.utf8 = needs.utf8 || (setting_.ascii && !is_ascii(text));
    switch (setting_.encoding) {
    case BodyEncoding::plain:
      needs.quoted_printable = needs.quoted_printable || must_be_quoted(text);
      out += text;
      break;
    case BodyEncoding::quoted_printable: append_quoted_printable(out, text); break;
    case BodyEncoding::base64: append_base64_lines(out, text); break;
    }
  }
  if (needs.quoted_printable) {
    const std::string plain = out.substr(begin);
    out.resize(begin);
    append_quoted_printable(out, plain);
  }
  return needs;
}

bool TextBody::refuses(MergeValues values) const {
  for (const Chunk& chunk : chunks_)
    for (const MergePiece& piece : chunk.text.pieces())
      if (piece.field && !is_ascii(values[*piece.field]) &&
          !convert(values[*piece.field], "UTF-8", setting_.charset))
        return true;
  return false;
}

} // namespace bulkmail::transport
