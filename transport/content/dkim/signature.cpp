#include "transport/content/dkim/signature.h"

#include "resolver/route.h"
#include "spool/base64.h"

#include <fmt/format.h>

#include <utility>

namespace bulkmail::transport {
namespace {

// RFC 5322 §2.1.1 would have lines of at most 78 octets.
constexpr std::size_t line_room = 76;

std::string_view name_of(Canonical form) { return form == Canonical::relaxed ? "relaxed" : "simple"; }

std::string base64_of(std::string_view octets) {
  std::string encoded;
  spool::append_base64(encoded, octets);
  return encoded;
}

// Writes a field's value, and begins a new line where the next piece would be too far to the right.
class Folding {
 public:
  explicit Folding(std::string start) : text_(std::move(start)), column_(text_.size()) {}

  // A tag with its semicolon, whole on one line, a space before it.
  void tag(std::string_view tag) {
    if (column_ + 1 + tag.size() > line_room)
      new_line();
    else
      put(" ");
    put(tag);
  }

  // A part of a tag's value, which may be folded before it (FWS in §3.5).
  void part(std::string_view part) {
    if (column_ + part.size() > line_room) new_line();
    put(part);
  }

  // Base64, which may be folded anywhere.
  void base64(std::string_view octets) {
    const std::string encoded = base64_of(octets);
    for (std::string_view left = encoded; !left.empty();) {
      if (column_ >= line_room) new_line();
      const auto piece = left.substr(0, line_room - column_);
      put(piece);
      left.remove_prefix(piece.size());
    }
  }

  [[nodiscard]] std::string& text() { return text_; }

 private:
  void new_line() {
    text_ += "\r\n\t";
    column_ = 1;
  }

  void put(std::string_view text) {
    text_ += text;
    column_ += text.size();
  }

  std::string text_;
  std::size_t column_;
};

FieldSelection select(std::string_view header, const DkimIdentity& identity) {
  if (identity.fields.empty()) return select_fields(header, usual_signed_fields());
  std::vector<SignedField> wanted;
  for (const std::string& name : identity.fields) wanted.push_back({name, SignedField::Once::always});
  return select_fields(header, wanted);
}

std::string_view octets(const spool::Digest& digest) {
  return {reinterpret_cast<const char*>(digest.data()), digest.size()};
}

} // namespace

std::expected<std::string, std::string> dkim_signature(const DkimIdentity& identity, std::string_view header,
                                                       const spool::Digest& body_hash, Wall now) {
  const FieldSelection selected = select(header, identity);
  const auto time = std::chrono::floor<std::chrono::seconds>(now.time_since_epoch());
  Folding field("DKIM-Signature: v=1;");
  field.tag(fmt::format("a={};", name_of(identity.key.algorithm())));
  field.tag(fmt::format("c={}/{};", name_of(identity.header), name_of(identity.body)));
  field.tag(fmt::format("d={};", identity.domain));
  field.tag(fmt::format("s={};", identity.selector));
  field.tag(fmt::format("t={};", time.count()));
  if (identity.expire) field.tag(fmt::format("x={};", (time + *identity.expire).count()));
  for (std::size_t i = 0; i < selected.names.size(); ++i) {
    const std::string_view end = i + 1 == selected.names.size() ? ";" : ":";
    if (i == 0)
      field.tag(fmt::format("h={}{}", selected.names[i], end));
    else
      field.part(fmt::format("{}{}", selected.names[i], end));
  }
  field.tag(fmt::format("bh={};", base64_of(octets(body_hash))));
  field.tag("b=");

  // §3.7: the signed fields, then this one with an empty b= and without its CRLF.
  std::string text;
  text.reserve(header.size() + field.text().size());
  for (const std::string_view one : selected.fields) append_canonical_field(text, one, identity.header);
  append_canonical_field(text, field.text() + "\r\n", identity.header);
  text.resize(text.size() - 2);
  auto signature = identity.key.sign(text);
  if (!signature) return std::unexpected(std::move(signature.error()));
  field.base64(*signature);
  return std::move(field.text()) + "\r\n";
}

// Comments and quoted strings, which may hold anything, are passed over; of a display name with a bare comma in it, which is
// no right one and common, the piece that has an address counts.
std::string author_domain(std::string_view value) {
  std::string piece; // without comments, quoted strings and folding
  const auto domain = [&]() -> std::string {
    std::string_view address = piece;
    if (const auto open = address.rfind('<'); open != address.npos) {
      address.remove_prefix(open + 1);
      address = address.substr(0, address.find('>'));
    }
    const auto at = address.rfind('@');
    return at == address.npos ? "" : resolver::canonical_domain(address.substr(at + 1)).value_or("");
  };
  int depth = 0; // of comments
  bool quoted = false, angle = false;
  for (std::size_t i = 0; i < value.size(); ++i) {
    const char c = value[i];
    if ((quoted || depth > 0) && c == '\\') {
      ++i;
    } else if (quoted) {
      quoted = c != '"';
    } else if (c == '(') {
      ++depth;
    } else if (depth > 0) {
      if (c == ')') --depth;
    } else if (c == '"') {
      quoted = true;
    } else if ((c == ',' || c == ';') && !angle) { // in <…> it is of an obsolete route
      if (auto found = domain(); !found.empty()) return found;
      piece.clear();
    } else if (c != ' ' && c != '\t' && c != '\r' && c != '\n') {
      if (c == '<' || c == '>') angle = c == '<';
      piece += c;
    }
  }
  return domain();
}

} // namespace bulkmail::transport
