// The configuration: what is read, what is judged and how it is told, and that the documentation says the same.
#include "agent/config/config.h"

#include "agent/config/keys.h"
#include "agent/config/units.h"
#include "tests/read_text.h"

#include <catch2/catch.hpp>

using namespace bulkmail::agent;
namespace transport = bulkmail::transport;
using bulkmail::milliseconds;
using namespace std::chrono_literals;

namespace {

// The whole example of the documentation, every key off its default.
constexpr std::string_view everything = R"(
hostname = "relay.example"
stop_timeout = "1m"
user = "mail"
group = "mail"
[agent]
memory = "2GiB"
workers = 4
[spool]
path = "/srv/spool"
rescan = "1s"
[status]
detail = "failures"
interval = "500ms"
keep = "1d"
files = "failed"
[results]
rotate = "1MiB"
keep = "2d"
[listen]
lmtp = ""
lmtp_group = "postfix"
[resolver]
servers = ["127.0.0.1:5353", "[::1]:53", "192.0.2.1"]
timeout = "1s"
attempts = 2
trust_ad = "yes"
[smtp]
port = 2525
connections = 10
connections_per_site = 2
idle = "0s"
recipients_per_transaction = 50
messages_per_connection = 5
mixed_domains = true
source = ["192.0.2.1", "2001:db8::1"]
warmup = ["50/1d", "100/1d"]
private_targets = "allow"
dane = false
mta_sts = false
eight_bit = "fail"
tls = "require"
ca_file = "/etc/bulkmail/ca.pem"
timeouts = { connect = "1s", greeting = "2s", ehlo = "3s", tls = "20s", mail = "4s", rcpt = "5s", data = "6s", block = "7s", end_of_data = "8s", rset = "9s", quit = "10ms" }
[retry]
schedule = ["100ms", "1h20m"]
expire = "1h"
indeterminate = "stop"
dsn = "on"
[tlsrpt]
report = true
from = "tls@relay.example"
contact = "post@relay.example"
organization = "Relay"
folder = "/var/lib/reports"
[log]
level = "debug"
format = "json"
target = "/var/log/bulkmail.log"
[[source]]
address = "192.0.2.1"
hostname = "out1.example"
warmup = ["10/1h"]
[[source]]
address = "2001:db8::1"
warmup = []
[[site]]
match = ["*.mx.example.net", "192.0.2.0/24"]
source = ["2001:db8::1"]
connections = 5
rate = "100/1m"
recipient_rate = "1000/1h"
group = "microsoft"
mixed_domains = false
[[site]]
match = ["example.com"]
rate = "1/1s"
sender = ["news.example", "*.lists.example"]
[[route]]
match = ["example.org", ".example.org"]
to = "[192.0.2.1]:587"
username = "u"
password_file = "/etc/bulkmail/relay.pw"
token_file = "/etc/bulkmail/relay.token"
auth = ["SCRAM-SHA-256", "XOAUTH2"]
auth_without_tls = true
tls = "off"
implicit_tls = false
[[route]]
match = ["store.example"]
transport = "lmtp"
to = "unix:/run/dovecot/lmtp"
[[route]]
match = ["x.example"]
transport = "pipe"
command = ["/usr/bin/x", "{recipient}"]
environment = ["A=b"]
timeout = "1m"
[[route]]
match = ["m.example"]
transport = "maildir"
path = "/var/mail/{domain}/{local}"
[[route]]
match = ["*"]
transport = "error"
status = "5.7.1"
text = "no"
[[sender]]
match = ["ann@example.org", "news.example"]
weight = 4
[[dkim]]
match = ["example.org", "*.example.com"]
domain = "example.org"
selector = "s2026"
key_file = "/etc/bulkmail/s2026.pem"
canonicalization = "relaxed/simple"
headers = ["From", "Subject"]
expire = "7d"
)";

std::vector<std::string> errors_of(std::string_view text, const std::vector<Override>& overrides = {}) {
  const auto config = load_config(text, "b.toml", overrides);
  REQUIRE_FALSE(config);
  std::vector<std::string> lines;
  for (const auto& error : config.error()) lines.push_back(error.to_string());
  return lines;
}

