#include "transport/content/merge/header_field.h"

#include "spool/ascii.h"
#include "spool/mailbox.h"
#include "transport/content/merge/encodings.h"
#include "transport/content/merge/mime.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace bulkmail::transport {

using Place = HeaderField::Place;

namespace {

constexpr std::size_t good_line = 76;         // RFC 5322 §2.1.1, RFC 2047 §2
constexpr std::size_t longest_unfolded = 900; // what has no place to fold must leave its line under 998

using spool::equal_without_case;

template <std::size_t count>
bool one_of(std::string_view name, const std::string_view (&names)[count]) {
  return std::ranges::any_of(names, [&](std::string_view one) { return equal_without_case(one, name); });
}

constexpr std::string_view address_fields[] = {"From",
                                               "Sender",
                                               "Reply-To",
                                               "To",
                                               "Cc",
                                               "Bcc",
                                               "Resent-From",
                                               "Resent-Sender",
                                               "Resent-To",
                                               "Resent-Cc",
                                               "Resent-Bcc",
                                               "Resent-Reply-To",
                                               "Errors-To",
                                               "Return-Receipt-To",
                                               "Disposition-Notification-To",
                                               "Mail-Followup-To",
                                               "Mail-Reply-To"};
constexpr std::string_view uri_fields[] = {"List-Unsubscribe", "List-Subscribe", "List-Help",  "List-Post",
                                           "List-Owner",       "List-Archive",   "Archived-At"};
constexpr std::string_view identifier_fields[] = {"Message-ID",        "In-Reply-To", "References",
                                                  "Resent-Message-ID", "Content-ID",  "List-ID"};
// They say how the message is to be read, or where it has been.
constexpr std::string_view fixed_fields[] = {"Content-Type",
                                             "Content-Transfer-Encoding",
                                             "Content-Disposition",
                                             "MIME-Version",
                                             "DKIM-Signature",
                                             "ARC-Seal",
                                             "ARC-Message-Signature",
                                             "ARC-Authentication-Results",
                                             "Received",
                                             "Return-Path"};

enum class Kind { text, addresses, uris, identifiers, fixed };

Kind kind_of(std::string_view name) {
  if (one_of(name, address_fields)) return Kind::addresses;
  if (one_of(name, uri_fields)) return Kind::uris;
  if (one_of(name, identifier_fields)) return Kind::identifiers;
  return one_of(name, fixed_fields) ? Kind::fixed : Kind::text;
}

// RFC 5322 §3.2.3
bool is_atext(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         std::string_view("!#$%&'*+-/=?^_`{|}~").find(c) != std::string_view::npos;
}

bool is_control(char c) { return static_cast<unsigned char>(c) < ' ' || c == 0x7f; }

// Runs of controls, line breaks among them, are one space; no white space at either end.
std::string in_one_line(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (!is_control(text[i]))
      out += text[i];
    else if (i == 0 || !is_control(text[i - 1]))
      out += ' ';
  }
  const std::size_t from = out.find_first_not_of(' ');
  if (from == out.npos) return {};
  return out.substr(from, out.find_last_not_of(' ') - from + 1);
}

bool needs_words(std::string_view word) {
  return !is_ascii(word) || word.find("=?") != word.npos || word.size() > longest_unfolded;
}

// For an encoded word behind so many octets of the first line; on a later one it has its line for itself.
std::size_t room_behind(std::size_t column) {
  return column + shortest_word > good_line ? longest_word : std::min(good_line - column, longest_word);
}

// Only from the first word that needs it to the last one is it encoded.
void append_text(std::string& out, std::string_view text, std::size_t column) {
  std::size_t first = text.npos, last = 0;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find(' ', at), text.size());
    if (needs_words(text.substr(at, end - at))) {
      first = std::min(first, at);
      last = end;
    }
    at = end + 1;
  }
  if (first == text.npos) {
    out += text;
    return;
  }
  out += text.substr(0, first);
  append_encoded_words(out, text.substr(first, last - first), room_behind(column + first));
  out += text.substr(last);
}

void append_phrase(std::string& out, std::string_view text, std::size_t column) {
  if (needs_words(text)) return append_encoded_words(out, text, room_behind(column));
  const bool atoms = std::ranges::all_of(text, [](char c) { return is_atext(c) || c == ' '; });
  if (atoms && text.find("  ") == text.npos) {
    out += text;
    return;
  }
  out += '"';
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  out += '"';
}

// What could end its place is none of it; a claim has seen to that already.
void append_guarded(std::string& out, std::string_view text) {
  for (const char c : text) out += is_control(c) || c == ' ' || c == '<' || c == '>' ? '?' : c;
}

bool is_identifier(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) {
    return is_atext(c) || c == '.' || c == '@' || c == '[' || c == ']' || c == ':';
  });
}

