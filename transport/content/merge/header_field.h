// One header field with placeholders (RFC 5322 §3.2, §3.6, RFC 2047, RFC 2369): taken apart once, written anew for each
// recipient, folded, so that no value ever breaks out of its place.
//
// | where it stands | what becomes of the value |
// | --- | --- |
// | Subject, Comments, X-…: any field that has no other rule | text; encoded words where it isn't ASCII |
// | a display name | an atom, a quoted string or encoded words, as it needs |
// | an address | as it is; it must make a right address |
// | <…> of List-Unsubscribe and its like | percent-encoded; as a URI where the placeholder begins it or has three braces |
// | <…> of Message-ID and its like | as it is; it must be of the characters that may stand there |
//
// Line breaks and control characters become a space. In Content-Type and others that say how the message is to be read no
// placeholder may stand.
#pragma once

#include "transport/content/merge/text.h"

#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace bulkmail::transport {

class HeaderField {
 public:
  // `field` is whole, its CRLF and folding included. None: no placeholder in it, it is to be sent as it came.
  [[nodiscard]] static std::expected<std::optional<HeaderField>, MergeProblem>
  compile(std::string_view field, const spool::FieldNames& names, FieldUse& use);

  void append(std::string& out, MergeValues values) const;

  // Why these values can't stand here; empty: they can. `international`: addresses may be UTF-8.
  [[nodiscard]] std::string refuses(MergeValues values, bool international) const;

  // Can values be refused at all?
  [[nodiscard]] bool particular() const;

  enum class Place : std::uint8_t { text, phrase, address, uri, identifier };

 private:
  struct Unit {
    Place place = Place::text;
    MergeText text;
  };

  std::string start_;                                  // "Subject:"
  std::vector<std::variant<std::string, Unit>> units_; // strings: as they came, unfolded

  friend class HeaderFieldCompiler;
};

// The value of a field without its folding.
[[nodiscard]] std::string unfolded(std::string_view value);

} // namespace bulkmail::transport
