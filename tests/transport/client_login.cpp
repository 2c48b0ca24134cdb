// A session that logs in before its first transaction.
#include "spool/base64.h"
#include "transport/client/client.h"
#include "transport/verdict.h"

#include <catch2/catch.hpp>

using namespace bulkmail;
using namespace bulkmail::transport;

namespace {

std::string base64(std::string_view bytes) {
  std::string text;
  spool::append_base64(text, bytes);
  return text;
}

// A client with credentials and what it says to what it hears.
struct Login {
  explicit Login(std::vector<Mechanism> allowed = {Mechanism::plain}, bool without_tls = true)
      : client(
            [&] {
              ClientConfig config;
              config.hostname = "relay.example";
              config.nonce = "rOprNGfwEbeRWgbNEkqO";
              config.credentials =
                  std::make_shared<const Credentials>(Credentials{.username = "user",
                                                                  .password = "pencil",
                                                                  .token = "ya29",
                                                                  .allowed = std::move(allowed),
                                                                  .without_tls = without_tls});
              return config;
            }(),
            now) {}

  // What it answers to a reply.
  std::string hear(std::string_view reply) {
    client.receive(std::string(reply) + "\r\n", now);
    return client.take_output();
  }

  std::string greet(std::string_view offer) {
    CHECK(hear("220 hello") == "EHLO relay.example\r\n");
    return hear("250-hello\r\n250-PIPELINING\r\n250 " + std::string(offer));
  }

  Event the_event() {
    auto event = client.next_event();
    REQUIRE(event);
    return std::move(*event);
  }

  Monotonic now = Monotonic{} + std::chrono::hours(1);
  Client client;
};

} // namespace

TEST_CASE("a session logs in between EHLO and its first transaction") {
  Login login;
  CHECK(login.greet("AUTH LOGIN plain") ==
        "AUTH PLAIN " + base64(std::string_view("\0user\0pencil", 12)) + "\r\n");
  CHECK_FALSE(login.client.next_event());
  CHECK(login.hear("235 2.7.0 welcome").empty());
  CHECK(login.the_event().kind == Event::Kind::ready);
}

TEST_CASE("LOGIN and SCRAM take turns with the host") {
  Login login({Mechanism::login});
  CHECK(login.greet("AUTH LOGIN") == "AUTH LOGIN\r\n");
  CHECK(login.hear("334 VXNlcm5hbWU6") == base64("user") + "\r\n");
  CHECK(login.hear("334 UGFzc3dvcmQ6") == base64("pencil") + "\r\n");
  CHECK(login.hear("235 yes").empty());
  CHECK(login.the_event().kind == Event::Kind::ready);

  Login scram({Mechanism::scram_sha_256, Mechanism::plain});
  CHECK(scram.greet("AUTH PLAIN SCRAM-SHA-256") ==
        "AUTH SCRAM-SHA-256 " + base64("n,,n=user,r=rOprNGfwEbeRWgbNEkqO") + "\r\n");
  CHECK(scram.hear("334 " + base64("r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
                                   "s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096")) ==
        base64("c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
               "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=") +
            "\r\n");
  CHECK(scram.hear("334 " + base64("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=")) == "\r\n");
  CHECK(scram.hear("235 yes").empty());
  CHECK(scram.the_event().kind == Event::Kind::ready);
}

TEST_CASE("a refused login delays, however final the reply") {
  for (const std::string reply :
       {"535 5.7.8 who are you?", "454 4.7.0 not now", "534 too weak", "503 5.5.1 bad"}) {
    Login login;
    (void)login.greet("AUTH PLAIN");
    CHECK(login.hear(reply).empty());
    const Event event = login.the_event();
    REQUIRE(event.kind == Event::Kind::closed);
    const auto outcome = verdict(event.trouble, {"relay.net", "192.0.2.1"}, true, {});
    CHECK(outcome.action == spool::Action::delayed);
    CHECK(outcome.source == spool::Source::remote);
    CHECK(outcome.diagnostic_code == "smtp; " + reply);
    CHECK(outcome.status.starts_with("4."));
    if (reply.starts_with("534")) CHECK(outcome.status == "4.7.8");
  }
}

TEST_CASE("nothing is said where no login is possible, and it is our policy") {
  const auto refused = [](Login& login, std::string_view offer) {
    CHECK(login.greet(offer).empty());
    const Event event = login.the_event();
    REQUIRE(event.kind == Event::Kind::closed);
    const auto outcome = verdict(event.trouble, {"relay.net", "192.0.2.1"}, true, {});
    CHECK(outcome.action == spool::Action::delayed);
    CHECK(outcome.source == spool::Source::policy);
    CHECK(outcome.status == "4.7.8");
  };
  Login in_clear({Mechanism::plain}, false);
  refused(in_clear, "AUTH PLAIN");
  Login other({Mechanism::plain});
  refused(other, "AUTH GSSAPI CRAM-MD5");
  Login none({Mechanism::plain});
  refused(none, "SIZE");
}

TEST_CASE("a host that has not proved itself in SCRAM gets no mail") {
  Login login({Mechanism::scram_sha_256});
  (void)login.greet("AUTH SCRAM-SHA-256");
  (void)login.hear("334 " + base64("r=rOprNGfwEbeRWgbNEkqOx,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"));
  SECTION("as it says 235 at once") { CHECK(login.hear("235 2.7.0 welcome").empty()); }
  SECTION("as its signature is another one") {
    CHECK(login.hear("334 " + base64("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=")).empty());
  }
  SECTION("as its challenge is no base64") { CHECK(login.hear("334 ???").empty()); }
  const Event event = login.the_event();
  REQUIRE(event.kind == Event::Kind::closed);
  CHECK(event.trouble.kind == Trouble::Kind::no_entry);
}

TEST_CASE("no trouble of a login tells what was said in it") {
  for (const Mechanism mechanism :
       {Mechanism::plain, Mechanism::login, Mechanism::xoauth2, Mechanism::scram_sha_256}) {
    Login login({mechanism});
    (void)login.greet("AUTH PLAIN LOGIN XOAUTH2 SCRAM-SHA-256");
    (void)login.hear("334 ");
    (void)login.hear("334 ");
    (void)login.hear("535 5.7.8 no");
    while (const auto event = login.client.next_event()) {
      for (const char* secret : {"pencil", "ya29"}) {
        CHECK(event->trouble.text.find(secret) == std::string::npos);
        CHECK(event->trouble.text.find(base64(secret)) == std::string::npos);
      }
    }
  }
}
