// What a program or a file gets of content in wire form.
#include "transport/content/unix_form.h"

#include <catch2/catch.hpp>

TEST_CASE("lines end in LF, wherever the blocks are cut") {
  const std::string wire = ".dot\r\n\r\n..\r\ntext . more\r\nlast\r\n";
  const std::string expected = ".dot\n\n..\ntext . more\nlast\n";
  for (std::size_t size = 1; size <= wire.size(); ++size) {
    std::string out;
    for (std::size_t at = 0; at < wire.size(); at += size)
      out += bulkmail::transport::unix_form(std::string_view(wire).substr(at, size));
    INFO(size);
    CHECK(out == expected);
  }
}
