// Plain questions for TXT records, which policies begin with.
#include "tests/resolver/fake_dns.h"

#include <catch2/catch.hpp>

using namespace bulkmail;
using namespace bulkmail::resolver;
using namespace bulkmail::resolver::fake;

namespace {

TxtAnswer txt(Driver& driver, const std::string& name) {
  driver.resolver.want_txt(name, driver.now);
  driver.run();
  auto found = driver.resolver.next_txt();
  REQUIRE(found);
  CHECK(found->first == name);
  CHECK_FALSE(driver.resolver.next_txt());
  return std::move(found->second);
}

const std::string name = "_mta-sts.d1.example";

} // namespace

TEST_CASE("TXT records come one text a record, for their TTL") {
  Records records;
  records.txt(name, "v=STSv1; id=1;").txt(name, "something else");
  Driver driver(records);
  const auto found = txt(driver, name);
  REQUIRE(found);
  CHECK(found->texts == std::vector<std::string>{"v=STSv1; id=1;", "something else"});
  CHECK(found->expires == driver.now + 300s);
  CHECK(txt(driver, name)->texts.size() == 2);
  CHECK(driver.asked(name, Type::txt) == 1);
  driver.now += 300s;
  CHECK(txt(driver, name));
  CHECK(driver.asked(name, Type::txt) == 2);
}

TEST_CASE("the strings of a TXT record are joined") {
  Driver driver([](const Sent& query) {
    return std::vector{
        Reply(query.asked)
            .record(Reply::answer, query.asked.name, 16, 60, std::string("\4v=ST\6Sv1; i\0\2d;", 16))
            .bytes()};
  });
  CHECK(txt(driver, name)->texts == std::vector<std::string>{"v=STSv1; id;"});
}

TEST_CASE("TXT records are followed along an alias") {
  Records records;
  records.cname(name, "policy.provider.example").txt("policy.provider.example", "v=STSv1; id=2;");
  Driver driver(records);
  CHECK(txt(driver, name)->texts == std::vector<std::string>{"v=STSv1; id=2;"});
}

TEST_CASE("that there is no TXT record is an answer, remembered as long as it says") {
  Records records;
  if (GENERATE(true, false)) records.names.insert(name);
  Driver driver(records);
  const auto found = txt(driver, name);
  REQUIRE(found);
  CHECK(found->texts.empty());
  CHECK(found->expires == driver.now + 60s);
  CHECK(txt(driver, name));
  CHECK(driver.sent.size() == 1);
}

TEST_CASE("a TXT question without an answer is doubt, for five seconds") {
  Records records;
  records.broken[name] = 2;
  Driver driver(records);
  const auto found = txt(driver, name);
  REQUIRE_FALSE(found);
  CHECK_THAT(found.error().text, Catch::Contains("SERVFAIL"));
  CHECK(found.error().until == driver.now + 5s);
}

TEST_CASE("TXT records that are malformed are doubt") {
  const auto data =
      GENERATE(std::string(), std::string("\5text"), std::string("\4text\1"), std::string("\xff"));
  Driver driver([&](const Sent& query) {
    return std::vector{Reply(query.asked).record(Reply::answer, query.asked.name, 16, 60, data).bytes()};
  });
  CHECK_FALSE(txt(driver, name));
}

TEST_CASE("one TXT question is asked however many want it, beside the route to the same name") {
  Records records;
  records.txt("d1.example", "text").address("d1.example", "192.0.2.1");
  Driver driver(records);
  for (int i = 0; i < 3; ++i) driver.resolver.want_txt("d1.example", driver.now);
  driver.resolver.want({"d1.example", 25}, driver.now);
  driver.run();
  CHECK(driver.asked("d1.example", Type::txt) == 1);
  CHECK(driver.resolver.next_txt());
  CHECK_FALSE(driver.resolver.next_txt());
  CHECK(driver.resolver.next_route());
}

TEST_CASE("what a name server piles up under a name is kept within bounds") {
  Driver driver([](const Sent& query) {
    if (!query.stream) return std::vector{Reply(query.asked).truncated().bytes()};
    Reply reply(query.asked);
    for (int i = 0; i < 200; ++i) reply.record(Reply::answer, query.asked.name, 16, 60, "\4text");
    return std::vector{reply.bytes()};
  });
  CHECK(txt(driver, name)->texts.size() == 64);
}
