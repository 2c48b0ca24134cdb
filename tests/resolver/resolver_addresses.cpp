#include "resolver/address.h"
#include "resolver/resolver.h"

#include <catch2/catch.hpp>

using namespace bulkmail::resolver;

TEST_CASE("addresses are read strictly and printed in their shortest form") {
  CHECK(IpAddress::parse("192.0.2.1").value().to_string() == "192.0.2.1");
  CHECK(IpAddress::parse("2001:DB8:0:0:0:0:0:1").value().to_string() == "2001:db8::1");
  CHECK(IpAddress::parse("::ffff:192.0.2.1").value().family == IpAddress::Family::v6);
  for (const char* bad :
       {"", "192.0.2", "192.0.2.256", "192.0.2.01x", "1", "[::1]", "::1%lo", "1.2.3.4 ", ":::"}) {
    CAPTURE(bad);
    CHECK_FALSE(IpAddress::parse(bad));
  }
  CHECK_FALSE(IpAddress::parse(std::string_view("192.0.2.1\0", 10)));
  CHECK_FALSE(IpAddress::parse(std::string(500, '1')));
}

TEST_CASE("private, loopback, link-local and embedded addresses are told from public ones") {
  for (const char* address : {"0.0.0.0",
                              "0.1.2.3",
                              "10.0.0.1",
                              "10.255.255.255",
                              "100.64.0.1",
                              "100.127.255.255",
                              "127.0.0.1",
                              "127.9.9.9",
                              "169.254.169.254",
                              "172.16.0.1",
                              "172.31.255.255",
                              "192.0.0.1",
                              "192.168.1.1",
                              "224.0.0.1",
                              "240.0.0.1",
                              "255.255.255.255",
                              "::",
                              "::1",
                              "::192.0.2.1",
                              "::ffff:127.0.0.1",
                              "::ffff:192.0.2.1",
                              "64:ff9b::10.0.0.1",
                              "64:ff9b::127.0.0.1",
                              "64:ff9b:1::1",
                              "2002:7f00:1::",
                              "2002:a00:1::1",
                              "fc00::1",
                              "fdff::1",
                              "fe80::1",
                              "febf::1",
                              "fec0::1",
                              "ff02::1",
                              "100::1"}) {
    CAPTURE(address);
    CHECK(IpAddress::parse(address).value().is_private());
  }
  for (const char* address :
       {"1.1.1.1",     "9.255.255.255",      "11.0.0.0",         "100.63.0.1",      "100.128.0.1",
        "126.0.0.1",   "128.0.0.1",          "172.15.0.1",       "172.32.0.1",      "192.0.2.1",
        "192.167.0.1", "192.169.0.1",        "198.51.100.1",     "223.255.255.255", "2001:db8::1",
        "2a00::1",     "64:ff9b::192.0.2.1", "2002:c000:201::1", "fe00::1",         "101::1"}) {
    CAPTURE(address);
    CHECK_FALSE(IpAddress::parse(address).value().is_private());
  }
  CHECK(IpAddress::parse("127.1.2.3")->is_loopback());
  CHECK(IpAddress::parse("::1")->is_loopback());
  CHECK_FALSE(IpAddress::parse("10.0.0.1")->is_loopback());
  CHECK_FALSE(IpAddress::parse("::2")->is_loopback());
}

TEST_CASE("endpoints are read with and without port and brackets") {
  const auto shown = [](std::string_view text) {
    const auto found = Endpoint::parse(text, 53);
    return found ? found->to_string() : "none";
  };
  CHECK(shown("127.0.0.1") == "127.0.0.1:53");
  CHECK(shown("127.0.0.1:5353") == "127.0.0.1:5353");
  CHECK(shown("::1") == "[::1]:53");
  CHECK(shown("[::1]") == "[::1]:53");
  CHECK(shown("[2001:db8::1]:25") == "[2001:db8::1]:25");
  for (const char* bad : {"", "127.0.0.1:", "127.0.0.1:0", "127.0.0.1:65536", "127.0.0.1:x", "[::1", "[::1]x",
                          "[::1]:", "[127.0.0.1]:25", "host:25", "127.0.0.1:25 "}) {
    CAPTURE(bad);
    CHECK(shown(bad) == "none");
  }
}

TEST_CASE("resolv.conf gives its name servers; what it says besides is passed over") {
  const auto found = parse_resolv_conf("# a comment\n"
                                       "search example.org\n"
                                       "nameserver 192.0.2.53\r\n"
                                       "  nameserver\t2001:db8::53 ; the other one\n"
                                       "nameserver fe80::1%eth0\n"
                                       "nameserver\n"
                                       "options edns0 trust-ad\n"
                                       "garbage\n"
                                       "nameserver 127.0.0.1");
  REQUIRE(found.servers.size() == 3);
  CHECK(found.servers[0].to_string() == "192.0.2.53:53");
  CHECK(found.servers[1].to_string() == "[2001:db8::53]:53");
  CHECK(found.servers[2].to_string() == "127.0.0.1:53");
  CHECK(found.trust_ad);
}

TEST_CASE("without a name server in resolv.conf the local host is asked") {
  const auto found = parse_resolv_conf("search example.org\n");
  REQUIRE(found.servers.size() == 1);
  CHECK(found.servers[0].to_string() == "127.0.0.1:53");
  CHECK_FALSE(found.trust_ad);
}
