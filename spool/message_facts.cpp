#include "spool/message_facts.h"

namespace bulkmail::spool {

std::string to_string(const Digest& digest) {
  static constexpr char hex[] = "0123456789abcdef";
  std::string text = "sha256:";
  text.reserve(text.size() + 2 * digest.size());
  for (const std::uint8_t byte : digest) {
    text += hex[byte >> 4];
    text += hex[byte & 15];
  }
  return text;
}

} // namespace bulkmail::spool
