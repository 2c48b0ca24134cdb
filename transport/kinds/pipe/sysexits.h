// What the exit status of a program that delivers mail means: the codes of BSD's sysexits.h, read as sendmail and its
// successors read them.
#pragma once

#include <string_view>

namespace bulkmail::transport::kinds {

struct ExitMeaning {
  std::string_view status; // RFC 3463; class 2: delivered
  std::string_view text;
};

// Of a code that stands for nothing: 5.3.0.
[[nodiscard]] ExitMeaning meaning_of_exit(int code);

} // namespace bulkmail::transport::kinds
