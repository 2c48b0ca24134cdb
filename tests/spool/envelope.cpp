#include "spool/envelope.h"

#include <catch2/catch.hpp>
#include <fmt/format.h>

using namespace bulkmail::spool;

TEST_CASE("an envelope keeps its recipients in order, as they were written") {
  EnvelopeBuilder builder;
  builder.sender("list-bounces@example.org");
  CHECK(builder.recipient("Ann@D1.example"));
  CHECK(builder.recipient("\"b c\"@d2.example", {.given = true, .never = true}, "rfc822;b+20c@d2.example"));
  CHECK(builder.recipient("carl@[192.0.2.1]"));
  const Envelope envelope = builder.take();

  CHECK(envelope.sender() == "list-bounces@example.org");
  REQUIRE(envelope.size() == 3);
  CHECK(envelope.recipient(0).address == "Ann@D1.example");
  CHECK(envelope.recipient(0).local == "Ann");
  CHECK(envelope.recipient(0).domain == "D1.example");
  CHECK_FALSE(envelope.recipient(0).notify.given);
  CHECK(envelope.recipient(1).local == "\"b c\"");
  CHECK(envelope.recipient(1).notify.never);
  CHECK(envelope.recipient(1).orcpt == "rfc822;b+20c@d2.example");
  CHECK(envelope.recipient(2).domain == "[192.0.2.1]");
  CHECK(envelope.recipient(2).orcpt.empty());
  CHECK(envelope.memory() > 0);
}

TEST_CASE("a recipient named twice counts once: local part exact, domain without case") {
  EnvelopeBuilder builder;
  CHECK(builder.recipient("ann@d1.example"));
  CHECK_FALSE(builder.recipient("ann@d1.example"));
  CHECK_FALSE(builder.recipient("ann@D1.Example"));
  CHECK(builder.recipient("Ann@d1.example"));
  CHECK(builder.recipient("u@"));
  CHECK_FALSE(builder.recipient("u@"));
  CHECK(builder.recipient("U@")); // malformed: nothing is known of its domain
  CHECK(builder.take().size() == 4);
}

TEST_CASE("of many recipients each repetition is found, however the set of them grows") {
  constexpr int count = 5000;
  EnvelopeBuilder builder;
  for (int i = 0; i < count; ++i)
    REQUIRE(builder.recipient(fmt::format("user{}@domain{}.example", i, i % 97)));
  for (int i = 0; i < count; ++i)
    REQUIRE_FALSE(builder.recipient(fmt::format("user{}@DOMAIN{}.Example", i, i % 97)));
  const Envelope envelope = builder.take();
  REQUIRE(envelope.size() == count);
  CHECK(envelope.recipient(4321).address == fmt::format("user4321@domain{}.example", 4321 % 97));
  CHECK(builder.recipient("user1@domain1.example")); // begins anew
}

