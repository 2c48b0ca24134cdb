// The SMTP envelope of one message (RFC 5321 §2.3.1, RFC 3461 for the DSN parameters).
//
// All addresses live in one arena, a recipient costs its bytes plus 12; behind its address stand its merge fields, up to
// the next one's address. Immutable once built; views into it hold as long as it lives. It knows no socket and no file:
// drop formats build it (spool/drop), dialogs read it.
#pragma once

#include "spool/mailbox.h"
#include "spool/merge_fields.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace bulkmail::spool {

class ByteReader;

enum class Body : std::uint8_t { unspecified, seven_bit, eight_bit_mime, binary_mime };
enum class Ret : std::uint8_t { unspecified, full, headers };

// RFC 3461 §4.1 NOTIFY, a set.
struct Notify {
  bool given = false, never = false, success = false, failure = false, delay = false;

  bool operator==(const Notify&) const = default;
};

// XVERP: what stands before the recipient and for its @ when it is written into its own sender, as in
// Postfix.
struct Verp {
  char before_recipient = '+';
  char at_sign = '=';

  bool operator==(const Verp&) const = default;
};

// One recipient, as views into its envelope.
struct Recipient {
  std::string_view address; // as given, without angle brackets: "ann@d1.example"
  std::string_view local;   // "ann", quoted if it was
  std::string_view domain;  // "d1.example", "[192.0.2.1]"; empty if malformed
  std::string_view orcpt;   // RFC 3461 §4.2, as given (xtext): "rfc822;ann@d1.example"; empty: none
  Notify notify;
  bool malformed = false; // such an address fails alone, 5.1.3
};

class Envelope {
 public:
  [[nodiscard]] std::string_view sender() const { return sender_; } // "" is the null sender

  // What MAIL FROM carries for this recipient: the sender, or with XVERP its own.
  [[nodiscard]] std::string sender_for(std::size_t recipient) const;

  [[nodiscard]] std::size_t size() const { return slots_.size(); }

  [[nodiscard]] Recipient recipient(std::size_t index) const;

  // What XMERGE gave this recipient, by names of field_names().
  [[nodiscard]] MergeFields merge_fields(std::size_t index) const;

  [[nodiscard]] const FieldNames& field_names() const { return field_names_; }

  // Some recipient has NOTIFY or ORCPT.
  [[nodiscard]] bool has_dsn_parameters() const { return !extras_.empty(); }

  // Each recipient gets bytes of its own, so a transaction has one: another sender (XVERP) or another content (XMERGE).
  [[nodiscard]] bool one_by_one() const { return verp.has_value() || merge; }

  Body body = Body::unspecified;
  Ret ret = Ret::unspecified;
  bool smtp_utf8 = false;                     // RFC 6531
  bool require_tls = false;                   // RFC 8689
  std::optional<int> mt_priority;             // RFC 6710, -9 to 9
  std::optional<std::uint64_t> declared_size; // SIZE=, RFC 1870
  std::string envid;                          // RFC 3461 §4.4, as given (xtext); empty: none
  std::optional<Verp> verp;
  bool merge = false;   // XMERGE: the content is a template
  bool notices = false; // XDSN: where no NOTIFY is given, the sender is told of failures

  [[nodiscard]] std::size_t memory() const; // bytes held, for the log and the bounds

  // For those who keep many (spool/packed_facts.h): all of it as bytes, the sender and the number of recipients first.
  void pack(std::string& out) const;
  [[nodiscard]] static Envelope unpack(ByteReader& in);

  bool operator==(const Envelope&) const = default;

 private:
  friend class EnvelopeBuilder;

  struct Slot {
    std::uint32_t offset = 0;
    std::uint16_t length = 0;
    std::uint16_t local_length = 0; // == length: malformed

    bool operator==(const Slot&) const = default;
  };

  struct Extra { // rare: only recipients with NOTIFY or ORCPT have one; sorted by index
    std::uint32_t index = 0;
    Notify notify;
    std::string orcpt;

    bool operator==(const Extra&) const = default;
  };

  std::string sender_;
  std::string arena_;
  std::vector<Slot> slots_;
  std::vector<Extra> extras_;
  FieldNames field_names_;
};

// Collects an envelope and drops repeated recipients (local part exact, domain without case).
class EnvelopeBuilder {
 public:
  Envelope envelope; // set the plain fields here

  void sender(std::string_view address) { envelope.sender_ = address; }

  // False: named before, not added. A malformed address is added, marked so; of one over max_address the rest
  // is cut. The fields' names must be known by name_fields().
  bool recipient(std::string_view address, Notify notify = {}, std::string_view orcpt = {},
                 std::span<const MergeField> fields = {});
  [[nodiscard]] bool
  name_fields(std::span<const MergeField> fields); // false: more names than one message may have

  [[nodiscard]] std::size_t size() const { return envelope.size(); }

  [[nodiscard]] Envelope take();

  static constexpr std::size_t max_address = 0xffff; // what a slot can tell of

 private:
  // An open-addressed set of the recipients so far: 8 bytes a place, at most half of them taken, so that a
  // list of a million needs one block and hardly ever looks at an address to know it is new.
  struct Place {
    std::uint32_t hash = 0;
    std::uint32_t index = 0; // 1 + recipient; 0: free
  };

  [[nodiscard]] bool same(std::size_t index, std::string_view address, std::size_t local_length) const;
  [[nodiscard]] bool seen(std::string_view address, std::size_t local_length, std::uint32_t hash) const;
  void remember(std::uint32_t hash, std::uint32_t index);
  void grow();
  std::vector<Place> places_; // empty while so few that looking at each is cheaper
};

} // namespace bulkmail::spool
