// The body of one text part that has placeholders: what of it stays as it came, what is merged, and how that is encoded.
//
// Merged is the smallest whole: a line; in quoted-printable a line with its soft breaks; in base64 the body. It is decoded and
// taken to UTF-8 once; for each recipient its values are put in, and it goes back to the part's charset and encoding.
//
// A body in 7bit or 8bit (or without a Content-Transfer-Encoding) stays what it is as long as it can: where a value brings
// octets over 127 into 7bit, a line over 998 or a line that begins like a part's delimiter, this recipient's body is
// quoted-printable. Where a value brings those octets into US-ASCII, this recipient's charset is UTF-8.
#pragma once

#include "transport/content/merge/text.h"

#include <string>
#include <string_view>
#include <vector>

namespace bulkmail::transport {

enum class BodyEncoding : std::uint8_t { plain, quoted_printable, base64 };

// What the header of the part says, and round it.
struct TextSetting {
  BodyEncoding encoding = BodyEncoding::plain;
  std::string charset;                 // empty: UTF-8 or US-ASCII, no conversion
  bool ascii = false;                  // US-ASCII, by name or by default
  bool seven_bit = true;               // plain: not declared to be more
  bool html = false;                   // values are escaped for it
  std::vector<std::string> delimiters; // "--boundary" of each multipart round it
};

// What a rendered body asks of the header.
struct BodyNeeds {
  bool utf8 = false;             // another charset
  bool quoted_printable = false; // another encoding
};

class TextBody {
 public:
  // None: no placeholder in it, it is to be sent as it came.
  [[nodiscard]] static std::expected<std::optional<TextBody>, MergeProblem>
  compile(std::string_view body, TextSetting setting, const spool::FieldNames& names, FieldUse& use);

  BodyNeeds append(std::string& out, MergeValues values) const;

  // The charset has no character for something in these values.
  [[nodiscard]] bool refuses(MergeValues values) const;

  // Can values be refused at all?
  [[nodiscard]] bool particular() const { return !setting_.charset.empty(); }

  [[nodiscard]] const TextSetting& setting() const { return setting_; }

 private:
  struct Chunk {
    std::string literal; // as it came; used if there are no pieces
    MergeText text;
  };

  using Done = std::expected<void, MergeProblem>;
  Done compile_lines(std::string_view body, const spool::FieldNames& names, FieldUse& use);
  Done compile_base64(std::string_view body, const spool::FieldNames& names, FieldUse& use);
  Done add(std::string_view decoded, std::string_view as_it_came, const spool::FieldNames& names,
           FieldUse& use);
  [[nodiscard]] std::string expand(const MergeText& text, MergeValues values) const;
  [[nodiscard]] bool must_be_quoted(std::string_view text) const;

  TextSetting setting_;
  std::vector<Chunk> chunks_;
  bool merged_ = false;
};

} // namespace bulkmail::transport