std::vector<Override> sets(std::initializer_list<std::string_view> texts) {
  std::vector<Override> all;
  for (const auto text : texts) all.push_back(Override::parse(text).value());
  return all;
}

} // namespace

TEST_CASE("an empty configuration is the defaults with this host's name") {
  const auto config = load_config("", "b.toml", {}, "me.example");
  REQUIRE(config);
  CHECK(config->hostname == "me.example");
  CHECK(config->smtp.port == 25);
  CHECK(config->smtp.timeouts.end_of_data == 10min);
  CHECK(config->retry.schedule == std::vector<milliseconds>{5min, 10min, 20min, 40min, 80min, 160min, 4h});
  CHECK(config->lmtp_socket() == "/var/spool/bulkmail/lmtp.sock");
}

TEST_CASE("every key is read into its own place") {
  const auto config = load_config(everything, "b.toml");
  REQUIRE(config);
  const Config defaults;
  for (const Key& key : all_keys()) {
    INFO(key.name);
    CHECK(key.show(*config) != key.show(defaults));
  }
  CHECK(config->stop_timeout == 1min);
  CHECK(config->results.rotate == 1U << 20);
  REQUIRE(config->resolver.servers.size() == 3);
  CHECK(config->resolver.servers[1].to_string() == "[::1]:53");
  CHECK(config->resolver.servers[2].port == 53);
  CHECK(config->smtp.eight_bit == Config::Smtp::EightBit::fail);
  CHECK(config->resolver.trust_ad == Config::Resolver::TrustAd::yes);
  CHECK(config->smtp.tls == bulkmail::transport::TlsLevel::require);
  CHECK(config->smtp.timeouts.quit == 10ms);
  CHECK(config->retry.schedule == std::vector<milliseconds>{100ms, 80min});
  CHECK(config->retry.indeterminate == Config::Retry::Indeterminate::stop);
  CHECK(config->lmtp_socket().empty());
  CHECK(config->agent.memory == 2ULL << 30);
  CHECK(config->smtp.source.at(1).to_string() == "2001:db8::1");
  CHECK(config->retry.dsn == Config::Retry::Dsn::on);
}

TEST_CASE("lists of tables are read entry by entry, in their order") {
  const auto config = load_config(everything, "b.toml");
  REQUIRE(config);
  CHECK(config->sites == std::vector<SiteRule>{{.match = {"*.mx.example.net", "192.0.2.0/24"},
                                                .connections = 5,
                                                .rate = Rate{100, 1min},
                                                .recipient_rate = Rate{1000, 1h},
                                                .group = "microsoft",
                                                .mixed_domains = false,
                                                .source = config->sites.at(0).source,
                                                .sender = {}},
                                               {.match = {"example.com"},
                                                .connections = {},
                                                .rate = Rate{1, 1s},
                                                .recipient_rate = {},
                                                .group = {},
                                                .mixed_domains = {},
                                                .source = {},
                                                .sender = {"news.example", "*.lists.example"}}});
  CHECK(config->senders == std::vector<SenderRule>{{{"ann@example.org", "news.example"}, 4}});
  REQUIRE(config->dkim.size() == 1);
  for (const auto& key : dkim_keys()) {
    INFO(key.name);
    CHECK(key.show(config->dkim[0]) != key.show({}));
  }
  using transport::kinds::find_option;
  REQUIRE(config->routes.size() == 5);
  CHECK(config->routes[0].match == std::vector<std::string>{"example.org", ".example.org"});
  CHECK(config->routes[0].to == "[192.0.2.1]:587");
  CHECK(config->routes[0].auth ==
        std::vector{transport::Mechanism::scram_sha_256, transport::Mechanism::xoauth2});
  CHECK(*find_option<std::vector<std::string>>(config->routes[2].options, "command") ==
        std::vector<std::string>{"/usr/bin/x", "{recipient}"});
  CHECK(*find_option<milliseconds>(config->routes[2].options, "timeout") == 1min);
  CHECK(config->routes[4].match == std::vector<std::string>{"*"});
  for (const auto& key : route_keys()) {
    INFO(key.name);
    CHECK(std::ranges::any_of(config->routes,
                              [&](const RouteRule& route) { return key.show(route) != key.show({}); }));
  }
  for (const auto& key : site_keys()) {
    INFO(key.name);
    CHECK((key.show(config->sites[0]) != key.show({}) || key.show(config->sites[1]) != key.show({})));
  }
}

