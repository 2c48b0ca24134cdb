// The canonical forms in which DKIM hashes a message (RFC 6376 §3.4): what is the same but for what relays are known to
// change is the same octets. `relaxed` is forgiving about white space and the case of names, `simple` about empty lines at
// the end alone.
//
// All text is in wire form, so CR and LF stand only as CRLF.
//
//   CanonicalBody body(Canonical::relaxed);
//   for each block: while (!block.empty()) { body.take(block, out); hash.update(out); out.clear(); }
//   body.finish(out);
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace bulkmail::transport {

enum class Canonical : std::uint8_t { relaxed, simple };

// A whole field with its folding and final CRLF (§3.4.1, §3.4.2).
void append_canonical_field(std::string& out, std::string_view field, Canonical form);

// A body that comes block by block, cut anywhere (§3.4.3, §3.4.4).
class CanonicalBody {
 public:
  // Empty lines are held back until something follows them, so that a block can give more than it has; never more at once.
  static constexpr std::size_t at_once = 16 * 1024;

  explicit CanonicalBody(Canonical form) : form_(form) {}

  // Takes from the front of the block, and appends to `out`, until either is done with.
  void take(std::string_view& block, std::string& out);
  void finish(std::string& out);

 private:
  Canonical form_;
  std::uint64_t line_ends_ = 0; // met and not written: only what follows shows that they are not the last
  bool space_ = false;          // white space met and not written
  bool empty_ = true;
};

} // namespace bulkmail::transport
