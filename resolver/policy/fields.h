// The form that MTA-STS and TLSRPT records share: "v=STSv1; id=20261124T1;" (RFC 8461 §3.1, RFC 8460 §3).
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace bulkmail::resolver {

struct Field {
  std::string name, value;
};

[[nodiscard]] std::string_view trimmed(std::string_view text); // of blanks

// The fields behind `v=VERSION` of the one record that begins with it. None: there is no such record, or there are two, or it
// is malformed.
[[nodiscard]] std::optional<std::vector<Field>> the_record(std::span<const std::string> records,
                                                           std::string_view version);

} // namespace bulkmail::resolver