TEST_CASE("an override replaces a list of tables as a whole") {
  const auto config =
      load_config(everything, "b.toml", sets({"site=[{match=[\"a.example\"], connections=2}]", "sender=[]"}));
  REQUIRE(config);
  REQUIRE(config->sites.size() == 1);
  CHECK(config->sites[0].connections == 2);
  CHECK(config->senders.empty());
  CHECK(errors_of("", sets({"site.rate=1/1s"})) ==
        std::vector<std::string>{"--set: site is a list of tables: it is set as a whole, site=[{…}]"});
  CHECK(errors_of("", sets({"site=[{match=[\"a.example\"], rate=1}]"})) ==
        std::vector<std::string>{"--set: site.rate must be a rate such as \"100/1m\", not a whole number"});
}

TEST_CASE("what is wrong in a list of tables is told with its line and the nearest key of its entries") {
  CHECK(errors_of(R"([[site]]
match = ["mx.example.org", "192.0.2.1/24"]
[[site]]
match = ["mx..example"]
conections = 5
rate = "100"
[[site]]
connections = 0
[[sender]]
weight = 101
match = "a@b.example"
)") == std::vector<std::string>{
           "b.toml:2:9: site.match item 2 \"192.0.2.1/24\" does not begin its range: write \"192.0.2.0/24\"",
           "b.toml:4:9: site.match item 1 \"mx..example\" is no domain: write \"mx.example.org\", or "
           "\"*.example.org\" for all below it",
           "b.toml:5:1: unknown key site.conections; the nearest known one is site.connections",
           "b.toml:6:8: site.rate \"100\" is no rate: write a whole number from 1 and a duration, such as "
           "\"100/1m\"",
           "b.toml:8:15: site.connections must be from 1 to 10000, not 0",
           "b.toml:10:10: sender.weight must be from 1 to 100, not 101",
           "b.toml:11:9: sender.match must be a list, not text",
       });
}

TEST_CASE("an entry of a list of tables must make sense as a whole") {
  CHECK(errors_of("[[site]]\nconnections = 1") ==
        std::vector<std::string>{"b.toml:1:1: an entry of [[site]] needs a match"});
  CHECK(errors_of("[[sender]]\nweight = 1") ==
        std::vector<std::string>{"b.toml:1:1: an entry of [[sender]] needs a match"});
  CHECK_THAT(errors_of("[[site]]\nmatch = [\"a.example\"]\nsender = [\"b.example\"]\nconnections = 1").at(0),
             Catch::EndsWith("an entry of [[site]] with a sender has rates alone"));
  CHECK_THAT(errors_of("[[site]]\nmatch = [\"a.example\"]\ngroup = \"g\"\n"
                       "[[site]]\nmatch = [\"b.example\"]\ngroup = \"g\"")
                 .at(0),
             Catch::StartsWith("b.toml:4:1: an entry of [[site]] before has the group \"g\""));
  CHECK_THAT(errors_of("[site]\nmatch = [\"a.example\"]").at(0),
             Catch::EndsWith("site is a list of tables: each begins with [[site]]"));
  CHECK_THAT(errors_of("site = [1]").at(0), Catch::Contains("site is a list of tables"));
  CHECK_THAT(errors_of("[[sit]]\nmatch = [\"a.example\"]").at(0),
             Catch::EndsWith("unknown section sit; the nearest known one is site"));
}