TEST_CASE("a malformed recipient is kept and marked") {
  EnvelopeBuilder builder;
  for (const char* address : {"@", "u@", "", "no-at", "u@[1.2.3]"}) CHECK(builder.recipient(address));
  CHECK(builder.recipient(std::string(100'000, 'x')));
  const Envelope envelope = builder.take();
  REQUIRE(envelope.size() == 6);
  for (std::size_t i = 0; i < envelope.size(); ++i) {
    CHECK(envelope.recipient(i).malformed);
    CHECK(envelope.recipient(i).domain.empty());
  }
  CHECK(envelope.recipient(5).address.size() == EnvelopeBuilder::max_address);
}

TEST_CASE("mail addresses as RFC 5321 has them") {
  const std::string local64(64, 'l');
  const std::string label(61, 'd');
  const std::string domain = label + "." + label + "." + label; // 185
  for (const std::string& address :
       {std::string("a@b"), std::string("a.b+c=d/e{f}@x-y.example"), std::string("_@a_b.example"),
        std::string("\"a b\"@c"), std::string("\"@\"@c"), std::string("\"<a>\"@c"),
        std::string("\"a\\\"b\\\\\"@c"), std::string("\"\"@c"), std::string("u@[192.0.2.1]"),
        std::string("u@[IPv6:2001:db8::1]"), std::string("u@[ipv6:::ffff:192.0.2.1]"),
        std::string("jörg@exämple.example"), std::string("用户@例え.jp"), local64 + "@b",
        local64 + "@" + domain + ".xyz", std::string("1@1.2.3")}) {
    INFO(address);
    CHECK(parse_mailbox(address) == address.rfind('@'));
  }
  CHECK(parse_mailbox("\"a@b\"@c") == 5U);
}

TEST_CASE("what is no mail address") {
  const std::string local65(65, 'l');
  const std::string label(62, 'd');
  const std::string domain = label + "." + label + "." + label + "." + label; // 251
  using namespace std::string_literals;
  for (const std::string& address : {""s,
                                     "@"s,
                                     "u@"s,
                                     "@d"s,
                                     "u"s,
                                     "u@d."s,
                                     "u@.d"s,
                                     "u@d..e"s,
                                     ".u@d"s,
                                     "u.@d"s,
                                     "u..v@d"s,
                                     "u v@d"s,
                                     "u@d e"s,
                                     "<u@d>"s,
                                     "u@d>"s,
                                     "u@@d"s,
                                     "u@d@e"s,
                                     "u@-d"s,
                                     "u@d-"s,
                                     "u@d-.e"s,
                                     "u@d/e"s,
                                     "\"u@d"s,
                                     "\"u\"v@d"s,
                                     "\"u\\\"@d"s,
                                     "\"a\nb\"@c"s,
                                     "\"a\0b\"@c"s,
                                     "u\n@d"s,
                                     "u\0@d"s,
                                     "u\r@d"s,
                                     "u\x7f@d"s,
                                     "u@["s,
                                     "u@[]"s,
                                     "u@[1.2.3]"s,
                                     "u@[1.2.3.256]"s,
                                     "u@[1.2.3.4"s,
                                     "u@[1.2.3.4]x"s,
                                     "u@[2001:db8::1]"s,
                                     "u@[IPv6:1.2.3.4]"s,
                                     "u@[IPv6:2001:zz]"s,
                                     "u@[tag:x]"s,
                                     "u@[1.2.3.4\0]"s,
                                     "u\xff@d"s,
                                     "u@d\xc3"s,
                                     "u\xc0\xaf@d"s,
                                     "u\xed\xa0\x80@d"s,
                                     local65 + "@d",
                                     "abcd@" + domain}) {
    INFO(address);
    CHECK_FALSE(parse_mailbox(address));
  }
}

TEST_CASE("with XVERP each recipient has its own sender") {
  EnvelopeBuilder builder;
  builder.sender("list-bounces@example.org");
  builder.envelope.verp.emplace();
  builder.recipient("ann@d1.example");
  builder.recipient("\"b c\"@d2.example");
  builder.recipient("carl@[192.0.2.1]");
  builder.recipient("bad@");
  const Envelope envelope = builder.take();
  CHECK(envelope.sender_for(0) == "list-bounces+ann=d1.example@example.org");
  CHECK(envelope.sender_for(1) == "\"list-bounces+b c=d2.example\"@example.org");
  CHECK(envelope.sender_for(2) == "\"list-bounces+carl=[192.0.2.1]\"@example.org");
  CHECK(envelope.sender_for(3) == "list-bounces@example.org");
}

TEST_CASE("XVERP may name its two characters; a quoted sender is quoted once") {
  EnvelopeBuilder builder;
  builder.sender("\"my list\"@example.org");
  builder.envelope.verp = Verp{'-', '%'};
  builder.recipient("\"a\\\"b\"@d");
  CHECK(builder.take().sender_for(0) == "\"my list-a\\\"b%d\"@example.org");
}

TEST_CASE("the null sender stays null, XVERP or not; without XVERP all have the one sender") {
  EnvelopeBuilder builder;
  builder.envelope.verp.emplace();
  builder.recipient("ann@d1.example");
  CHECK(builder.take().sender_for(0).empty());

  builder.sender("me@here.example");
  builder.recipient("ann@d1.example");
  CHECK(builder.take().sender_for(0) == "me@here.example");
}
