#include "fake_dns.h"

#include <catch2/catch.hpp>
#include <fmt/format.h>

#include <ctime>
#include <unordered_map>

using namespace bulkmail;
using namespace bulkmail::resolver;
using namespace bulkmail::resolver::fake;

namespace {

Server ten_hosts() {
  return [](const Sent& sent) {
    Reply reply(sent.asked);
    if (sent.asked.type == Type::mx) {
      reply.mx(sent.asked.name, 300, 10,
               fmt::format("mx{}.host.example", std::hash<std::string>{}(sent.asked.name) % 10));
    } else if (sent.asked.type == Type::a) {
      reply.address(sent.asked.name, 300, "192.0.2.1");
    } else {
      reply.soa("example", 300, 300);
    }
    return std::vector{reply.bytes()};
  };
}

std::size_t take_routes(Resolver& resolver) {
  std::size_t usable = 0;
  while (auto found = resolver.next_route()) usable += found->second.has_value() ? 1 : 0;
  return usable;
}

} // namespace

TEST_CASE("ten thousand domains at once: one MX question each, however many ask, and hosts asked for once") {
  Driver driver(ten_hosts());
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < 10'000; ++i) driver.resolver.want({fmt::format("d{}.example", i), 25}, driver.now);
  }
  CHECK(driver.resolver.in_flight() == 10'000);
  driver.run();
  CHECK(take_routes(driver.resolver) == 10'000);
  CHECK(driver.sent.size() == 10'000 + 20);
  CHECK(driver.most_open <= 2000);
  CHECK(driver.open.empty());
  CHECK(driver.resolver.in_flight() == 0);
  CHECK(driver.resolver.stats().questions == 10'020);
}

TEST_CASE("a hundred thousand domains on dead servers: all are delayed, with two thousand sockets at most") {
  auto impatient = config();
  impatient.attempts = 1;
  Driver driver([](const Sent&) { return std::vector<std::string>{}; }, impatient);
  for (int i = 0; i < 100'000; ++i) driver.resolver.want({fmt::format("d{}.example", i), 25}, driver.now);
  driver.run();
  std::size_t delayed = 0;
  while (auto found = driver.resolver.next_route())
    delayed += !found->second && !found->second.error().permanent ? 1 : 0;
  CHECK(delayed == 100'000);
  CHECK(driver.most_open <= 2000);
  CHECK(driver.open.empty());
}

TEST_CASE("a hundred thousand domains without any server are answered without deep recursion") {
  Driver driver(ten_hosts(), config({}));
  for (int i = 0; i < 100'000; ++i) driver.resolver.want({fmt::format("d{}.example", i), 25}, driver.now);
  std::size_t answered = 0;
  while (driver.resolver.next_route()) ++answered;
  CHECK(answered == 100'000);
}

TEST_CASE("silent domains beside healthy ones hold nobody up") {
  const auto healthy = ten_hosts();
  Driver driver([&](const Sent& sent) {
    return sent.asked.name.starts_with("dead") ? std::vector<std::string>{} : healthy(sent);
  });
  for (int i = 0; i < 200; ++i) {
    driver.resolver.want({fmt::format("dead{}.example", i), 25}, driver.now);
    driver.resolver.want({fmt::format("d{}.example", i), 25}, driver.now);
  }
  driver.act(); // no time has passed
  CHECK(take_routes(driver.resolver) == 200);
  driver.run();
  CHECK(take_routes(driver.resolver) == 0);
  CHECK(driver.open.empty());
}

TEST_CASE("questions under way when time is lost, as in a suspended machine, are asked again and answered") {
  bool awake = false;
  const auto healthy = ten_hosts();
  Driver driver([&](const Sent& sent) { return awake ? healthy(sent) : std::vector<std::string>{}; });
  for (int i = 0; i < 500; ++i) driver.resolver.want({fmt::format("d{}.example", i), 25}, driver.now);
  driver.act();
  driver.now += 8h;
  awake = true;
  driver.resolver.timeout(driver.now);
  driver.act();
  CHECK(take_routes(driver.resolver) == 500);
  CHECK(driver.resolver.stats().timeouts == 500);
}

TEST_CASE("a domain costs little processor time", "[.bench]") {
  SeededDice dice;
  Resolver resolver(config(), dice);
  const auto server = ten_hosts();
  const Monotonic now{};
  constexpr int domains = 20'000;
  std::vector<std::string> names;
  for (int i = 0; i < domains; ++i) names.push_back(fmt::format("d{}.example", i));
  std::clock_t spent = 0;
  std::vector<Action> actions;
  for (int i = 0; i < domains; i += 1000) {
    auto begin = std::clock();
    for (int j = i; j < i + 1000; ++j) resolver.want({names[static_cast<std::size_t>(j)], 25}, now);
    spent += std::clock() - begin;
    for (bool any = true; any;) {
      begin = std::clock();
      actions.clear();
      while (auto action = resolver.next_action()) actions.push_back(*std::move(action));
      spent += std::clock() - begin;
      any = !actions.empty();
      std::vector<std::string> answers;
      for (const Action& action : actions) {
        const bool query = action.kind == Action::Kind::send_datagram;
        answers.push_back(query ? server({action.to, false, Asked(action.bytes)}).front() : "");
      }
      begin = std::clock();
      for (std::size_t k = 0; k < actions.size(); ++k) {
        if (!answers[k].empty()) resolver.datagram(actions[k].socket, actions[k].to, answers[k], now);
      }
      spent += std::clock() - begin;
    }
    begin = std::clock();
    REQUIRE(take_routes(resolver) == 1000);
    spent += std::clock() - begin;
  }
  const double each = 1e6 * static_cast<double>(spent) / CLOCKS_PER_SEC / domains;
  auto begin = std::clock();
  for (const auto& name : names) resolver.want({name, 25}, now);
  REQUIRE(take_routes(resolver) == domains);
  const double cached = 1e6 * static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC / domains;
  fmt::print("{:.1f} us a domain asked for, {:.1f} us a cached one\n", each, cached);
  CHECK(each < 20);
}
