// A whole file as text, for tests; one that can't be read ends the test.
#pragma once

#include <catch2/catch.hpp>

#include <fstream>
#include <sstream>
#include <string>

namespace bulkmail::test {

inline std::string read_text(const std::string& path) {
  std::ifstream file(path);
  REQUIRE(file);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

} // namespace bulkmail::test
