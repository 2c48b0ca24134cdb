// Into a Maildir: a file of its own for each message, written in tmp/ and renamed to new/ when it is durable.
#pragma once

#include "transport/kinds/kind.h"

#include <array>

namespace bulkmail::transport::kinds {

[[nodiscard]] Kind::Made make_maildir(const Options& options);

inline constexpr std::array maildir_options{Option{
    "path", Option::Type::text, "path", "maildir: the folder; `{local}` and `{domain}` are the recipient's"}};
inline constexpr Kind maildir{.name = "maildir", .options = maildir_options, .make = make_maildir};

} // namespace bulkmail::transport::kinds
