// The fields that XMERGE gives each recipient, for the template to be filled in with (docs/personalising.md).
//
// All recipients of a message tend to have the same names, so a name is kept once and a field costs its value and two or
// three octets: the index of its name, the length of the value, the value.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace bulkmail::spool {

// One field of one recipient; the value is UTF-8 without NUL.
struct MergeField {
  std::string_view name;
  std::string_view value;
};

// The different names within one message.
class FieldNames {
 public:
  static constexpr std::size_t most = 256; // an index is one octet; a form letter has some ten

  [[nodiscard]] std::optional<std::uint8_t> find(std::string_view name) const;
  // The name's index, new or known; none: there are too many. `hint`: where it stood among the last recipient's.
  std::optional<std::uint8_t> add(std::string_view name, std::size_t hint = 0);

  [[nodiscard]] std::string_view operator[](std::size_t index) const { return names_[index]; }

  [[nodiscard]] std::size_t size() const { return names_.size(); }

  [[nodiscard]] std::size_t memory() const;

  bool operator==(const FieldNames&) const = default;

 private:
  std::vector<std::string> names_;
};

// The fields of one recipient, packed; walked from the first to the last.
class MergeFields {
 public:
  struct Field {
    std::uint8_t name = 0; // index into the envelope's FieldNames
    std::string_view value;
  };

  explicit MergeFields(std::string_view packed) : packed_(packed) {}

  [[nodiscard]] bool empty() const { return packed_.empty(); }

  [[nodiscard]] std::size_t octets() const { return packed_.size(); }

  [[nodiscard]] Field take(); // of one that isn't empty

  static void append(std::string& packed, std::uint8_t name, std::string_view value);

 private:
  std::string_view packed_;
};

} // namespace bulkmail::spool
