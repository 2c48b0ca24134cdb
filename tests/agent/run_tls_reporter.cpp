// Who is told how TLS went, when, and how often: over days, restarts, and name servers and web servers that fail.
#include "agent/report/https_url.h"
#include "agent/report/tls_record.h"
#include "agent/run/state_file.h"
#include "agent/run/tls_reporter.h"
#include "spool/layout.h"
#include "tests/resolver/fake_dns.h"
#include "tests/simulation/bare_machine.h"
#include "tests/simulation/memory_disk.h"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

using namespace bulkmail;
using namespace bulkmail::agent;
using namespace std::chrono_literals;
using simulation::MemoryDisk;

namespace {

constexpr Day monday{std::chrono::year(2026) / 11 / 23};
constexpr std::chrono::days one_day{1};
const PublishedPolicy no_policy{};
const TlsFailure no_starttls{TlsResult::starttls_not_supported, "mx.d1.example", "192.0.2.7", "", ""};

struct TestClock : Clock {
  Now now() override { return time; }

  Now time{Monotonic(1000h), monday + 12h};
};

struct PoolAtOnce : Pool {
  void run(std::function<void()> work, std::function<void()> done) override {
    work();
    done();
  }
};

struct SilentLog : Log {
  [[nodiscard]] bool wants(Level) const override { return false; }

  [[nodiscard]] bool json() const override { return false; }

  void write(Level, std::string_view) override {}
};

// A name server that answers when it is asked to.
struct NameServer : Network {
  struct Socket : Datagram {};

  std::unique_ptr<Channel> connect(const resolver::Endpoint&, const std::optional<resolver::IpAddress>&,
                                   Channel::Handler&) override {
    return nullptr;
  }

  std::unique_ptr<Datagram> send(const resolver::Endpoint& to, std::string_view bytes,
                                 Datagram::Handler& handler) override {
    const resolver::fake::Asked asked{std::string(bytes)};
    names.push_back(asked.name);
    answers.emplace_back([this, to, asked, &handler] { handler.received(to, records.answer(asked)); });
    return std::make_unique<Socket>();
  }

  resolver::fake::Records records;
  std::vector<std::string> names; // that were asked for
  std::vector<std::function<void()>> answers;
};

struct WebServer : Https {
  void send(HttpsRequest request, std::function<void(HttpsAnswer)> done) override {
    requests.push_back(std::move(request));
    if (works)
      done("");
    else
      done(std::unexpected("503 of that host"));
  }

  std::vector<HttpsRequest> requests;
  bool works = true;
};

struct Rig {
  Rig() {
    REQUIRE(spool::make_spool_layout(disk));
    REQUIRE(disk.make_directory("reports", 0755));
    config.hostname = "relay.example";
    config.tlsrpt.report = true;
    asks("d1.example", "mailto:tls@d1.example");
    start();
  }

  void asks(const std::string& domain, const std::string& rua) {
    dns.records.txt("_smtp._tls." + domain, "v=TLSRPTv1; rua=" + rua);
  }

  void start() {
    reporter.reset();
    dropped.clear();
    dns.answers.clear();
    reporter = std::make_unique<TlsReporter>(Seams{clock, pool, dns, machine, web, log}, disk, dice, timers,
                                             config, resolver::fake::config(),
                                             [this](const std::string& name) { dropped.push_back(name); });
    REQUIRE(reporter->recover());
  }

  void turn() {
    do {
      static_cast<void>(reporter->turn());
      for (const auto& answer : std::exchange(dns.answers, {})) answer();
    } while (reporter->turn() || !dns.answers.empty());
  }

  void count(const std::string& domain, const std::optional<TlsFailure>& failure = {}) {
    TlsDays days;
    days[std::chrono::floor<std::chrono::days>(clock.time.wall)].count(domain, no_policy, failure);
    reporter->count(days);
    turn();
    check();
  }

  void check() {
    reporter->check();
    turn();
  }

  void go_to(Wall when) {
    clock.time.mono += when - clock.time.wall;
    clock.time.wall = when;
    timers.advance(clock.time.mono);
  }

  std::string state(Day day) { return read_state(disk, tls_record_file(day), 1 << 20)->value_or("none"); }

  std::string drop(const std::string& name) {
    return read_state(disk, "new/" + name, 1 << 20)->value_or("none");
  }

  MemoryDisk disk;
  TestClock clock;
  PoolAtOnce pool;
  NameServer dns;
  simulation::BareMachine machine;
  WebServer web;
  SilentLog log;
  Timers timers;
  test::SeededDice dice{1};
  Config config;
  std::vector<std::string> dropped;
  std::unique_ptr<TlsReporter> reporter;
};

const std::string mail_of_monday = "tlsrpt.d1.example.2026-11-23";

} // namespace

