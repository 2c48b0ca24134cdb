#include "tests/world/content_reader.h"

#include <catch2/catch.hpp>

using bulkmail::world::ContentReader;

namespace {

// Feeds the bytes in pieces and returns what the reader made of them; what follows the end is in `left`.
std::string read_in_pieces(const std::string& bytes, std::size_t piece, std::string* left = nullptr) {
  ContentReader reader({.digest = true, .text = true});
  reader.begin();
  std::string buffer;
  std::size_t fed = 0;
  while (!reader.done() && fed < bytes.size()) {
    const auto count = std::min(piece, bytes.size() - fed);
    buffer += bytes.substr(fed, count);
    fed += count;
    buffer.erase(0, reader.take(buffer));
  }
  if (left) *left = buffer + bytes.substr(fed);
  return reader.done() ? reader.text() : "<not done>";
}

} // namespace

TEST_CASE("content is the same however the bytes arrive") {
  const std::string wire =
      "a\r\n..b\r\n" + std::string(20000, 'x') + "\r\n." + std::string(9000, '.') + "\r\n\r\n.\r\nNOOP\r\n";
  const std::string content =
      "a\r\n.b\r\n" + std::string(20000, 'x') + "\r\n" + std::string(9000, '.') + "\r\n\r\n";
  for (const std::size_t piece : {1U, 2U, 3U, 7U, 4096U, 100000U}) {
    std::string left;
    CHECK(read_in_pieces(wire, piece, &left) == content);
    CHECK(left == "NOOP\r\n");
  }
}

TEST_CASE("only CRLF . CRLF ends the content") {
  for (const std::string end :
       {"\n.\n", "\n.\r\n", "\r\n.\n", "\r.\r", "\r\n.\r", "\r.\r\n", "\r\n.\r\r\n", "\r\n.\0\r\n"})
    for (const std::size_t piece : {1U, 100U})
      CHECK(read_in_pieces("a" + end + "b\r\n", piece) == "<not done>");
  CHECK(read_in_pieces(".\r\n", 1) == "");
}
