// How numbers and strings are written as bytes, in the journal and in packed facts: little-endian words in headers, LEB128
// elsewhere.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace bulkmail::spool {

template <class Word>
void put_word(std::string& out, Word word) {
  for (std::size_t byte = 0; byte < sizeof(Word); ++byte) out += static_cast<char>(word >> (8 * byte));
}

inline void put_number(std::string& out, std::uint64_t number) {
  for (; number >= 0x80; number >>= 7) out += static_cast<char>(number | 0x80);
  out += static_cast<char>(number);
}

// Zigzag: small numbers of either sign are short.
inline void put_signed(std::string& out, std::int64_t number) {
  put_number(out, static_cast<std::uint64_t>(number) << 1 ^ static_cast<std::uint64_t>(number >> 63));
}

inline void put_string(std::string& out, std::string_view text) {
  put_number(out, text.size());
  out += text;
}

// Takes them out again. After a fault everything is 0 or empty and ok() false, so that a whole record may be
// read before one asks.
class ByteReader {
 public:
  explicit ByteReader(std::string_view bytes) : rest_(bytes) {}

  [[nodiscard]] bool ok() const { return ok_; }

  [[nodiscard]] bool done() const { return ok_ && rest_.empty(); }

  [[nodiscard]] std::size_t left() const { return rest_.size(); }

  std::string_view bytes(std::size_t count) {
    if (count > rest_.size()) {
      fail();
      return {};
    }
    const std::string_view taken = rest_.substr(0, count);
    rest_.remove_prefix(count);
    return taken;
  }

  template <class Word>
  Word word() {
    Word value = 0;
    const std::string_view taken = bytes(sizeof(Word));
    for (std::size_t byte = 0; byte < taken.size(); ++byte)
      value =
          static_cast<Word>(value | static_cast<Word>(static_cast<unsigned char>(taken[byte])) << (8 * byte));
    return value;
  }

  std::uint64_t number() {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      const auto byte = word<std::uint8_t>();
      value |= static_cast<std::uint64_t>(byte & 0x7F) << shift;
      if ((byte & 0x80) == 0) return value;
    }
    fail();
    return 0;
  }

  std::int64_t signed_number() {
    const std::uint64_t coded = number();
    return static_cast<std::int64_t>(coded >> 1) ^ -static_cast<std::int64_t>(coded & 1);
  }

  std::string string() { return std::string(bytes(number())); }

  void fail() {
    ok_ = false;
    rest_ = {};
  }

 private:
  std::string_view rest_;
  bool ok_ = true;
};

} // namespace bulkmail::spool