TEST_CASE("a domain that asks is told of a day once it is over, and once only") {
  Rig rig;
  rig.count("d1.example");
  rig.count("d1.example", no_starttls);
  rig.go_to(monday + one_day + 4min);
  rig.check();
  CHECK(rig.dropped.empty());
  rig.go_to(monday + one_day + 4h);
  rig.check();
  REQUIRE(rig.dropped == std::vector{mail_of_monday});
  CHECK(
      rig.drop(mail_of_monday).find("\r\nSessions with TLS as it should be: 1\r\nSessions without: 1\r\n") !=
      std::string::npos);
  rig.check();
  rig.go_to(monday + one_day + 20h);
  rig.check();
  CHECK(rig.dropped.size() == 1);
  CHECK(rig.state(monday) == "none");
  CHECK(rig.reporter->quiet());
}

TEST_CASE("a report goes out at its domain's own time, not before") {
  Rig rig;
  rig.count("d1.example");
  const Wall due = tls_report_due(monday, "d1.example", "relay.example");
  rig.go_to(due - 1ms);
  rig.check();
  CHECK(rig.dropped.empty());
  rig.go_to(due);
  rig.check();
  CHECK(rig.dropped.size() == 1);
}

TEST_CASE("what nobody asks for is not kept, and asked about once a day") {
  Rig rig;
  rig.count("d2.example");
  CHECK(rig.state(monday) == "none");
  rig.count("d2.example");
  rig.count("d2.example");
  CHECK(std::ranges::count(rig.dns.names, "_smtp._tls.d2.example") == 1);
  rig.go_to(monday + one_day + 12h);
  rig.count("d2.example");
  CHECK(rig.dropped.empty());
}

TEST_CASE("a day's counts outlive a restart, and so does what was sent of it") {
  Rig rig;
  rig.count("d1.example");
  rig.start();
  rig.count("d1.example");
  rig.reporter->close({});
  rig.start();
  rig.go_to(monday + one_day + 5h);
  rig.check();
  REQUIRE(rig.dropped == std::vector{mail_of_monday});
  CHECK(rig.drop(mail_of_monday).find("as it should be: 2\r\n") != std::string::npos);
  rig.start();
  rig.check();
  CHECK(rig.dropped.empty());
}

TEST_CASE("what was counted last is kept when the agent stops") {
  Rig rig;
  TlsDays last;
  last[monday].count("d1.example", no_policy);
  rig.reporter->close(last);
  CHECK(rig.reporter->idle());
  CHECK(rig.state(monday).find("d1.example") != std::string::npos);
}

TEST_CASE("days don't mix: sessions after midnight are the next day's") {
  Rig rig;
  rig.count("d1.example");
  rig.go_to(monday + one_day + 1min);
  rig.count("d1.example");
  rig.count("d1.example");
  rig.go_to(monday + one_day + 5h);
  rig.check();
  REQUIRE(rig.dropped == std::vector{mail_of_monday});
  CHECK(rig.drop(mail_of_monday).find("as it should be: 1\r\n") != std::string::npos);
  rig.go_to(monday + 2 * one_day + 5h);
  rig.check();
  REQUIRE(rig.dropped.size() == 2);
  CHECK(rig.drop("tlsrpt.d1.example.2026-11-24").find("as it should be: 2\r\n") != std::string::npos);
}

TEST_CASE("a report that a name server keeps from its way goes out an hour later") {
  Rig rig;
  rig.count("d1.example");
  rig.dns.records.broken["_smtp._tls.d1.example"] = 2; // SERVFAIL
  rig.go_to(monday + one_day + 5h);
  rig.check();
  for (int i = 0; i < 60; ++i) { // the resolver tries again, and gives up
    rig.go_to(rig.clock.time.wall + 1s);
    rig.turn();
  }
  CHECK(rig.dropped.empty());
  CHECK(rig.reporter->quiet());
  rig.dns.records.broken.clear();
  rig.go_to(rig.clock.time.wall + 61min);
  rig.check();
  CHECK(rig.dropped.size() == 1);
}

TEST_CASE("a domain that has stopped asking gets no report") {
  Rig rig;
  rig.count("d1.example");
  rig.dns.records.data.clear();
  rig.go_to(monday + one_day + 5h);
  rig.check();
  CHECK(rig.dropped.empty());
  CHECK(rig.state(monday) == "none");
}