TEST_CASE("an address to send from has what its own entry says, or what holds for all") {
  const auto config = load_config(everything, "b.toml");
  REQUIRE(config);
  const auto& source = config->smtp.source;
  CHECK(config->warmup_of(source.at(0)) == std::vector<Rate>{{10, 1h}});
  CHECK(config->warmup_of(source.at(1)).empty());
  CHECK(config->warming() == std::vector{source.at(0)});
  CHECK(config->hostname_of(source.at(0)) == "out1.example");
  CHECK(config->hostname_of(source.at(1)) == "relay.example");
  CHECK(config->hostname_of({}) == "relay.example");
  CHECK(config->sites.at(0).source == std::vector{source.at(1)});
  const auto plain =
      load_config("[smtp]\nsource = [\"192.0.2.1\"]\nwarmup = [\"50/1d\", \"100/1d\"]", "b.toml");
  REQUIRE(plain);
  CHECK(plain->warmup_of(plain->smtp.source.at(0)) == std::vector<Rate>{{50, 24h}, {100, 24h}});
}

TEST_CASE("what is said of addresses to send from must fit together, and is told where it stands") {
  CHECK(errors_of(R"([agent]
workers = 4
[smtp]
source = ["192.0.2.1"]
warmup = ["4/1d", "3/1d"]
[[source]]
address = "192.0.2.2"
[[source]]
address = "192.0.2.1"
warmup = ["1/1d"]
[[site]]
match = ["a.example"]
source = ["192.0.2.1"]
[[site]]
match = ["b.example"]
source = ["192.0.2.1", "2001:db8::1"]
)") == std::vector<std::string>{
           "b.toml:5:10: smtp.warmup 3/1d has fewer recipients than agent.workers is (4), each of which has "
           "its part",
           "b.toml:7:11: source.address 192.0.2.2 is not in smtp.source",
           "b.toml:10:10: source.warmup 1/1d has fewer recipients than agent.workers is (4), each of which "
           "has its "
           "part",
           "b.toml:16:10: site.source 2001:db8::1 is not in smtp.source",
       });
  CHECK(errors_of("[smtp]\nwarmup = [\"50/1d\"]") ==
        std::vector<std::string>{
            "b.toml:2:10: smtp.warmup is for the addresses of smtp.source, which has none"});
  CHECK(errors_of("[[source]]\nhostname = \"a.example\"") ==
        std::vector<std::string>{"b.toml:1:1: an entry of [[source]] needs an address"});
  CHECK_THAT(errors_of("[[source]]\naddress = \"192.0.2.1\"\n[[source]]\naddress = \"192.0.2.1\"").at(0),
             Catch::StartsWith("b.toml:3:1: an entry of [[source]] before is for 192.0.2.1"));
  CHECK(errors_of("[[source]]\nadress = \"192.0.2.1\"") ==
        std::vector<std::string>{
            "b.toml:2:1: unknown key source.adress; the nearest known one is source.address"});
  CHECK(errors_of("", sets({"smtp.source=[\"192.0.2.1\"]", "source=[{address=\"192.0.2.9\"}]"})) ==
        std::vector<std::string>{"--set: source.address 192.0.2.9 is not in smtp.source"});
}

TEST_CASE("what a key shows reads as the same value") {
  const Config defaults;
  std::vector<Override> overrides{{"source", "[]"}, {"site", "[]"}}; // whose addresses are not the default's
  for (const Key& key : all_keys())
    if (key.name != "hostname") overrides.push_back({std::string(key.name), key.show(defaults)});
  const auto config = load_config(everything, "b.toml", overrides);
  REQUIRE(config);
  for (const Key& key : all_keys())
    if (key.name != "hostname") CHECK(key.show(*config) == key.show(defaults));
}

TEST_CASE("all that is wrong is told at once, from the top down, with line and column") {
  const auto errors = errors_of(R"(hostnam = "x"
stop_timeout = 30
[status]
keep = "two days"
[smtp]
port = 70000
conections = 5
timeouts = { ehlo = "5m", helo = "5m" }
[resolver]
servers = ["127.0.0.1:53", "name.example"]
)");
  CHECK(errors ==
        std::vector<std::string>{
            "b.toml:1:1: unknown key hostnam; the nearest known one is hostname",
            "b.toml:2:16: stop_timeout must be a duration such as \"30s\", not a whole number",
            "b.toml:4:8: status.keep \"two days\" is no duration: write whole numbers with d, h, m, s, ms, "
            "such as \"1h20m\"",
            "b.toml:6:8: smtp.port must be from 1 to 65535, not 70000",
            "b.toml:7:1: unknown key smtp.conections; the nearest known one is smtp.connections",
            "b.toml:8:27: unknown key smtp.timeouts.helo; the nearest known one is smtp.timeouts.ehlo",
            "b.toml:10:11: resolver.servers item 2 \"name.example\" is no address: write \"127.0.0.1:53\" or "
            "\"[::1]:53\"",
        });
}

