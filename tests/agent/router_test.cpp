// Which way a domain's mail goes: what is asked for it, and what comes of the answer.
#include "agent/queue/router.h"
#include "tests/agent/scheduler_fixture.h"

namespace bulkmail::agent::test {
namespace {

RouteRule rule(std::vector<std::string> match, std::string to = {}, std::string transport = "smtp") {
  RouteRule made;
  made.match = std::move(match);
  made.to = std::move(to);
  made.transport = std::move(transport);
  REQUIRE(judge_route(made).empty());
  return made;
}

// The question that a domain leads to: "mx1.example MX", "[192.0.2.1]"; "": none.
std::string asked(Router& router, const std::string& domain) {
  router.want(domain);
  const auto target = router.next_question();
  if (!target) return {};
  return target->domain + (target->host ? "" : " MX");
}

Way way_to(Router& router, const std::string& domain) {
  router.want(domain);
  while (const auto target = router.next_question())
    router.answered(*target, make_route(target->domain, target->domain, Monotonic{} + 1h));
  auto way = router.next_way();
  REQUIRE(way);
  CHECK(way->first == domain);
  REQUIRE(way->second);
  return *way->second;
}

} // namespace

TEST_CASE("the first entry that matches a domain decides where its mail goes", "[router]") {
  const std::vector rules{rule({"a.example", ".example"}, "[relay.net]:587"), rule({"b.example"}, "mx.net"),
                          rule({"*"}, "[192.0.2.7]:2525"), rule({"never.net"}, "mx.net")};
  Router router(rules, {});
  CHECK(asked(router, "a.example") == "relay.net");
  CHECK(asked(router, "deep.b.org") == "[192.0.2.7]");
  CHECK(asked(router, "never.net").empty()); // the same question, already asked
  Router other(rules, {});
  CHECK(asked(other, "b.example") == "relay.net"); // ".example" comes before
  CHECK(asked(other, "example") == "[192.0.2.7]"); // not below itself
}

TEST_CASE("a domain that no entry matches goes by its own MX on the usual terms", "[router]") {
  Terms usual;
  usual.port = 2525;
  Router router(std::vector{rule({"a.example"}, "mx.net")}, usual);
  CHECK(asked(router, "a.example") == "mx.net MX");
  CHECK(asked(router, "b.example") == "b.example MX");
  Router fresh({}, usual);
  const Way way = way_to(fresh, "b.example");
  CHECK(way.terms->port == 2525);
  CHECK(way.terms->key == agreed(usual)->key);
}

TEST_CASE("a way has the domain's name and the entry's terms", "[router]") {
  auto relay = rule({"a.example"}, "[relay.net]");
  relay.to = "[relay.net]:465";
  relay.username = "u";
  relay.password_file = "/x";
  relay.password = "secret";
  const std::vector rules{relay, rule({"b.example"}, "[192.0.2.1]"),
                          rule({"c.example"}, "[store.net]", "lmtp")};
  Router router(rules, {});
  const Way a = way_to(router, "a.example");
  CHECK(a.domain == "a.example");
  CHECK(a.site == "10 relay.net");
  CHECK(a.terms->port == 465);
  CHECK(a.terms->implicit_tls);
  REQUIRE(a.terms->credentials);
  CHECK(a.terms->credentials->password == "secret");
  const Way b = way_to(router, "b.example");
  CHECK(b.terms->port == 25);
  CHECK_FALSE(b.terms->credentials);
  CHECK_FALSE(b.terms->implicit_tls);
  const Way c = way_to(router, "c.example");
  CHECK(c.terms->port == 24);
  CHECK(c.terms->sessions == Terms::Sessions::lmtp);
}

TEST_CASE("a transport that is no mail host is a site of its own, and nothing is asked", "[router]") {
  auto pipe = rule({"*"});
  pipe.transport = "pipe";
  pipe.options["command"] = std::vector<std::string>{"/usr/bin/x"};
  REQUIRE(judge_route(pipe).empty());
  const std::vector rules{rule({"d.example"}, "", "discard"), rule({"s.example"}, "unix:/run/lmtp", "lmtp"),
                          pipe};
  Router router(rules, {});
  const Way discard = way_to(router, "d.example");
  CHECK(discard.site == "discard");
  CHECK(discard.terms->delivery);
  const Way socket = way_to(router, "s.example");
  CHECK(socket.site == "unix:/run/lmtp");
  CHECK(socket.terms->socket == "/run/lmtp");
  CHECK(socket.terms->tls == transport::TlsLevel::off);
  const Way first = way_to(router, "e.example"), second = way_to(router, "f.example");
  CHECK(first.site == "pipe:/usr/bin/x");
  CHECK(first.site_key == second.site_key);
  CHECK(first.site_key != discard.site_key);
}

TEST_CASE("one question serves all domains that go to one relay", "[router]") {
  Router router(std::vector{rule({"*"}, "[relay.net]")}, {});
  for (int i = 0; i < 100; ++i) router.want(fmt::format("d{}.example", i));
  const auto target = router.next_question();
  REQUIRE(target);
  CHECK_FALSE(router.next_question());
  CHECK_FALSE(router.next_way());
  router.answered(*target, make_route("relay.net", "relay.net", Monotonic{} + 1h));
  std::vector<std::string> found;
  while (auto way = router.next_way()) {
    REQUIRE(way->second);
    CHECK(way->second->domain == way->first);
    CHECK(way->second->hosts.front().name == "relay.net");
    found.push_back(way->first);
  }
  CHECK(found.size() == 100);
  CHECK_FALSE(router.next_way());
}

TEST_CASE("a route that leads nowhere delays: it is whoever wrote it who has to mend it", "[router]") {
  Router router(std::vector{rule({"a.example"}, "[mistyped.net]")}, {});
  for (const std::string domain : {"a.example", "b.example"}) {
    router.want(domain);
    const auto target = router.next_question();
    router.answered(*target,
                    std::unexpected(resolver::RouteFailure{true, "5.1.2", "no such domain", false, {}}));
    const auto way = router.next_way();
    REQUIRE(way);
    REQUIRE_FALSE(way->second);
    const auto& failure = way->second.error();
    CHECK(failure.permanent == (domain == "b.example")); // its own MX
    CHECK(failure.status == (domain == "b.example" ? "5.1.2" : "4.4.4"));
    if (domain == "a.example") CHECK(failure.text == "route to mistyped.net: no such domain");
  }
}

TEST_CASE("an answer that comes after the rules have changed is not used for what they lead elsewhere",
          "[router]") {
  Router router(std::vector{rule({"a.example"}, "[old.net]")}, {});
  router.want("a.example");
  router.want("b.example");
  const auto old = router.next_question();
  const auto own = router.next_question();
  router.set_rules(std::vector{rule({"a.example"}, "[new.net]"), rule({"b.example"}, "", "discard")}, {});
  router.answered(*old, make_route("old.net", "old.net", Monotonic{} + 1h));
  router.answered(*own, make_route("b.example", "mx.b.example", Monotonic{} + 1h));
  const auto local = router.next_way();
  REQUIRE(local);
  CHECK(local->first == "b.example");
  CHECK(local->second->site == "discard");
  CHECK_FALSE(router.next_way());
  const auto fresh = router.next_question();
  REQUIRE(fresh);
  CHECK(fresh->domain == "new.net");
}

TEST_CASE("new rules hold for mail that waits, whatever the time to live of its route", "[router]") {
  Fixture f;
  f.add({"a@a.mx", "b@a.mx"});
  f.route_all(24h);
  const Work first = f.the_work();
  f.scheduler.reroute(f.now);
  f.add({"c@a.mx"});
  f.scheduler.session_established(first.session, f.now);
  f.scheduler.settle(first.attempt, std::vector{done, delayed(f.now + 1s)}, f.now);
  f.scheduler.session_free(first.session, f.now);
  f.now += 2s;
  CHECK(f.all_work().empty()); // the way is asked for again
  const auto wanted = f.scheduler.next_wanted();
  REQUIRE(wanted == "a.mx");
  f.scheduler.route_found("a.mx", make_route("a.mx", "other", f.now + 24h), f.now);
  std::size_t sent = 0;
  while (const auto work = f.work()) {
    if (work->kind == Work::Kind::close) continue;
    CHECK(work->way->site == "10 other");
    sent += work->recipients.size();
    f.scheduler.session_established(work->session, f.now);
    f.scheduler.settle(work->attempt, std::vector{done}, f.now);
    f.scheduler.session_free(work->session, f.now);
  }
  CHECK(sent == 2);
}

} // namespace bulkmail::agent::test