std::string uri_of(const MergeText& text, MergeValues values) {
  std::string out;
  for (const MergePiece& piece : text.pieces()) {
    if (!piece.field) {
      append_percent_encoded(out, piece.literal, UriPart::whole);
      continue;
    }
    const bool whole = piece.raw || &piece == &text.pieces().front();
    append_percent_encoded(out, values[*piece.field], whole ? UriPart::whole : UriPart::component);
  }
  return out;
}

// Lines of good_line octets where there is white space to fold at. None of them is white space alone, and the first has more
// than the field's name: some readers take that for an empty field.
void append_folded(std::string& out, std::string_view start, std::string_view value) {
  out += start;
  std::size_t column = start.size();
  for (bool first = true; !value.empty(); first = false) {
    const std::size_t word = std::min(value.find_first_not_of(' '), value.size());
    const std::size_t end = std::min(value.find(' ', word), value.size());
    if (column + end > good_line && !first && word < value.size()) {
      out += "\r\n";
      column = 0;
    }
    out += value.substr(0, end);
    column += end;
    value.remove_prefix(end);
  }
  out += "\r\n";
}

} // namespace

class HeaderFieldCompiler {
 public:
  using Done = std::expected<void, MergeProblem>;

  HeaderFieldCompiler(HeaderField& field, std::string_view name, const spool::FieldNames& names,
                      FieldUse& use)
      : field_(field),
        name_(name),
        names_(names),
        use_(use) {}

  // A placeholder stands alone or within an encoded word.
  static bool has_placeholder(std::string_view value) {
    if (MergeText::has_placeholder(value)) return true;
    return value.find("=?") != value.npos && MergeText::has_placeholder(decode_header_text(value));
  }

  Done compile(std::string_view value) {
    switch (kind_of(name_)) {
    case Kind::text: return add(Place::text, decode_header_text(value));
    case Kind::addresses: return elements(value, Place::address);
    case Kind::uris: return elements(value, Place::uri);
    case Kind::identifiers: return elements(value, Place::identifier);
    case Kind::fixed: break;
    }
    return bad(fmt::format("{} can't have a placeholder", name_));
  }

 private:
  // Between commas and the marks of a group: a phrase and <…>, or an address alone.
  Done elements(std::string_view value, Place inside) {
    while (!value.empty()) {
      const std::size_t end = end_of_element(value);
      if (const Done done = element(value.substr(0, end), inside); !done) return done;
      if (end == value.size()) break;
      literal(value.substr(end, 1));
      value.remove_prefix(end + 1);
    }
    return {};
  }

  Done element(std::string_view text, Place inside) {
    if (!has_placeholder(text)) {
      literal(text);
      return {};
    }
    const std::size_t open = find_outside(text, "<");
    const std::size_t close = open == text.npos ? open : text.find('>', open);
    if (open == text.npos || close == text.npos) {
      if (inside != Place::address) return bad(fmt::format("in {} a placeholder stands within <...>", name_));
      return padded(text,
                    [&](std::string_view address) { return add(Place::address, std::string(address)); });
    }
    if (const Done done = phrase(text.substr(0, open)); !done) return done;
    literal("<");
    const std::string_view enclosed = text.substr(open + 1, close - open - 1);
    if (!MergeText::has_placeholder(enclosed))
      literal(enclosed);
    else if (const Done done = add(inside, std::string(enclosed)); !done)
      return done;
    literal(">");
    return rest(text.substr(close + 1), inside);
  }

  Done phrase(std::string_view text) {
    if (!has_placeholder(text)) {
      literal(text);
      return {};
    }
    return padded(text, [&](std::string_view words) {
      return add(Place::phrase, decode_header_text(unquoted(words)));
    });
  }

  // Behind <…>: a comment, or in References the next one.
  Done rest(std::string_view text, Place inside) {
    if (MergeText::has_placeholder(text) && find_outside(text, "<") == text.npos)
      return bad(fmt::format("in {} a placeholder stands in a name or within <...>", name_));
    return element(text, inside);
  }

  // The white space at both ends is no part of it.
  template <class Add>
  Done padded(std::string_view text, Add take) {
    const std::size_t from = text.find_first_not_of(" \t"), to = text.find_last_not_of(" \t") + 1;
    if (from > 0) literal(" ");
    if (const Done done = take(text.substr(from, to - from)); !done) return done;
    if (to < text.size()) literal(" ");
    return {};
  }

  Done add(Place place, std::string text) {
    auto parsed = MergeText::parse(text, names_, use_);
    if (!parsed) return std::unexpected(std::move(parsed.error()));
    field_.units_.emplace_back(HeaderField::Unit{place, std::move(*parsed)});
    return {};
  }

  void literal(std::string_view text) {
    if (!text.empty()) field_.units_.emplace_back(std::string(text));
  }

