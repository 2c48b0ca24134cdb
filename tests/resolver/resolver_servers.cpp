#include "fake_dns.h"

#include <catch2/catch.hpp>
#include <fmt/format.h>

using namespace bulkmail::resolver;
using namespace bulkmail::resolver::fake;

namespace {

using Packets = std::vector<std::string>;

const Endpoint first = endpoint("127.0.0.1:53");
const Endpoint second = endpoint("127.0.0.2:53");

Records one_host() {
  Records records;
  records.mx("d1.example", 10, "mx1.d1.example").address("mx1.d1.example", "192.0.2.1");
  return records;
}

const Records good = one_host();

bool is_delay(const RouteAnswer& answer) {
  return !answer && !answer.error().permanent && answer.error().status == "4.4.3";
}

// Answers the first server's packets with `bad`, the second server's as it should.
Server bad_first(std::function<Packets(const Sent&)> bad) {
  return [bad = std::move(bad)](const Sent& sent) {
    return sent.to == first ? bad(sent) : Packets{good.answer(sent.asked)};
  };
}

Action next(Resolver& resolver, Action::Kind kind) {
  while (auto action = resolver.next_action()) {
    if (action->kind == kind) return *action;
  }
  throw std::logic_error("no such action");
}

} // namespace

TEST_CASE(
    "SERVFAIL, REFUSED and other response codes lead to the next server, and from the last to a delay") {
  for (const unsigned code : {1U, 2U, 4U, 5U, 9U, 15U}) {
    CAPTURE(code);
    const auto bad = [code](const Sent& sent) { return Packets{Reply(sent.asked).rcode(code).bytes()}; };
    Driver helped(bad_first(bad), config({first, second}));
    CHECK(helped.route("d1.example"));
    Driver alone(bad, config({first, second}));
    const auto answer = alone.route("d1.example");
    CHECK(is_delay(answer));
    CHECK(answer.error().until == alone.now + 5s);
    CHECK(alone.asked("d1.example", Type::mx) <= 4);
  }
}

TEST_CASE("a silent server is followed by the next one after the time of a try") {
  Driver driver(bad_first([](const Sent&) { return Packets{}; }), config({first, second}));
  const auto begin = driver.now;
  CHECK(driver.route("d1.example"));
  CHECK(driver.now == begin + 4s); // the MX, and both addresses at once
  REQUIRE(driver.sent.size() == 6);
  CHECK(driver.sent[0].to == first);
  CHECK(driver.sent[1].to == second);
  CHECK(driver.sent[0].asked.packet.substr(0, 2) != driver.sent[1].asked.packet.substr(0, 2));
}

TEST_CASE(
    "all servers silent: so many tries as configured, then a delay, and never a bounce for a whole hour") {
  Driver driver([](const Sent&) { return Packets{}; }, config({first, second}));
  const auto begin = driver.now;
  while (driver.now < begin + 1h) {
    const auto asked = driver.sent.size();
    CHECK(is_delay(driver.route("d1.example")));
    CHECK(driver.sent.size() == asked + 4);
    CHECK(is_delay(driver.route("d1.example"))); // remembered
    CHECK(driver.sent.size() == asked + 4);
    driver.now += 5s;
  }
}

TEST_CASE("a server that is dead for long is passed over, and found again when it is back") {
  bool dead = true;
  Records many;
  for (int i = 0; i < 2000; ++i) many.address(fmt::format("d{}.example", i), "192.0.2.1");
  Driver driver(
      [&](const Sent& sent) {
        return dead && sent.to == first ? Packets{} : Packets{many.answer(sent.asked)};
      },
      config({first, second}));
  for (int i = 0; i < 20; ++i) CHECK(driver.route(fmt::format("d{}.example", i)));
  const auto begin = driver.now;
  for (int i = 100; i < 200; ++i) CHECK(driver.route(fmt::format("d{}.example", i)));
  CHECK(driver.now - begin < 10s);
  dead = false;
  driver.now += 1min;
  CHECK(driver.route("d300.example"));
  driver.sent.clear();
  CHECK(driver.route("d301.example"));
  CHECK(driver.sent.front().to == first);
}

TEST_CASE("a server that cannot be reached is left at once for another, and asked again only when the try's "
          "time is over") {
  SECTION("another server answers") {
    Driver driver(good, config({first, second}));
    driver.unreachable.insert(first);
    const auto begin = driver.now;
    CHECK(driver.route("d1.example"));
    CHECK(driver.now == begin);
  }
  SECTION("none can be reached") {
    Driver driver(good, config({first, second}));
    driver.unreachable = {first, second};
    const auto begin = driver.now;
    CHECK(is_delay(driver.route("d1.example")));
    CHECK(driver.sent.size() == 4);
    CHECK(driver.now > begin);
  }
  SECTION("the only server is restarted meanwhile") {
    Driver driver(good);
    driver.unreachable.insert(first);
    driver.resolver.want({"d1.example", 25}, driver.now);
    driver.act();
    driver.unreachable.clear();
    driver.run();
    CHECK(driver.resolver.next_route().value().second);
  }
}

