#include "fake_dns.h"
#include "resolver/cache/cache.h"

#include <catch2/catch.hpp>
#include <fmt/format.h>

using namespace bulkmail;
using namespace bulkmail::resolver;
using namespace bulkmail::resolver::fake;

namespace {

// MX, A and AAAA with a TTL each; negative answers with another.
struct Ttls {
  unsigned mx = 300, a = 300, negative = 300, minimum = 100'000;
};

Driver with_ttls(const Ttls& ttls) {
  return Driver([&ttls](const Sent& sent) {
    Reply reply(sent.asked);
    if (sent.asked.name == "gone.example")
      return std::vector{reply.rcode(3).soa("example", ttls.negative, ttls.minimum).bytes()};
    if (sent.asked.type == Type::mx)
      reply.mx(sent.asked.name, ttls.mx, 10, "mx1.d1.example");
    else if (sent.asked.type == Type::a)
      reply.address(sent.asked.name, ttls.a, "192.0.2.1");
    else
      reply.soa("example", ttls.negative, ttls.minimum);
    return std::vector{reply.bytes()};
  });
}

std::shared_ptr<const Answer> lasting(std::chrono::seconds time) {
  auto answer = std::make_shared<Answer>();
  answer->kind = Answer::Kind::no_data;
  answer->expires = Monotonic{} + time;
  return answer;
}

} // namespace

TEST_CASE("an answer is used to the very second of its TTL, and not a moment longer") {
  const Ttls ttls{.mx = 300, .a = 200};
  auto driver = with_ttls(ttls);
  const auto begin = driver.now;
  CHECK(driver.route("d1.example")->expires == begin + 200s);
  driver.now = begin + 200s - 1ms;
  CHECK(driver.route("d1.example")->expires == begin + 200s);
  CHECK(driver.sent.size() == 3);
  driver.now = begin + 200s;
  CHECK(driver.route("d1.example")->expires == begin + 300s); // a new address, but still the old MX
  CHECK(driver.asked("mx1.d1.example", Type::a) == 2);
  CHECK(driver.asked("d1.example", Type::mx) == 1);
  driver.now = begin + 300s;
  CHECK(driver.route("d1.example")->expires == begin + 400s);
  CHECK(driver.asked("d1.example", Type::mx) == 2);
}

TEST_CASE("a huge TTL counts for a day") {
  const Ttls ttls{.mx = 0x7fffffff, .a = 0x7fffffff};
  auto driver = with_ttls(ttls);
  CHECK(driver.route("d1.example")->expires == driver.now + 24h);
}

TEST_CASE("a TTL of 0, or over 2^31, is for those who are asking just now") {
  for (const unsigned ttl : {0U, 0x80000000U}) {
    const Ttls ttls{.mx = ttl, .a = 300};
    auto driver = with_ttls(ttls);
    driver.resolver.want({"d1.example", 25}, driver.now);
    driver.resolver.want({"d1.example", 25}, driver.now);
    driver.run();
    CHECK(driver.resolver.next_route()->second->expires == driver.now + 1s);
    CHECK(driver.asked("d1.example", Type::mx) == 1);
    (void)driver.route("d1.example");
    CHECK(driver.asked("d1.example", Type::mx) == 2);
    CHECK(driver.asked("mx1.d1.example", Type::a) == 1);
  }
}

TEST_CASE("a route is never out of date when it comes, however long its questions took") {
  int silent = 2;
  Driver driver([&](const Sent& sent) {
    Reply reply(sent.asked);
    if (sent.asked.type == Type::mx)
      return std::vector{reply.mx(sent.asked.name, 1, 10, "mx1.d1.example").bytes()};
    if (silent-- > 0) return std::vector<std::string>{};
    return std::vector{
        reply.address(sent.asked.name, 300, sent.asked.type == Type::a ? "192.0.2.1" : "2001:db8::1")
            .bytes()};
  });
  const auto begin = driver.now;
  const auto route = driver.route("d1.example");
  CHECK(driver.now == begin + 2s);
  CHECK(route->expires == driver.now + 1s);
}