  static Done bad(std::string text) {
    return std::unexpected(MergeProblem{"bad-template", std::move(text), {}});
  }

  // The first of these outside quoted strings and comments; outside <…> too, unless it begins one.
  static std::size_t find_outside(std::string_view text, std::string_view wanted) {
    bool quoted = false, angle = false;
    std::size_t comments = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
      const char c = text[i];
      if (c == '\\' && (quoted || comments > 0))
        ++i;
      else if (c == '"' && comments == 0)
        quoted = !quoted;
      else if (quoted)
        continue;
      else if (c == '(' && !angle)
        ++comments;
      else if (c == ')' && comments > 0)
        --comments;
      else if (comments > 0)
        continue;
      else if (!angle && wanted.find(c) != wanted.npos)
        return i;
      else if (c == '<' || c == '>')
        angle = c == '<';
    }
    return text.npos;
  }

  static std::size_t end_of_element(std::string_view text) {
    return std::min(find_outside(text, ",;:"), text.size());
  }

  // "a \"b\"" c: what the quotes and backslashes stand for.
  static std::string unquoted(std::string_view words) {
    std::string out;
    bool quoted = false;
    for (std::size_t i = 0; i < words.size(); ++i) {
      if (words[i] == '"') {
        quoted = !quoted;
      } else {
        const bool escapes =
            words[i] == '\\' && i + 1 < words.size() && (words[i + 1] == '"' || words[i + 1] == '\\');
        if (quoted && escapes) ++i;
        out += words[i];
      }
    }
    return out;
  }

  HeaderField& field_;
  std::string_view name_;
  const spool::FieldNames& names_;
  FieldUse& use_;
};

std::expected<std::optional<HeaderField>, MergeProblem>
HeaderField::compile(std::string_view field, const spool::FieldNames& names, FieldUse& use) {
  const std::size_t colon = field.find(':');
  if (colon == field.npos) return std::nullopt;
  const std::string value = unfolded(field.substr(colon + 1));
  if (!HeaderFieldCompiler::has_placeholder(value)) return std::nullopt;
  const std::string_view label = field.substr(0, colon);
  const std::string_view name = label.substr(0, label.find_last_not_of(" \t") + 1);
  HeaderField compiled;
  compiled.start_ = std::string(name) + ":";
  if (auto done = HeaderFieldCompiler(compiled, name, names, use).compile(value); !done)
    return std::unexpected(std::move(done.error()));
  return compiled;
}

void HeaderField::append(std::string& out, MergeValues values) const {
  std::string value = " ";
  for (const auto& unit : units_) {
    if (const auto* literal = std::get_if<std::string>(&unit)) {
      value += *literal;
      continue;
    }
    const auto& [place, text] = std::get<Unit>(unit);
    switch (place) {
    case Place::text:
      append_text(value, in_one_line(text.plain(values)), start_.size() + value.size());
      break;
    case Place::phrase:
      append_phrase(value, in_one_line(text.plain(values)), start_.size() + value.size());
      break;
    case Place::uri: value += uri_of(text, values); break;
    case Place::address:
    case Place::identifier: append_guarded(value, text.plain(values)); break;
    }
  }
  append_folded(out, start_, value);
}

bool HeaderField::particular() const {
  return std::ranges::any_of(units_, [](const auto& unit) {
    const auto* merged = std::get_if<Unit>(&unit);
    return merged != nullptr && merged->place != Place::text && merged->place != Place::phrase;
  });
}

std::string HeaderField::refuses(MergeValues values, bool international) const {
  const std::string_view name = std::string_view(start_).substr(0, start_.size() - 1);
  for (const auto& unit : units_) {
    const auto* merged = std::get_if<Unit>(&unit);
    if (merged == nullptr) continue;
    const auto& [place, text] = *merged;
    if (place == Place::address) {
      const std::string address = text.plain(values);
      if (!spool::parse_mailbox(address)) return fmt::format("it makes no right address in {}", name);
      if (!international && !is_ascii(address))
        return fmt::format("an address in {} needs SMTPUTF8 on MAIL", name);
    } else if (place == Place::identifier) {
      const std::string identifier = text.plain(values);
      if (!is_identifier(identifier) || identifier.size() > longest_unfolded)
        return fmt::format("it can't stand in <...> of {}", name);
    } else if (place == Place::uri && uri_of(text, values).size() > longest_unfolded) {
      return fmt::format("a URI in {} gets over {} octets", name, longest_unfolded);
    }
  }
  return {};
}

std::string unfolded(std::string_view value) {
  std::string out;
  for (const char c : value)
    if (c != '\r' && c != '\n') out += c == '\t' ? ' ' : c;
  const std::size_t from = out.find_first_not_of(' ');
  if (from == out.npos) return {};
  return out.substr(from, out.find_last_not_of(' ') - from + 1);
}

} // namespace bulkmail::transport