TEST_CASE("no server at all delays") {
  Driver driver(good, config({}));
  CHECK(is_delay(driver.route("d1.example")));
}

TEST_CASE("a truncated answer is asked for again by TCP") {
  Driver driver([](const Sent& sent) {
    if (!sent.stream) return Packets{Reply(sent.asked).truncated().bytes()};
    return Packets{good.answer(sent.asked)};
  });
  CHECK(driver.route("d1.example"));
  CHECK(driver.sent[1].stream);
}

TEST_CASE("truncated, and TCP fails: a delay") {
  const auto truncated = [](const Sent& sent) {
    return sent.stream ? Packets{} : Packets{Reply(sent.asked).truncated().bytes()};
  };
  SECTION("silence") {
    Driver driver(truncated);
    CHECK(is_delay(driver.route("d1.example")));
  }
  SECTION("refused") {
    Resolver* resolver = nullptr;
    Driver driver([&](const Sent& sent) { return truncated(sent); });
    resolver = &driver.resolver;
    resolver->want({"d1.example", 25}, driver.now);
    const auto asked = next(*resolver, Action::Kind::send_datagram);
    resolver->datagram(asked.socket, first, Reply(Asked(asked.bytes)).truncated().bytes(), driver.now);
    const auto stream = next(*resolver, Action::Kind::open_stream);
    resolver->stream_closed(stream.socket, driver.now);
    CHECK(is_delay(resolver->next_route().value().second));
  }
  SECTION("truncated by TCP too, cut, or an answer to something else") {
    for (int what = 0; what < 3; ++what) {
      Driver driver([&](const Sent& sent) {
        if (!sent.stream) return truncated(sent);
        if (what == 0) return Packets{Reply(sent.asked).truncated().bytes()};
        if (what == 1) return Packets{good.answer(sent.asked).substr(0, 40)};
        return Packets{Reply(sent.asked).wrong_id().bytes()};
      });
      CHECK(is_delay(driver.route("d1.example")));
    }
  }
  SECTION("another server helps") {
    Driver driver(bad_first(truncated), config({first, second}));
    CHECK(driver.route("d1.example"));
  }
}

TEST_CASE("a lame server is followed by the next one, and alone it delays") {
  const std::vector<std::function<Packets(const Sent&)>> lame = {
      [](const Sent& sent) { return Packets{Reply(sent.asked).recursive(false).bytes()}; },
      [](const Sent& sent) {
        return Packets{Reply(sent.asked).recursive(false).ns("example", "ns.example").bytes()};
      },
      [](const Sent& sent) { return Packets{Reply(sent.asked).ns(".", "a.root-servers.net").bytes()}; },
  };
  for (const auto& server : lame) {
    Driver helped(bad_first(server), config({first, second}));
    CHECK(helped.route("d1.example"));
    Driver alone(server);
    CHECK(is_delay(alone.route("d1.example")));
  }
}

TEST_CASE("no data without an SOA counts when it comes from a server that resolves") {
  Driver driver([](const Sent& sent) {
    Reply reply(sent.asked);
    if (sent.asked.type == Type::a) reply.address("d1.example", 300, "192.0.2.1");
    return Packets{reply.bytes()};
  });
  CHECK(driver.route("d1.example")->implicit);
}

TEST_CASE("a server that does not know EDNS is asked once more without it") {
  for (const bool bare : {false, true}) {
    Driver driver([&](const Sent& sent) {
      if (!sent.asked.edns) return Packets{good.answer(sent.asked)};
      Reply reply(sent.asked);
      if (bare) reply.no_question();
      return Packets{reply.rcode(1).bytes()};
    });
    CHECK(driver.route("d1.example"));
    CHECK(driver.sent[0].asked.edns);
    CHECK_FALSE(driver.sent[1].asked.edns);
  }
}

TEST_CASE("what does not match the question in all of it is ignored, and waiting goes on") {
  Driver driver([](const Sent&) { return Packets{}; });
  Resolver& resolver = driver.resolver;
  resolver.want({"d1.example", 25}, driver.now);
  const auto action = next(resolver, Action::Kind::send_datagram);
  const Asked asked(action.bytes);
  const auto bogus = [&] { return Reply(asked).mx("d1.example", 300, 1, "evil.example"); };
  std::string other_case = asked.question;
  other_case[1] ^= 0x20;
  const std::vector<std::pair<Endpoint, std::string>> forged = {
      {second, bogus().bytes()},
      {endpoint("127.0.0.1:54"), bogus().bytes()},
      {first, bogus().wrong_id().bytes()},
      {first, bogus().not_a_response().bytes()},
      {first, bogus().question(other_case).bytes()},
      {first, bogus().question(wire_name("d2.example") + word(15) + word(1)).bytes()},
      {first,
       bogus().question(asked.question.substr(0, asked.question.size() - 4) + word(1) + word(1)).bytes()},
      {first, bogus().question(asked.question.substr(0, asked.question.size() - 2) + word(3)).bytes()},
      {first, bogus().no_question().bytes()},
      {first, ""},
      {first, "short"},
      {first, std::string(512, '\xff')},
  };
  for (const auto& [from, bytes] : forged) {
    resolver.datagram(action.socket, from, bytes, driver.now);
    CHECK(resolver.in_flight() == 1);
    CHECK_FALSE(resolver.next_action());
  }
  resolver.datagram(action.socket + 1, first, bogus().bytes(), driver.now);
  resolver.datagram(0, first, bogus().bytes(), driver.now);
  CHECK(resolver.stats().ignored == forged.size() + 2);
  resolver.datagram(action.socket, first, Reply(asked).mx("d1.example", 300, 10, "mx1.d1.example").bytes(),
                    driver.now);
  CHECK(resolver.stats().answers == 1);
  const auto address = Asked(next(resolver, Action::Kind::send_datagram).bytes);
  CHECK(address.name == "mx1.d1.example");
}

