#include "spool/base64.h"

#include <openssl/evp.h>

#include <algorithm>
#include <limits>

namespace bulkmail::spool {
namespace {

// OpenSSL's blocks count in int.
constexpr std::size_t most = std::numeric_limits<int>::max() / 2;

bool is_letter(char c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' || c == '/';
}

} // namespace

bool decode_base64(std::string_view text, std::string& into) {
  into.clear();
  if (text.size() % 4 != 0 || text.size() > most) return false;
  if (text.empty()) return true;
  const std::size_t padding = text.ends_with("==") ? 2 : text.ends_with('=') ? 1 : 0;
  // OpenSSL overlooks white space round the text and padding within it.
  if (!std::ranges::all_of(text.substr(0, text.size() - padding), is_letter)) return false;
  into.resize(text.size() / 4 * 3);
  const int written =
      EVP_DecodeBlock(reinterpret_cast<unsigned char*>(into.data()),
                      reinterpret_cast<const unsigned char*>(text.data()), static_cast<int>(text.size()));
  if (written < 0) return false;
  into.resize(static_cast<std::size_t>(written) - padding);
  return true;
}

void append_base64(std::string& out, std::string_view bytes) {
  constexpr std::size_t step = 3 << 20; // whole groups: the pieces join without padding between
  for (; !bytes.empty(); bytes.remove_prefix(std::min(step, bytes.size()))) {
    const std::string_view piece = bytes.substr(0, step);
    const std::size_t before = out.size();
    out.resize(before + (piece.size() + 2) / 3 * 4 + 1); // and OpenSSL's final NUL
    const int written =
        EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data() + before),
                        reinterpret_cast<const unsigned char*>(piece.data()), static_cast<int>(piece.size()));
    out.resize(before + static_cast<std::size_t>(written));
  }
}

} // namespace bulkmail::spool
