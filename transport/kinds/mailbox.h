// A recipient's address in its two parts, and texts that name them.
#pragma once

#include "transport/kinds/delivery.h"

#include <string>
#include <string_view>

namespace bulkmail::transport::kinds {

struct Mailbox {
  std::string_view local, domain; // the domain may be empty
};

[[nodiscard]] Mailbox mailbox_of(const Letter& letter);
// `{sender}`, `{recipient}`, `{local}` and `{domain}` of a letter in their places; what is filled in is not looked at again.
[[nodiscard]] std::string fill_in(std::string_view form, const Letter& letter);
// The first `{name}` in a form that is none of those; empty: all are.
[[nodiscard]] std::string_view unknown_place(std::string_view form);

} // namespace bulkmail::transport::kinds
