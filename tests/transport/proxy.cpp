#include "transport/proxy/proxy.h"

#include <catch2/catch.hpp>

using namespace bulkmail;
using namespace bulkmail::transport;
using resolver::Endpoint;
using resolver::IpAddress;

namespace {

using namespace std::string_literals;

Endpoint host(std::string_view text) { return *Endpoint::parse(text, 25); }

Proxy socks(std::string_view text = "socks5://127.0.0.1") { return Proxy::parse(text).value(); }

const std::string connect_to_four = "\x05\x01\x00\x01\xc0\x00\x02\x07\x00\x19"s;

// Hands a peer's replies over in pieces of that size; what is left is the mail host's.
std::string feed(ProxyDialog& dialog, std::string_view bytes, std::size_t piece) {
  std::string rest;
  for (; !bytes.empty(); bytes.remove_prefix(std::min(piece, bytes.size())))
    rest += dialog.receive(bytes.substr(0, piece));
  return rest;
}

} // namespace

TEST_CASE("a proxy is read from its URL; what is none is refused without repeating it") {
  CHECK(Proxy::parse("socks5://192.0.2.1")->at == host("192.0.2.1:1080"));
  CHECK(Proxy::parse("socks5://u:p:q@[::1]:99").value() ==
        Proxy{Proxy::Kind::socks5, host("[::1]:99"), "u", "p:q"});
  CHECK(Proxy::parse("haproxy://192.0.2.1:5000").value() ==
        Proxy{Proxy::Kind::haproxy, host("192.0.2.1:5000"), "", ""});
  for (const auto* text :
       {"", "192.0.2.1:1080", "http://192.0.2.1", "socks5://", "socks5://example.org", "haproxy://192.0.2.1",
        "haproxy://u:p@192.0.2.1:1", "socks5://u@192.0.2.1", "socks5://:p@192.0.2.1", "socks5://u:@192.0.2.1",
        "socks5://192.0.2.1:0", "socks5://u:secret@nowhere"}) {
    const auto proxy = Proxy::parse(text);
    REQUIRE_FALSE(proxy);
    CHECK(proxy.error().find("secret") == std::string::npos);
  }
}

TEST_CASE("SOCKS5 leads to the mail host, whose first octets are its own") {
  const std::size_t piece = GENERATE(1U, 2U, 3U, 100U);
  const std::string bound =
      GENERATE("\x01\x0a\x00\x00\x01\x12\x34"s, "\x04"s + std::string(16, 'x') + "\x12\x34"s,
               "\x03\x05proxy\x12\x34"s, "\x03\x00\x12\x34"s);
  ProxyDialog dialog(socks(), {}, host("192.0.2.7"));
  CHECK(dialog.take_output() == "\x05\x01\x00"s);
  CHECK(feed(dialog, "\x05\x00"s, piece) == "");
  CHECK(dialog.take_output() == connect_to_four);
  CHECK_FALSE(dialog.done());
  CHECK(feed(dialog, "\x05\x00\x00"s + bound + "220 mx", piece) == "220 mx");
  CHECK(dialog.done());
  CHECK(dialog.problem().empty());
  CHECK(dialog.take_output() == "");
}

TEST_CASE("SOCKS5 goes to IPv6 hosts, and tells user name and password where that is asked for") {
  ProxyDialog dialog(socks("socks5://ann:secret@127.0.0.1"), {}, host("[2001:db8::1]:26"));
  CHECK(dialog.take_output() == "\x05\x02\x00\x02"s);
  CHECK(dialog.receive("\x05\x02"s) == "");
  CHECK(dialog.take_output() == "\x01\x03"s + "ann\x06secret");
  CHECK(dialog.receive("\x01\x00"s) == "");
  CHECK(dialog.take_output() ==
        "\x05\x01\x00\x04\x20\x01\x0d\xb8"s + std::string(11, '\0') + "\x01\x00\x1a"s);
}

TEST_CASE("what a SOCKS5 proxy refuses is said") {
  struct Case {
    std::vector<std::string> replies;
    std::string problem;
  };

  const auto& [replies, problem] = GENERATE(values<Case>({
      {{"HTTP/1.1"}, "the proxy does not speak SOCKS5"},
      {{"\x05\xff"s}, "the proxy wants another way of authentication"},
      {{"\x05\x02"s, "\x01\x01"s}, "the proxy refuses user name and password"},
      {{"\x05\x00"s, "\x05\x05\x00\x01"s}, "the proxy says: connection refused"},
      {{"\x05\x00"s, "\x05\x04\x00\x01"s}, "the proxy says: host unreachable"},
      {{"\x05\x00"s, "\x05\x01\x00\x01"s}, "the proxy says: general failure"},
      {{"\x05\x00"s, "\x05\x63\x00\x01"s}, "the proxy says: unknown failure"},
      {{"\x05\x00"s, "\x05\x00\x00\x02"s}, "the proxy's reply has an address of an unknown kind"},
      {{"\x05\x00"s, "\x04\x00\x00\x01"s}, "the proxy does not speak SOCKS5"},
  }));
  ProxyDialog dialog(socks("socks5://u:p@127.0.0.1"), {}, host("192.0.2.7"));
  for (const auto& reply : replies) CHECK(dialog.receive(reply) == "");
  CHECK_FALSE(dialog.done());
  CHECK(dialog.problem() == problem);
  CHECK(dialog.receive("220 mx") == "");
}

TEST_CASE("PROXY tells from where and to where, and waits for nothing") {
  const Proxy proxy = *Proxy::parse("haproxy://127.0.0.1:5000");
  const std::string begin = "\r\n\r\n\0\r\nQUIT\n\x21"s;
  ProxyDialog four(proxy, IpAddress::parse("198.51.100.9"), host("192.0.2.7"));
  CHECK(four.done());
  CHECK(four.take_output() == begin + "\x11\x00\x0c\xc6\x33\x64\x09\xc0\x00\x02\x07\x00\x00\x00\x19"s);
  CHECK(four.receive("220 mx") == "220 mx");
  ProxyDialog six(proxy, IpAddress::parse("198.51.100.9"), host("[2001:db8::1]:25"));
  const std::string header = six.take_output();
  CHECK(header.substr(0, 16) == begin + "\x21\x00\x24"s);
  CHECK(header.size() == 16 + 36);
  CHECK(header.substr(16, 16) == std::string(16, '\0')); // an address of the other family can't be it
}
