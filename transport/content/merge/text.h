// Text with placeholders: {{name}}, {{{name}}} (the value as it is where {{name}} would be escaped), and \{{ for two braces.
#pragma once

#include "spool/merge_fields.h"

#include <array>
#include <cstdint>
#include <expected>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace bulkmail::transport {

// Why content is no template that these fields can fill.
struct MergeProblem {
  std::string code;          // for the status of the refused drop: "bad-template", "missing-field", …
  std::string text;          // what is wrong and what would be right
  std::string missing_field; // missing-field: nobody has it
};

// The values of one recipient, beside the names of its envelope.
using MergeValues = std::span<const std::string_view>;

struct MergePiece {
  std::string literal;
  std::optional<std::uint8_t> field; // index into the envelope's names; none: the literal
  bool raw = false;                  // three braces
};

// Which fields a template has need of, and how often each.
struct FieldUse {
  static constexpr std::uint32_t most =
      1000; // placeholders: what one recipient's content can grow by is bounded

  std::array<std::uint32_t, spool::FieldNames::most> times{};
  std::uint32_t total = 0;
};

class MergeText {
 public:
  // `text` is UTF-8. What looks like a placeholder and is none is a problem: it would be sent to everybody.
  [[nodiscard]] static std::expected<MergeText, MergeProblem>
  parse(std::string_view text, const spool::FieldNames& names, FieldUse& use);

  [[nodiscard]] static bool has_placeholder(std::string_view text) { return text.find("{{") != text.npos; }

  [[nodiscard]] const std::vector<MergePiece>& pieces() const { return pieces_; }

  // The values as they are.
  [[nodiscard]] std::string plain(MergeValues values) const;

 private:
  std::vector<MergePiece> pieces_;
};

[[nodiscard]] bool is_ascii(std::string_view text);

} // namespace bulkmail::transport