TEST_CASE("many answers that do not match: the question goes on by TCP") {
  Driver driver([](const Sent& sent) {
    if (sent.stream) return Packets{good.answer(sent.asked)};
    return Packets(50, Reply(sent.asked).wrong_id().bytes());
  });
  const auto begin = driver.now;
  CHECK(driver.route("d1.example"));
  CHECK(driver.now == begin);
  CHECK(driver.sent[1].stream);
}

TEST_CASE("a server that answers in lower case is asked by TCP, where nobody can forge") {
  Driver driver([](const Sent& sent) {
    Asked asked = sent.asked;
    asked.question = lower(asked.question);
    return Packets{good.answer(asked)};
  });
  CHECK(driver.route("d1.example"));
  CHECK_FALSE(driver.sent[0].stream);
  CHECK(driver.sent[1].stream);
}

TEST_CASE("ids, case and sockets are drawn anew for each try") {
  Driver driver([](const Sent&) { return Packets{}; });
  (void)driver.route("a-long-name-with-many-letters.example");
  REQUIRE(driver.sent.size() == 4);
  std::set<std::string> ids, names;
  for (const Sent& sent : driver.sent) {
    ids.insert(sent.asked.packet.substr(0, 2));
    names.insert(sent.asked.name_as_sent);
  }
  CHECK(ids.size() == 4);
  CHECK(names.size() == 4);
  CHECK(driver.used.size() == 4);
}

TEST_CASE("late and double answers change nothing, and every socket is closed once its question is done") {
  Records records = good;
  Driver driver([&](const Sent& sent) { return Packets(3, records.answer(sent.asked)); });
  CHECK(driver.route("d1.example"));
  CHECK(driver.open.empty());
  CHECK(driver.resolver.stats().ignored == 6);

  Driver slow([](const Sent&) { return Packets{}; });
  slow.resolver.want({"d1.example", 25}, slow.now);
  const auto asked = next(slow.resolver, Action::Kind::send_datagram);
  slow.now += 2s;
  slow.resolver.timeout(slow.now);
  slow.resolver.datagram(asked.socket, first, good.answer(Asked(asked.bytes)),
                         slow.now); // its socket is closed by now
  CHECK(slow.resolver.stats().answers == 0);
  CHECK(slow.resolver.in_flight() == 1);
}

TEST_CASE("broken packets from the right server lead to the next one, and from the last to a delay") {
  const std::vector<std::function<Packets(const Sent&)>> broken = {
      [](const Sent& sent) { return Packets{Reply(sent.asked).counted(9).bytes()}; },
      [](const Sent& sent) {
        return Packets{Reply(sent.asked).record(Reply::answer, "d1.example", 15, 300, "x").bytes()};
      },
      [](const Sent& sent) {
        return Packets{Reply(sent.asked).record(Reply::answer, "d1.example", 52, 300, "xyz").bytes()};
      },
      [](const Sent& sent) {
        return Packets{
            Reply(sent.asked).record(Reply::answer, "d1.example", 15, 300, word(10) + word(0xc0ff)).bytes()};
      },
  };
  for (const auto& server : broken) {
    Driver helped(bad_first(server), config({first, second}));
    CHECK(helped.route("d1.example"));
    Driver alone(server);
    CHECK(is_delay(alone.route("d1.example")));
  }
}

TEST_CASE("noise from the network never does more than delay") {
  SeededDice noise(3);
  for (int round = 0; round < 300; ++round) {
    Driver driver([&](const Sent& sent) {
      Packets packets;
      for (std::uint64_t i = noise.below(4); i > 0; --i) {
        std::string bytes = good.answer(sent.asked);
        for (std::uint64_t j = 1 + noise.below(4); j > 0; --j) {
          bytes[12 + noise.below(bytes.size() - 12)] = static_cast<char>(noise.next());
        }
        bytes.resize(noise.below(8) == 0 ? noise.below(bytes.size()) : bytes.size());
        packets.push_back(std::move(bytes));
      }
      return packets;
    });
    driver.dice = SeededDice(static_cast<std::uint64_t>(round));
    (void)driver.route("d1.example"); // throws if a socket stays open or no answer comes
  }
}