TEST_CASE("a report over HTTPS is compressed and goes to the host that was named") {
  Rig rig;
  rig.asks("d3.example", "https://tls.d3.example:8443/v1?who=me,mailto:tls@d3.example");
  rig.dns.records.address("tls.d3.example", "203.0.113.9");
  rig.count("d3.example");
  rig.go_to(monday + one_day + 5h);
  rig.check();
  REQUIRE(rig.web.requests.size() == 1);
  const HttpsRequest& request = rig.web.requests.front();
  CHECK(request.host == "tls.d3.example");
  CHECK(request.port == 8443);
  CHECK(request.path == "/v1?who=me");
  CHECK(request.content_type == "application/tlsrpt+gzip");
  CHECK(request.body.starts_with("\x1f\x8b"));
  CHECK(request.addresses == std::vector{*resolver::IpAddress::parse("203.0.113.9")});
  CHECK(rig.dropped.size() == 1);
  CHECK(rig.state(monday) == "none");
}

TEST_CASE("a web server that fails is tried each hour, for a day, and nothing else is sent twice") {
  Rig rig;
  rig.asks("d3.example", "https://tls.d3.example/,mailto:tls@d3.example");
  rig.dns.records.address("tls.d3.example", "203.0.113.9");
  rig.web.works = false;
  rig.count("d3.example");
  rig.go_to(monday + one_day + 5h);
  rig.check();
  CHECK(rig.web.requests.size() == 1);
  CHECK(rig.dropped.size() == 1);
  rig.check();
  CHECK(rig.web.requests.size() == 1);
  rig.start(); // what was sent by mail is known
  rig.check();
  CHECK(rig.web.requests.size() == 2);
  CHECK(rig.dropped.empty());
  for (int hour = 0; hour < 40; ++hour) {
    rig.go_to(rig.clock.time.wall + 1h);
    rig.check();
  }
  CHECK(rig.web.requests.size() == 2 + 24);
  CHECK(rig.dropped.empty());
  CHECK(rig.state(monday) == "none");
}

TEST_CASE("a web server at a private address is not posted to") {
  Rig rig;
  rig.asks("d3.example", "https://tls.d3.example/");
  rig.dns.records.address("tls.d3.example", "127.0.0.1");
  rig.count("d3.example");
  rig.go_to(monday + one_day + 5h);
  rig.check();
  CHECK(rig.web.requests.empty());
}

TEST_CASE("with a folder alone reports are left there and nobody is written to") {
  Rig rig;
  rig.config.tlsrpt.report = false;
  rig.config.tlsrpt.folder = "reports";
  rig.start();
  rig.count("d1.example");
  rig.go_to(monday + one_day + 5h);
  rig.check();
  CHECK(rig.dropped.empty());
  const auto left = rig.disk.list("reports");
  REQUIRE(left);
  REQUIRE(*left == std::vector<std::string>{"relay.example!d1.example!1795392000!1795478399.json"});
  const auto text = read_state(rig.disk, "reports/" + left->front(), 1 << 20);
  CHECK(nlohmann::json::parse(**text)["policies"][0]["summary"]["total-successful-session-count"] == 1);
}

TEST_CASE("a day that is long over is told to nobody") {
  Rig rig;
  rig.count("d1.example");
  rig.go_to(monday + 5 * one_day);
  rig.start();
  rig.check();
  CHECK(rig.dropped.empty());
  CHECK(rig.state(monday) == "none");
}

TEST_CASE("a crash after the drop was made sends the same bytes under the same name once more") {
  Rig rig;
  rig.count("d1.example");
  const std::string before = rig.state(monday);
  rig.go_to(monday + one_day + 5h);
  rig.check();
  const std::string first = rig.drop(mail_of_monday);
  REQUIRE(rig.disk.remove("new/" + mail_of_monday)); // claimed
  REQUIRE(write_state(rig.disk, tls_record_file(monday), before));
  rig.go_to(monday + one_day + 7h);
  rig.start();
  rig.check();
  REQUIRE(rig.dropped == std::vector{mail_of_monday});
  CHECK(rig.drop(mail_of_monday) == first);
}

TEST_CASE("https addresses are taken apart, and what is none is told from one") {
  CHECK(parse_https_url("https://a.example") == HttpsUrl{"a.example", 443, "/"});
  CHECK(parse_https_url("https://A.example:8443/x?y=z#part") == HttpsUrl{"a.example", 8443, "/x?y=z"});
  CHECK(parse_https_url("https://a.example?y") == HttpsUrl{"a.example", 443, "/?y"});
  for (const char* bad :
       {"http://a.example/", "https://", "https:///x", "https://user@a.example/", "https://a.example:0/",
        "https://a.example:99999/", "https://a.example:/", "https://[::1]/", "https://a..example/"}) {
    INFO(bad);
    CHECK(parse_https_url(bad) == std::nullopt);
  }
}