TEST_CASE("a key of a feature still to come is told apart from a mistyped one") {
  for (const std::string_view text : {"[listen]\nsmtp = \"127.0.0.1:2525\"", "[listen]\nsmtp = 1",
                                      "[listen]\nsync_timeout = \"1m\""}) {
    const auto errors = errors_of(text);
    REQUIRE(errors.size() == 1);
    CHECK_THAT(errors[0], Catch::Contains("is not in this version"));
  }
}

TEST_CASE("a key of a feature still to come may ask for what happens now anyway") {
  CHECK(load_config("[listen]\nmode = \"queue\"\nsmtp = \"\"", "b.toml"));
  CHECK(load_config("[listen]\nsmtp = \"\"", "b.toml", sets({"listen.mode=queue"})));
}

TEST_CASE("a right name in a wrong place is suggested, and a section by its own name") {
  CHECK_THAT(errors_of("connections = 5").at(0),
             Catch::EndsWith("the nearest known one is smtp.connections"));
  CHECK_THAT(errors_of("[smpt]\nport = 1").at(0),
             Catch::EndsWith("unknown section smpt; the nearest known one is smtp"));
  CHECK_THAT(errors_of("smtp = 1").at(0), Catch::EndsWith("smtp is a section: its keys stand under [smtp]"));
  CHECK_THAT(errors_of("[[smtp]]\nport = 1").at(0), Catch::Contains("smtp is a section"));
  CHECK_THAT(errors_of("[hostname]\nx = 1").at(0), Catch::Contains("hostname must be text, not a table"));
}

TEST_CASE("what is no TOML is told with its place") {
  CHECK_THAT(errors_of("[smtp]\nport = = 5").at(0), Catch::StartsWith("b.toml:2:8: "));
  CHECK(errors_of("[smtp]\nport = 25\nport = 26").size() == 1);
  CHECK(errors_of(std::string_view("a = \"\xff\"")).size() == 1);
}

TEST_CASE("values out of reach are refused") {
  for (const std::string_view text : {"[smtp]\nport = 0",
                                      "[smtp]\nconnections = -1",
                                      "[smtp]\nport = 25.0",
                                      "[smtp]\nport = \"25\"",
                                      "[retry]\nschedule = []",
                                      "[retry]\nschedule = [\"0s\"]",
                                      "[retry]\nschedule = \"5m\"",
                                      "[spool]\npath = \"\"",
                                      "[spool]\nrescan = \"1ms\"",
                                      "[results]\nrotate = \"64\"",
                                      "[results]\nrotate = \"1B\"",
                                      "[listen]\nlmtp = \"lmtp.sock\"",
                                      "[listen]\nlmtp = \"unix:\"",
                                      "[tlsrpt]\nreport = 1",
                                      "[tlsrpt]\nfrom = \"nobody\"",
                                      "[tlsrpt]\nfrom = \"a@[192.0.2.1]\"",
                                      "[tlsrpt]\nfolder = \"reports\"",
                                      "[log]\nlevel = \"loud\"",
                                      "[log]\nlevel = 3",
                                      "[smtp]\neight_bit = \"convert\"",
                                      "[smtp]\ntls = \"dane\"",
                                      "hostname = \"a b\"",
                                      "hostname = \"\"",
                                      "hostname = \"a\\r\\nb\"",
                                      "user = 1979-05-27",
                                      "[resolver]\nservers = [\"127.0.0.1:0\"]",
                                      "[agent]\nworkers = 0",
                                      "[agent]\nworkers = 65",
                                      "[agent]\nmemory = \"2TiB\"",
                                      "[smtp]\nmixed_domains = \"true\"",
                                      "[smtp]\nmixed_domains = 1",
                                      "[smtp]\nsource = [\"192.0.2.1:25\"]",
                                      "[smtp]\nsource = [\"localhost\"]",
                                      "[smtp]\nwarmup = \"50/1d\"",
                                      "[retry]\ndsn = true",
                                      "[retry]\ndsn = \"never\"",
                                      "[[site]]\nmatch = []",
                                      "[[site]]\nmatch = [\"a@b.example\"]",
                                      "[[site]]\nmatch = [\"a.*.example\"]",
                                      "[[site]]\nmatch = [\"192.0.2.0/33\"]",
                                      "[[site]]\nmatch = [\"2001:db8::/129\"]",
                                      "[[site]]\nmatch = [\"192.0.2.256\"]",
                                      "[[site]]\nmatch = [\"a.example\"]\ngroup = \"\"",
                                      "[[site]]\nmatch = [\"a.example\"]\nrate = \"1/400d\"",
                                      "[[site]]\nmatch = [\"a.example\"]\nsender = [\"a@b.example\"]",
                                      "[[sender]]\nmatch = [\"@b.example\"]",
                                      "[[sender]]\nmatch = [\"a@\"]"}) {
    INFO(text);
    CHECK(errors_of(text).size() == 1);
  }
}

