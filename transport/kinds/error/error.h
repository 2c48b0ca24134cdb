// A refusal: each recipient fails with the status and the text that the route gives.
#pragma once

#include "transport/kinds/kind.h"

#include <array>

namespace bulkmail::transport::kinds {

[[nodiscard]] Kind::Made make_error(const Options& options);

inline constexpr std::array error_options{
    Option{"status", Option::Type::text, "status of class 5, \"5.7.1\"",
           "error: with which status a recipient fails; by default 5.1.2"},
    Option{"text", Option::Type::text, "text",
           "error: with which words a recipient fails; by default \"mail to this domain is not accepted\""}};
inline constexpr Kind error{.name = "error", .options = error_options, .make = make_error};

} // namespace bulkmail::transport::kinds
