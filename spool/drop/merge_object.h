// The value of RCPT's XMERGE: base64 of a JSON object (RFC 8259) whose members are strings and numbers.
//
// A number is the text it was written as. Names are 1 to 64 of A-Z a-z 0-9 . _ -, none twice. No value has a NUL: mail
// can't carry it.
#pragma once

#include "spool/merge_fields.h"

#include <expected>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace bulkmail::spool {

[[nodiscard]] bool is_merge_name(std::string_view text);

class MergeObject {
 public:
  static constexpr std::size_t max_name = 64;
  static constexpr std::size_t max_json = 32 << 10; // with base64 and the address it fits an envelope's line

  // Replaces the fields by what stands in `base64`; or says what is wrong with it.
  [[nodiscard]] std::expected<void, std::string> read(std::string_view base64);

  [[nodiscard]] std::span<const MergeField> fields() const { return fields_; } // until the next read

  void clear() { fields_.clear(); }

 private:
  class Reader;

  std::string json_, text_; // kept from one recipient to the next, for their room
  std::vector<MergeField> fields_;
};

// The way back: the object's base64, with its members in this order.
void append_merge_object(std::string& out, std::span<const MergeField> fields);

} // namespace bulkmail::spool
