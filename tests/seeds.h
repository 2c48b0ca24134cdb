// The seeds of tests with a virtual world: environment variables say which, and how many.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <string>

namespace bulkmail::test {

inline std::uint64_t number_from(const char* variable, std::uint64_t otherwise) {
  const char* text = std::getenv(variable);
  return text == nullptr ? otherwise : std::stoull(text);
}

} // namespace bulkmail::test