TEST_CASE("what makes no sense of a route is told with its place") {
  const auto wrong = [](const std::string& entry) {
    const auto errors = errors_of("[[route]]\nmatch = [\"a.example\"]\n" + entry);
    INFO(entry);
    REQUIRE(errors.size() == 1);
    CHECK_THAT(errors[0], Catch::StartsWith("b.toml:"));
    return errors[0];
  };
  for (const std::string to : {"host:0", "host:x", "[192.0.2.1", "[192.0.2.1]x", "192.0.2.1",
                               "unix:", "unix:lmtp", "a b", "[]", "[a b]:25", "a@b", "2001:db8::1"})
    CHECK_THAT(wrong("to = \"" + to + "\""), Catch::Contains("leads nowhere"));
  CHECK_THAT(wrong("transport = \"uucp\""), Catch::Contains("\"maildir\""));
  CHECK_THAT(wrong("too = \"x\""), Catch::Contains("the nearest known one is route.to"));
  CHECK_THAT(wrong("to = \"unix:/run/x\""), Catch::Contains("only lmtp"));
  CHECK_THAT(wrong("transport = \"lmtp\""), Catch::Contains("needs a to"));
  CHECK_THAT(wrong("command = [\"/bin/true\"]"), Catch::Contains("transport smtp has no command"));
  CHECK_THAT(wrong("transport = \"pipe\""), Catch::Contains("needs a command"));
  CHECK_THAT(wrong("transport = \"pipe\"\ncommand = [\"true\"]"), Catch::Contains("needs a command"));
  CHECK_THAT(wrong("transport = \"pipe\"\ncommand = [\"/bin/x\", \"{user}\"]"), Catch::Contains("{user}"));
  CHECK_THAT(wrong("transport = \"pipe\"\ncommand = [\"/bin/x\"]\nenvironment = [\"A\"]"),
             Catch::Contains("NAME=value"));
  CHECK_THAT(wrong("transport = \"maildir\"\npath = \"mail\""), Catch::Contains("needs a path"));
  CHECK_THAT(wrong("transport = \"maildir\"\npath = \"/mail/{sender}\""), Catch::Contains("and no other"));
  CHECK_THAT(wrong("transport = \"error\"\nstatus = \"4.7.1\""), Catch::Contains("none of class 5"));
  CHECK_THAT(wrong("transport = \"discard\"\nto = \"[x]\""), Catch::Contains("goes to no host"));
  CHECK_THAT(wrong("username = \"u\"\nto = \"[x]\""), Catch::Contains("needs a password_file"));
  CHECK_THAT(wrong("username = \"u\"\npassword_file = \"/x\""), Catch::Contains("needs a to"));
  CHECK_THAT(wrong("to = \"[x]\"\npassword_file = \"/x\""), Catch::Contains("needs a username"));
  CHECK_THAT(wrong("to = \"[x]\"\npassword_file = \"x\"\nusername = \"u\""), Catch::Contains("whole path"));
  CHECK_THAT(wrong("to = \"[x]\"\nusername = \"u\"\npassword_file = \"/x\"\nauth = [\"XOAUTH2\"]"),
             Catch::Contains("token_file"));
  CHECK_THAT(errors_of("[[route]]\nto = \"[x]\"").at(0), Catch::Contains("needs a match"));
  CHECK_THAT(errors_of("[[route]]\nmatch = [\"a@b\"]").at(0), Catch::Contains("is no domain"));
}

