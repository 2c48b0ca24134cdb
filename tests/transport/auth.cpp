// The mechanisms of AUTH, by the examples of their documents, and what they do with servers that lie.
#include "transport/auth/exchange.h"
#include "transport/auth/scram.h"

#include <catch2/catch.hpp>

using namespace bulkmail::transport;

namespace {

Credentials someone() { return {.username = "tim", .password = "tanstaaftanstaaf", .token = "ya29.x"}; }

// RFC 7677 §3.
const Credentials user{.username = "user", .password = "pencil", .token = {}};
constexpr const char* client_nonce = "rOprNGfwEbeRWgbNEkqO";
constexpr const char* server_first =
    "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";

} // namespace

TEST_CASE("PLAIN says name and password at once") { // RFC 4616 §4
  const auto who = someone();
  const auto plain = begin(Mechanism::plain, who, "n");
  CHECK(plain->first() == std::string("\0tim\0tanstaaftanstaaf", 21));
  CHECK_FALSE(plain->answer("more"));
}

TEST_CASE("LOGIN is asked for the one and then for the other") {
  const auto who = someone();
  const auto login = begin(Mechanism::login, who, "n");
  CHECK_FALSE(login->first());
  CHECK(login->answer("Username:") == "tim");
  CHECK(login->answer("Password:") == "tanstaaftanstaaf");
  CHECK_FALSE(login->answer("Again:"));
}

TEST_CASE("XOAUTH2 shows its token, and answers a refusal with nothing") {
  const auto who = someone();
  const auto oauth = begin(Mechanism::xoauth2, who, "n");
  CHECK(oauth->first() == std::string("user=tim\x01"
                                      "auth=Bearer ya29.x\x01\x01"));
  CHECK(oauth->satisfied());
  CHECK(oauth->answer("{\"status\":\"401\"}") == "");
  CHECK_FALSE(oauth->satisfied());
}

TEST_CASE("SCRAM-SHA-256 speaks as in its document's example") {
  const auto scram = begin(Mechanism::scram_sha_256, user, client_nonce);
  CHECK(scram->first() == "n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
  CHECK(scram->answer(server_first) == "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
                                       "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=");
  CHECK_FALSE(scram->satisfied());
  CHECK(scram->answer("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=") == "");
  CHECK(scram->satisfied());
}

TEST_CASE("SCRAM believes no server that does not know the password") {
  const auto begun = [] {
    auto scram = begin(Mechanism::scram_sha_256, user, client_nonce);
    (void)scram->first();
    return scram;
  };
  for (const char* lie :
       {"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95H4=", "v=", "e=other-error", "", "x", "v=6rriTRBi"}) {
    const auto scram = begun();
    REQUIRE(scram->answer(server_first));
    INFO(lie);
    CHECK_FALSE(scram->answer(lie));
    CHECK_FALSE(scram->satisfied());
    CHECK_FALSE(scram->answer("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=")); // no second chance
  }
  // A server that skips its proof.
  const auto skipped = begun();
  REQUIRE(skipped->answer(server_first));
  CHECK_FALSE(skipped->satisfied());
  for (const char* first :
       {"r=other,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
        "r=rOprNGfwEbeRWgbNEkqO,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096", "r=rOprNGfwEbeRWgbNEkqOx,s=,i=4096",
        "r=rOprNGfwEbeRWgbNEkqOx,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=0",
        "r=rOprNGfwEbeRWgbNEkqOx,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=-1",
        "r=rOprNGfwEbeRWgbNEkqOx,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4294967295",
        "r=rOprNGfwEbeRWgbNEkqOx,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096x",
        "m=ext,r=rOprNGfwEbeRWgbNEkqOx,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096", "s=x", "", ","}) {
    INFO(first);
    CHECK_FALSE(begun()->answer(first));
  }
}

TEST_CASE("a user's name is escaped in SCRAM") {
  const Credentials odd{.username = "a=b,c", .password = "p", .token = {}};
  CHECK(begin(Mechanism::scram_sha_256, odd, "n")->first() == "n,,n=a=3Db=2Cc,r=n");
}

TEST_CASE("the strongest mechanism that can be is chosen") {
  const std::vector<std::string> all{"LOGIN", "PLAIN", "XOAUTH2", "SCRAM-SHA-256"};
  auto who = someone();
  CHECK(choose(all, who) == Mechanism::scram_sha_256);
  CHECK(choose(std::vector<std::string>{"LOGIN", "PLAIN"}, who) == Mechanism::plain);
  CHECK_FALSE(choose(std::vector<std::string>{"GSSAPI", "CRAM-MD5"}, who));
  who.allowed = {Mechanism::login};
  CHECK(choose(all, who) == Mechanism::login);
  who = someone();
  who.password.clear();
  CHECK(choose(all, who) == Mechanism::xoauth2);
  CHECK_FALSE(choose(std::vector<std::string>{"LOGIN", "PLAIN", "SCRAM-SHA-256"}, who));
}
