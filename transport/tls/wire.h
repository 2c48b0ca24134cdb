// A connection's two ends as OpenSSL sees them: it reads what was received where it lies, and what it writes is appended to
// a string. Nothing is copied in between, and nothing is kept that the string's owner does not see.
#pragma once

#include <string>
#include <string_view>

struct bio_st;

namespace bulkmail::transport {

struct TlsWire {
  std::string_view in; // received, not read yet
  std::string out;     // written, not taken yet
};

// The wire must outlive it, in its place.
[[nodiscard]] bio_st* make_bio(TlsWire& wire);

} // namespace bulkmail::transport
