// What a claim finds out about a drop; immutable from then on.
#pragma once

#include "spool/envelope.h"
#include "spool/time.h"

#include <array>
#include <cstdint>
#include <string>

namespace bulkmail::spool {

using Digest = std::array<std::uint8_t, 32>; // SHA-256 of the dropped file's bytes

[[nodiscard]] std::string to_string(const Digest& digest); // "sha256:<64 hex digits>"

// Tells one dropped file from a later one of the same name, across a crash: rename and link change none of
// these.
struct Stamp {
  std::uint64_t inode = 0;
  std::int64_t mtime_ns = 0;
  std::uint64_t size = 0;

  bool operator==(const Stamp&) const = default;
};

// Where the content lies in the dropped file and how its lines are written there.
struct ContentPlace {
  std::uint64_t offset = 0;
  std::uint64_t length = 0; // octets in the file, up to and without the final dot of BSMTP
  bool dot_stuffed = false; // BSMTP: each leading dot is doubled

  bool operator==(const ContentPlace&) const = default;
};

struct MessageFacts {
  std::uint64_t number = 0; // unique for this spool for ever; the journal's key
  std::string id;
  std::string name; // the drop's name; differs from id where the name was taken
  Digest digest{};
  Stamp stamp;
  ContentPlace content;
  std::uint64_t size = 0; // content octets in wire form, before dot-stuffing
  std::string message_id; // the header's, with angle brackets; empty: none
  bool eight_bit = false; // content has octets over 127
  Wall arrival_date;
  Envelope envelope;

  bool operator==(const MessageFacts&) const = default;
};

} // namespace bulkmail::spool
