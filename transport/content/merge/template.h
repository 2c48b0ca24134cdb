// A message that is filled in for each of its recipients (XMERGE; docs/personalising.md): its header fields and the text
// parts of its MIME structure (RFC 2045, 2046), compiled once.
//
// What has no placeholder leaves as it came, octet for octet. Parts that are no text, messages within the message and all
// that is signed (multipart/signed) are left alone.
//
//   auto compiled = MergeTemplate::compile(wire_form(content, stuffed), envelope.field_names());
//   for each recipient: if (auto problem = compiled->refuses(envelope, recipient)) … at claim …
//   for each recipient: compiled->render(envelope, recipient)                       … while sending …
#pragma once

#include "spool/envelope.h"
#include "transport/content/merge/header_field.h"
#include "transport/content/merge/text_body.h"

#include <string>
#include <variant>
#include <vector>

namespace bulkmail::transport {

struct MergedContent {
  std::string wire;
  std::uint64_t size = 0; // what SIZE= declares
  bool eight_bit = false;
};

class MergeTemplate {
 public:
  // A template is kept whole, and so is what is made of it for each session.
  static constexpr std::size_t most_octets = 16 << 20;
  static constexpr std::size_t deepest = 32; // multiparts within each other

  [[nodiscard]] static std::expected<MergeTemplate, MergeProblem> compile(std::string_view wire,
                                                                          const spool::FieldNames& names);

  // Why this recipient's fields can't fill it; none: they can.
  [[nodiscard]] std::optional<MergeProblem> refuses(const spool::Envelope& envelope,
                                                    std::size_t recipient) const;

  [[nodiscard]] MergedContent render(const spool::Envelope& envelope, std::size_t recipient) const;

  [[nodiscard]] bool has_placeholders() const { return use_.total > 0; }

  [[nodiscard]] std::size_t memory() const { return memory_; } // about what it holds

 private:
  // A piece of a header, or all that is not to be changed. `otherwise` goes in its place if the body needs that.
  struct Text {
    std::string as_it_came;
    std::string otherwise;
    bool if_utf8 = false, if_quoted_printable = false;
  };

  // A header, or a stretch of what is left alone, and the body behind it if that is merged.
  struct Section {
    std::vector<std::variant<Text, HeaderField>> head;
    std::optional<TextBody> body;
  };

  [[nodiscard]] std::vector<std::string_view> values_of(const spool::Envelope& envelope,
                                                        std::size_t recipient) const;
  static void append_head(std::string& out, const Section& section, BodyNeeds needs, MergeValues values);

  std::vector<Section> sections_;
  FieldUse use_;
  std::size_t names_ = 0;
  std::size_t memory_ = 0;
  bool particular_ = false; // values may be refused, not only lacking

  friend class TemplateCompiler;
};

} // namespace bulkmail::transport