TEST_CASE("no such domain is remembered as long as its SOA says, but at most an hour") {
  for (const auto& [ttl, minimum, lasts] : std::vector<std::tuple<unsigned, unsigned, std::chrono::seconds>>{
           {300, 60, 60s}, {60, 300, 60s}, {100'000, 100'000, 3600s}, {0, 300, 1s}}) {
    const Ttls ttls{.negative = ttl, .minimum = minimum};
    auto driver = with_ttls(ttls);
    const auto begin = driver.now;
    CHECK(driver.route("gone.example").error().until == begin + lasts);
    driver.now = begin + lasts - 1ms;
    (void)driver.route("gone.example");
    CHECK(driver.sent.size() == (ttl == 0 ? 2 : 1));
    driver.now = begin + lasts;
    (void)driver.route("gone.example");
    CHECK(driver.sent.size() == (ttl == 0 ? 3 : 2));
  }
}

TEST_CASE("an SOA of another zone, or none, gives nothing to remember") {
  Driver driver([](const Sent& sent) {
    return std::vector{Reply(sent.asked).rcode(3).soa("other.example", 300, 300).bytes()};
  });
  CHECK(driver.route("gone.example").error().permanent);
  CHECK(driver.route("gone.example").error().until == driver.now + 1s);
  CHECK(driver.sent.size() == 2);
}

TEST_CASE("a missing IPv6 address does not shorten a route that has IPv4") {
  const Ttls ttls{.negative = 10};
  auto driver = with_ttls(ttls);
  CHECK(driver.route("d1.example")->expires == driver.now + 300s);
}

TEST_CASE("the shortest TTL of an alias chain counts") {
  Driver driver([](const Sent& sent) {
    if (sent.asked.type != Type::mx)
      return std::vector{
          Reply(sent.asked)
              .address(sent.asked.name, 300, sent.asked.type == Type::a ? "192.0.2.1" : "2001:db8::1")
              .bytes()};
    return std::vector{Reply(sent.asked)
                           .cname("d1.example", 7, "d2.example")
                           .mx("d2.example", 300, 10, "mx1.d1.example")
                           .bytes()};
  });
  CHECK(driver.route("d1.example")->expires == driver.now + 7s);
}

TEST_CASE("doubt is remembered for five seconds at most") {
  bool broken = true;
  Driver driver([&](const Sent& sent) {
    if (broken) return std::vector{Reply(sent.asked).rcode(2).bytes()};
    return std::vector{
        Reply(sent.asked)
            .address(sent.asked.name, 300, sent.asked.type == Type::aaaa ? "2001:db8::1" : "192.0.2.1")
            .soa("example", 1, 1)
            .bytes()};
  });
  const auto begin = driver.now;
  CHECK_FALSE(driver.route("d1.example"));
  broken = false;
  driver.now = begin + 4999ms;
  CHECK_FALSE(driver.route("d1.example"));
  driver.now = begin + 5s;
  CHECK(driver.route("d1.example"));
}

TEST_CASE("the cache holds no more than it may, and keeps what is in use") {
  constexpr std::size_t capacity = 100;
  Cache cache(capacity);
  const Question hot{"hot.example", Type::mx};
  cache.put(hot, lasting(1000s), Monotonic{});
  for (int i = 0; i < 10'000; ++i) {
    cache.put({fmt::format("d{}.example", i), Type::mx}, lasting(1000s), Monotonic{});
    REQUIRE(cache.size() <= capacity);
    REQUIRE(cache.find(hot, Monotonic{}) != nullptr);
  }
  CHECK(cache.size() == capacity);
  CHECK(cache.find({"d9999.example", Type::mx}, Monotonic{}) != nullptr);
  CHECK(cache.find({"d9999.example", Type::a}, Monotonic{}) == nullptr);
  CHECK(cache.find({"d0.example", Type::mx}, Monotonic{}) == nullptr);
}

TEST_CASE("what has expired is cleared for what is new, even if it was in use") {
  Cache cache(10);
  for (int i = 0; i < 10; ++i) {
    const Question question{fmt::format("d{}.example", i), Type::a};
    cache.put(question, lasting(i == 5 ? 10s : 1000s), Monotonic{});
    (void)cache.find(question, Monotonic{});
  }
  cache.put({"new.example", Type::a}, lasting(1000s), Monotonic{} + 10s);
  CHECK(cache.size() == 10);
  CHECK(cache.find({"d5.example", Type::a}, Monotonic{} + 9s) == nullptr);
}

TEST_CASE("a cache of no entries keeps nothing, and routes are found all the same") {
  Records records;
  records.address("d1.example", "192.0.2.1");
  auto without = config();
  without.cache_entries = 0;
  Driver driver(records, without);
  CHECK(driver.route("d1.example"));
  CHECK(driver.route("d1.example"));
  CHECK(driver.asked("d1.example", Type::mx) == 2);
}