TEST_CASE("an override is a TOML value, or else text as it stands") {
  const auto config =
      load_config("[smtp]\nport = 26\nidle = \"1s\"", "b.toml",
                  sets({"smtp.port=2525", "stop_timeout=2s", "log.level=\"error\"",
                        "listen.lmtp=", "retry.schedule=[\"1s\", \"2s\"]", "smtp.timeouts={ ehlo = \"1s\" }",
                        "spool.path=/a=b c", "smtp.port=2526"}));
  REQUIRE(config);
  CHECK(config->smtp.port == 2526);
  CHECK(config->smtp.idle == 1s);
  CHECK(config->stop_timeout == 2s);
  CHECK(config->log.level == Config::Log::Level::error);
  CHECK(config->listen.lmtp.empty());
  CHECK(config->retry.schedule.size() == 2);
  CHECK(config->smtp.timeouts.ehlo == 1s);
  CHECK(config->smtp.timeouts.mail == 5min);
  CHECK(config->spool.path == "/a=b c");
}

TEST_CASE("a wrong override is an error without a place") {
  CHECK(errors_of("", sets({"smtp.prt=25"})) ==
        std::vector<std::string>{"--set: unknown key smtp.prt; the nearest known one is smtp.port"});
  CHECK(errors_of("", sets({"smtp.port=x"})) ==
        std::vector<std::string>{"--set: smtp.port must be a whole number, not text"});
  CHECK(errors_of("", sets({"listen.mode=sync"})) ==
        std::vector<std::string>{
            "--set: listen.mode is not in this version, which works as mode = \"queue\" says"});
  CHECK(errors_of("", sets({"smtp=1"})).size() == 1);
  CHECK(errors_of("x = 1", sets({"y=2"})).at(0).starts_with("b.toml:1:1:"));
  CHECK_FALSE(Override::parse("smtp.port"));
  CHECK_FALSE(Override::parse("=1"));
}

TEST_CASE("an override cannot smuggle in a second key") {
  CHECK(errors_of("", sets({"smtp.port=25\nhostname = \"x\""})).size() == 1);
}

TEST_CASE("a verbatim override is never read as TOML") {
  const std::vector<Override> overrides{{"spool.path", "\"quoted\"", true}};
  CHECK(load_config("", "b.toml", overrides)->spool.path == "\"quoted\"");
}

TEST_CASE("durations are whole numbers with units, largest first") {
  CHECK(parse_duration("500ms") == 500ms);
  CHECK(parse_duration("1h20m") == 80min);
  CHECK(parse_duration("4d") == 96h);
  CHECK(parse_duration("1d2h3m4s5ms") == 24h + 2h + 3min + 4s + 5ms);
  CHECK(parse_duration("0s") == 0s);
  CHECK(parse_duration("90m") == 90min);
  for (const std::string_view wrong :
       {"", "5", "s", "5 m", "-5s", "+5s", "1.5h", "20m1h", "1s1s", "5min", "5S", "1m ",
        "99999999999999999999s", "36501d", "18446744073709551615ms"}) {
    INFO(wrong);
    CHECK_FALSE(parse_duration(wrong));
  }
  for (const auto duration : {0ms, 1ms, 1001ms, 80min + 0ms, 96h + 0ms, 25h + 1ms})
    CHECK(parse_duration(format_duration(duration)) == duration);
}

