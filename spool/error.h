// What a blocking file operation can answer instead of its value.
#pragma once

#include <expected>
#include <string>

namespace bulkmail::spool {

// A failed operation: the errno, and a sentence fit for a log or a status file ("rename new/a cur/a: No space
// left on device").
struct Error {
  int code = 0;
  std::string text;
};

template <class T>
using Result = std::expected<T, Error>;

} // namespace bulkmail::spool
