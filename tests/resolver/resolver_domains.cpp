#include "resolver/route.h"

#include <catch2/catch.hpp>
#include <fmt/format.h>

using namespace bulkmail::resolver;

namespace {

std::string canonical(std::string_view domain) {
  const auto found = canonical_domain(domain);
  return found ? *found : "! " + found.error();
}

} // namespace

TEST_CASE("a domain is brought to lower case without its final dot") {
  CHECK(canonical("Example.ORG") == "example.org");
  CHECK(canonical("example.org.") == "example.org");
  CHECK(canonical("_spf.my_host.example") == "_spf.my_host.example");
  CHECK(canonical("xn--bcher-kva.example") == "xn--bcher-kva.example");
}

TEST_CASE("a U-label domain is brought to A-labels, without transitional mapping") {
  CHECK(canonical("bücher.example") == "xn--bcher-kva.example");
  CHECK(canonical("BÜCHER.Example") == "xn--bcher-kva.example");
  CHECK(canonical("faß.de") == "xn--fa-hia.de");
  CHECK(canonical("例え.テスト") == "xn--r8jz45g.xn--zckzah");
  CHECK(canonical("bu\u0308cher.example") == "xn--bcher-kva.example"); // a combining diaeresis
  CHECK(canonical("bücher。example") == "xn--bcher-kva.example");      // an ideographic full stop
}

TEST_CASE(
    "labels over 63 and names over 253 octets, empty labels, NUL and strange octets have no canonical form") {
  CHECK(canonical(std::string(63, 'a') + ".example") == std::string(63, 'a') + ".example");
  CHECK(canonical(std::string(64, 'a') + ".example").starts_with("!"));
  std::string longest;
  for (int i = 0; i < 3; ++i) longest += std::string(63, 'a') + ".";
  CHECK(canonical(longest + std::string(61, 'b')) == longest + std::string(61, 'b'));
  CHECK(canonical(longest + std::string(61, 'b') + ".") == longest + std::string(61, 'b'));
  CHECK(canonical(longest + std::string(62, 'b')).starts_with("!"));
  CHECK(canonical(std::string(100'000, 'a')).starts_with("!"));
  std::string umlauts;
  for (int i = 0; i < 80; ++i) umlauts += "ü";
  CHECK(canonical(umlauts + ".example").starts_with("!"));
  CHECK(canonical(std::string_view("exam\0ple.org", 12)) == "! the domain has a NUL");
  for (const char* bad : {"",
                          ".",
                          "..",
                          ".example",
                          "a..example",
                          "example.org..",
                          "exam ple.org",
                          "ex@mple.org",
                          "a/b.example",
                          "a\nb.example",
                          "\xff\xfe.example",
                          "b\xc3.example",
                          "[",
                          "[]",
                          "[192.0.2.1",
                          "[1.2.3.4.5]",
                          "[2001:db8::1]",
                          "[IPv6:192.0.2.1]",
                          "[IPv6:]",
                          "[x400:abc]"}) {
    CAPTURE(bad);
    CHECK(canonical(bad).starts_with("! "));
  }
}

TEST_CASE("address literals come back normalised") {
  CHECK(canonical("[192.0.2.1]") == "[192.0.2.1]");
  CHECK(canonical("[ipv6:2001:DB8:0::1]") == "[IPv6:2001:db8::1]");
}