TEST_CASE("rates are a whole number and a duration") {
  CHECK(parse_rate("100/1m") == Rate{100, 1min});
  CHECK(parse_rate("7/1s500ms") == Rate{7, 1500ms});
  for (const std::string_view wrong : {"", "100", "/1m", "100/", "0/1m", "1/0s", "-1/1m", "1.5/1m", "1 /1m",
                                       "1/m", "4294967296/1m", "1/1m/1s"}) {
    INFO(wrong);
    CHECK_FALSE(parse_rate(wrong));
  }
  for (const Rate rate : {Rate{1, 1ms}, Rate{100, 90min}}) CHECK(parse_rate(format_rate(rate)) == rate);
}

TEST_CASE("sizes are whole numbers with binary units") {
  CHECK(parse_size("64MiB") == 64U << 20);
  CHECK(parse_size("1B") == 1);
  for (const std::string_view wrong :
       {"", "64", "64MB", "MiB", "1.5GiB", "-1B", "1MiB1KiB", "99999999999TiB"}) {
    INFO(wrong);
    CHECK_FALSE(parse_size(wrong));
  }
  for (const std::uint64_t size : {0ULL, 1ULL, 1023ULL, 1536ULL, 64ULL << 20})
    CHECK(parse_size(format_size(size)) == size);
}

TEST_CASE("the documentation has a row for each key as the table has it, and no other") {
  const auto text = bulkmail::test::read_text(TEST_SOURCE_DIR "/../../docs/configuration.md");
  const Config defaults;
  std::size_t rows = 0;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) rows += line.starts_with("| `") ? 1 : 0;
  CHECK(rows == all_keys().size() + route_keys().size() + source_keys().size() + site_keys().size() +
                    sender_keys().size() + dkim_keys().size());
  const auto look_for = [&](const auto& key, const std::string& value) {
    const auto shown = value.empty() || key.name == "hostname" ? "" : "`" + value + "`";
    const auto row = "| `" + std::string(key.name) + "` | " + key.type + " | " + shown + " | " +
                     std::string(key.about) + " |";
    INFO(row);
    CHECK(text.find(row) != std::string::npos);
  };
  for (const Key& key : all_keys()) look_for(key, key.show(defaults));
  for (const auto& key : route_keys()) look_for(key, key.show({}));
  for (const auto& key : source_keys()) look_for(key, key.show({}));
  for (const auto& key : site_keys()) look_for(key, key.show({}));
  for (const auto& key : sender_keys()) look_for(key, key.show({}));
  for (const auto& key : dkim_keys()) look_for(key, key.show({}));
}

TEST_CASE("an entry that signs is whole, names From and has a selector of its own") {
  const std::string good = "[[dkim]]\ndomain=\"a.example\"\nselector=\"s1\"\nkey_file=\"/k.pem\"\n";
  CHECK(load_config(good, "b.toml"));
  CHECK(
      load_config(good + "[[dkim]]\ndomain=\"a.example\"\nselector=\"s2\"\nkey_file=\"/k.pem\"\n", "b.toml"));
  const auto only_error = [&](const std::string& text) { return errors_of(text).at(0); };
  CHECK_THAT(only_error("[[dkim]]\ndomain=\"a.example\"\nkey_file=\"/k.pem\""),
             Catch::EndsWith("an entry of [[dkim]] needs a domain, a selector and a key_file"));
  CHECK_THAT(only_error(good + good), Catch::EndsWith("has the selector \"s1\" of \"a.example\""));
  CHECK_THAT(only_error(good + "headers=[\"Subject\"]"), Catch::Contains("must name From"));
  CHECK_THAT(only_error(good + "headers=[\"from\", \"dkim-signature\"]"),
             Catch::Contains("must not name DKIM"));
  CHECK_THAT(only_error(good + "headers=[\"From:\"]"), Catch::Contains("no name of a header field"));
  CHECK_THAT(only_error(good + "expire=\"1m\""), Catch::Contains("must be from 1h to 365d"));
  CHECK_THAT(only_error("[[dkim]]\nselector=\"a b\""), Catch::Contains("is no domain name"));
}
