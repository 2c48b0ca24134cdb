// A DKIM-Signature field (RFC 6376 §3.5, §3.7): what it says and over what it is made.
#pragma once

#include "spool/message.h"
#include "spool/time.h"
#include "transport/content/dkim/canonical.h"
#include "transport/content/dkim/key.h"
#include "transport/content/dkim/signed_fields.h"

#include <chrono>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace bulkmail::transport {

// Who signs, and how.
struct DkimIdentity {
  std::string domain, selector; // d=, s=: A-labels
  DkimKey key;
  Canonical header = Canonical::relaxed, body = Canonical::relaxed;
  std::vector<std::string> fields; // to be signed, each once more than it is there; empty: the usual ones
  std::optional<std::chrono::seconds> expire; // x= is so long after t=
};

// The whole field, folded, with its CRLF: it stands before the message's first field. `header` is in wire form, up to and
// with its empty line, `body_hash` of the body in the identity's canonical form.
[[nodiscard]] std::expected<std::string, std::string> dkim_signature(const DkimIdentity& identity,
                                                                     std::string_view header,
                                                                     const spool::Digest& body_hash,
                                                                     Wall now);

// The domain of the first address of a From field's value (RFC 5322 §3.6.2), in canonical form; "" if there is none.
[[nodiscard]] std::string author_domain(std::string_view value);

} // namespace bulkmail::transport
