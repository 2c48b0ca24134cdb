// Which header fields a signature covers (RFC 6376 §5.4, RFC 8058 §4).
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace bulkmail::transport {

// All fields of the name are signed. A name that stands in h= once more than there are fields says that there is no other:
// one that is added later breaks the signature (§8.15).
struct SignedField {
  enum class Once : std::uint8_t { never, if_present, always };

  std::string_view name;
  Once more; // whether the name stands in h= once more
};

// What is signed where the configuration doesn't say.
[[nodiscard]] std::span<const SignedField> usual_signed_fields();

// The value of h=, and the fields that it stands for, in its order: of equal ones the last first (§5.4.2).
struct FieldSelection {
  std::vector<std::string_view> names;
  std::vector<std::string_view> fields;
};

// `header` in wire form, up to and with its empty line.
[[nodiscard]] FieldSelection select_fields(std::string_view header, std::span<const SignedField> wanted);

} // namespace bulkmail::transport
