// Both sides of TLS in memory: ours, and a mail host's with certificates of all kinds.
#include "spool/digest.h"
#include "tests/tls/authority.h"
#include "tests/tls/peer.h"
#include "transport/tls/channel.h"

#include <catch2/catch.hpp>
#include <openssl/ssl.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>

using namespace bulkmail;
using namespace bulkmail::transport;
using State = TlsChannel::State;
using test::Authority;
using test::TlsHost;
using test::TlsPeer;

namespace {

constexpr auto* name = "mx1.d1.example";

std::string sha256(std::string_view octets) {
  const auto digest = spool::sha256(octets);
  return {reinterpret_cast<const char*>(digest.data()), digest.size()};
}

// Trusts the tests' authority and nobody else.
std::shared_ptr<const TlsContexts> contexts_trusting(const Authority& authority) {
  const auto file =
      std::filesystem::temp_directory_path() / ("bulkmail-test-ca-" + std::to_string(::getpid()));
  std::ofstream(file) << test::pem(authority.certificate());
  auto contexts = TlsContexts::make(file.string());
  std::filesystem::remove(file);
  REQUIRE(contexts);
  return *contexts;
}

struct Bench {
  Authority authority;
  std::shared_ptr<const TlsContexts> contexts = contexts_trusting(authority);
  TicketStore store;
  Monotonic now{};
};

TlsPolicy policy_of(TlsLevel level) {
  return {.level = level, .server_name = name, .names = {name}, .tlsa = {}};
}

TlsPolicy dane(std::uint8_t usage, std::uint8_t selector, std::uint8_t matching_type, std::string data) {
  TlsPolicy policy = policy_of(TlsLevel::dane);
  policy.tlsa = {{usage, selector, matching_type, std::move(data)}};
  return policy;
}

// One connection.
struct Pair {
  Bench& bench;
  TlsChannel client;
  TlsPeer peer;

  Pair(Bench& with, const TlsHost& host, const TlsPolicy& policy)
      : bench(with),
        client(with.contexts, policy, {with.store, ticket_key(name, 25, policy)}, with.now),
        peer(host) {}

  // Until neither has anything to say; `step` octets at a time.
  void pump(std::size_t step = SIZE_MAX) {
    for (;;) {
      const std::string there = client.take_output();
      const std::string back = (peer.receive(there), peer.take_output());
      if (there.empty() && back.empty()) return;
      for (std::size_t at = 0; at < back.size(); at += std::min(step, back.size() - at))
        client.receive(std::string_view(back).substr(at, step), bench.now);
    }
  }
};

} // namespace

TEST_CASE("tls: without authentication any certificate does, and what it proves is told") {
  Bench bench;
  const auto identity =
      GENERATE_REF(bench.authority.valid({name}), Authority::self_signed({name}),
                   bench.authority.expired({name}), bench.authority.valid({"other.example"}));
  for (const TlsLevel level : {TlsLevel::opportunistic, TlsLevel::encrypt}) {
    TlsHost host(identity);
    Pair pair(bench, host, policy_of(level));
    pair.pump();
    REQUIRE(pair.client.state() == State::open);
    CHECK(pair.client.info().version == "TLSv1.3");
    CHECK(pair.client.info().cipher == "TLS_AES_256_GCM_SHA384");
    CHECK(pair.client.info().policy == to_string(level));
    CHECK(pair.peer.server_name() == name);
  }
}

TEST_CASE("tls: verified says what the trust store says, under opportunistic too") {
  Bench bench;
  const auto verified = [&](const test::Identity& identity) {
    TlsHost host(identity);
    Pair pair(bench, host, policy_of(TlsLevel::opportunistic));
    bench.store = {};
    pair.pump();
    REQUIRE(pair.client.state() == State::open);
    return pair.client.info().verified;
  };
  CHECK(verified(bench.authority.valid({name})));
  CHECK(verified(bench.authority.valid({"x.example", "*.d1.example"})));
  CHECK_FALSE(verified(Authority::self_signed({name})));
  CHECK_FALSE(verified(bench.authority.expired({name})));
  CHECK_FALSE(verified(bench.authority.valid({"other.example"})));
}

TEST_CASE(
    "tls: a certificate that has to hold and does not fails the handshake, and nothing was said in it") {
  Bench bench;
  const TlsLevel level = GENERATE(TlsLevel::require, TlsLevel::mta_sts);
  const auto problem = [&](const test::Identity& identity) {
    TlsHost host(identity);
    Pair pair(bench, host, policy_of(level));
    pair.pump();
    pair.client.write("EHLO relay.example\r\n");
    pair.pump();
    CHECK(pair.peer.take_plaintext().empty());
    CHECK((pair.client.state() == State::failed) == !pair.client.problem().empty());
    return pair.client.problem();
  };
  CHECK(problem(Authority::self_signed({name})) == "the certificate does not hold: self-signed certificate");
  CHECK(problem(bench.authority.expired({name})) == "the certificate does not hold: certificate has expired");
  CHECK(problem(bench.authority.valid({"other.example"})) ==
        "the certificate does not hold: hostname mismatch");
  CHECK(problem(Authority().valid({name})) ==
        "the certificate does not hold: unable to get local issuer certificate");
}

TEST_CASE("tls: a certificate that holds: verified, by name or by address") {
  Bench bench;
  TlsHost host(bench.authority.valid({name, "192.0.2.1"}));
  TlsPolicy policy = policy_of(GENERATE(TlsLevel::require, TlsLevel::mta_sts));
  if (GENERATE(false, true)) {
    policy.names = {"192.0.2.1"};
    policy.server_name.clear();
  }
  Pair pair(bench, host, policy);
  pair.pump();
  REQUIRE(pair.client.state() == State::open);
  CHECK(pair.client.info().verified);
  CHECK(pair.client.info().policy == to_string(policy.level));
}

TEST_CASE("tls: DANE takes what a record matches, whoever signed it") {
  Bench bench;
  const auto open = [&](const test::Identity& identity, const TlsPolicy& policy,
                        const test::CertificatePointer& chain = nullptr) {
    TlsHost host(identity, TlsHost::Versions::any, chain);
    Pair pair(bench, host, policy);
    pair.pump();
    const bool is_open = pair.client.state() == State::open;
    if (is_open)
      CHECK(pair.client.info() == spool::TlsInfo{"TLSv1.3", "TLS_AES_256_GCM_SHA384", "dane", true});
    return is_open;
  };
  const auto own = Authority::self_signed({"what.ever.example"});
  const auto expired = bench.authority.expired({"what.ever.example"});
  CHECK(open(own, dane(3, 0, 0, certificate_data(own))));
  CHECK(open(own, dane(3, 1, 0, public_key_data(own))));
  CHECK(open(own, dane(3, 0, 1, sha256(certificate_data(own)))));
  CHECK(open(own, dane(3, 1, 1, sha256(public_key_data(own)))));
  CHECK(open(expired, dane(3, 1, 1, sha256(public_key_data(expired)))));

  const Authority other; // in no trust store
  const test::Identity root{other.certificate(), nullptr};
  const auto authority = [&](std::uint8_t selector) {
    return dane(2, selector, 1, sha256(selector == 0 ? certificate_data(root) : public_key_data(root)));
  };
  CHECK(open(other.valid({name}), authority(0), other.certificate()));
  CHECK(open(other.valid({name}), authority(1), other.certificate()));
  CHECK_FALSE(open(other.valid({"what.ever.example"}), authority(0), other.certificate()));
  CHECK_FALSE(open(other.expired({name}), authority(0), other.certificate()));

  // What the trust store vouches for, but no record.
  CHECK_FALSE(open(bench.authority.valid({name}), dane(3, 1, 1, sha256("something else"))));
  CHECK_FALSE(open(bench.authority.valid({name}), authority(0)));
}

TEST_CASE("tls: with one record for the old key and one for the new both certificates do") {
  Bench bench;
  const auto before = Authority::self_signed({name}), after = Authority::self_signed({name});
  TlsPolicy policy = dane(3, 1, 1, sha256(public_key_data(before)));
  policy.tlsa.push_back({3, 1, 1, sha256(public_key_data(after))});
  for (const auto& identity : {before, after}) {
    TlsHost host(identity);
    Pair pair(bench, host, policy);
    pair.pump();
    CHECK(pair.client.state() == State::open);
  }
}

TEST_CASE("tls: records that can't be read at all ask for encryption, not for proof") {
  Bench bench;
  TlsHost host(Authority::self_signed({name}));
  Pair pair(bench, host, dane(3, 1, 1, "too short"));
  pair.pump();
  REQUIRE(pair.client.state() == State::open);
  CHECK(pair.client.info().policy == "encrypt");
}

TEST_CASE("tls: whatever the pieces in which octets come, plaintext is the same") {
  Bench bench;
  TlsHost host(bench.authority.valid({name}), GENERATE(TlsHost::Versions::any, TlsHost::Versions::only_1_2));
  const std::size_t step = GENERATE(1, 7, 1000, SIZE_MAX);
  Pair pair(bench, host, policy_of(TlsLevel::require));
  pair.pump(step);
  REQUIRE(pair.client.state() == State::open);
  std::string text;
  for (int i = 0; i < 5000; ++i) text += "line " + std::to_string(i) + "\r\n";
  pair.client.write(text);
  pair.pump(step);
  CHECK(pair.peer.take_plaintext() == text);
  pair.peer.write(text);
  pair.pump(step);
  CHECK(pair.client.take_plaintext() == text);
  pair.peer.write("221 bye\r\n");
  pair.peer.end();
  pair.pump(step);
  CHECK(pair.client.take_plaintext() == "221 bye\r\n");
  CHECK(pair.client.state() == State::ended);
}

TEST_CASE("tls: cut anywhere in the handshake it is not open, and nothing has failed yet") {
  Bench bench;
  TlsHost host(bench.authority.valid({name}));
  std::string flight;
  {
    Pair pair(bench, host, policy_of(TlsLevel::require));
    pair.peer.receive(pair.client.take_output());
    flight = pair.peer.take_output();
  }
  for (std::size_t cut = 0; cut < flight.size(); ++cut) {
    Pair pair(bench, host, policy_of(TlsLevel::require));
    pair.peer.receive(pair.client.take_output());
    const std::string own = pair.peer.take_output(); // its length varies with its signature's
    pair.client.receive(std::string_view(own).substr(0, std::min(cut, own.size() - 1)), bench.now);
    REQUIRE(pair.client.state() == State::handshake);
  }
}

TEST_CASE("tls: what is no TLS, too old or spoilt fails with a reason") {
  Bench bench;
  {
    TlsHost host(bench.authority.valid({name}));
    Pair pair(bench, host, policy_of(TlsLevel::opportunistic));
    pair.client.receive("220 mx1.d1.example ESMTP\r\n", bench.now);
    CHECK(pair.client.state() == State::failed);
    CHECK(pair.client.problem() == "TLS handshake failed: wrong version number");
  }
  {
    TlsHost host(bench.authority.valid({name}), TlsHost::Versions::only_1_0);
    Pair pair(bench, host, policy_of(TlsLevel::opportunistic));
    pair.pump();
    CHECK(pair.client.state() == State::failed);
    CHECK_FALSE(pair.peer.open());
  }
  {
    TlsHost host(bench.authority.valid({name}));
    Pair pair(bench, host, policy_of(TlsLevel::opportunistic));
    pair.pump();
    pair.peer.write("250 Ok\r\n");
    std::string record = pair.peer.take_output();
    record.back() = static_cast<char>(record.back() ^ 1);
    pair.client.receive(record, bench.now);
    CHECK(pair.client.state() == State::failed);
    CHECK(pair.client.problem() == "TLS failed: decryption failed or bad record mac");
    CHECK(pair.client.take_plaintext().empty());
  }
}

TEST_CASE("tls: a ticket resumes a session, one of TLS 1.3 only once") {
  Bench bench;
  const auto versions = GENERATE(TlsHost::Versions::any, TlsHost::Versions::only_1_2);
  TlsHost host(bench.authority.valid({name}), versions);
  const TlsPolicy policy = policy_of(TlsLevel::require);
  const auto session = [&] {
    Pair pair(bench, host, policy);
    pair.pump();
    REQUIRE(pair.client.state() == State::open);
    CHECK(pair.client.info().verified);
    CHECK(pair.client.resumed() == pair.peer.resumed());
    return pair.client.resumed();
  };
  CHECK_FALSE(session());
  CHECK(bench.store.size() == (versions == TlsHost::Versions::any ? 2 : 1));
  CHECK(session());
  CHECK(session());
  bench.now += TicketStore::keep;
  CHECK_FALSE(session());
}

TEST_CASE("tls: no ticket is used where the policy or a TLSA record is not what it was") {
  Bench bench;
  const auto identity = bench.authority.valid({name});
  TlsHost host(identity);
  const auto resumes = [&](const TlsPolicy& policy) {
    Pair pair(bench, host, policy);
    pair.pump();
    return pair.client.resumed();
  };
  CHECK_FALSE(resumes(policy_of(TlsLevel::opportunistic)));
  CHECK(resumes(policy_of(TlsLevel::opportunistic)));
  CHECK_FALSE(resumes(policy_of(TlsLevel::require)));
  const TlsPolicy matching = dane(3, 1, 1, sha256(public_key_data(identity)));
  CHECK_FALSE(resumes(matching));
  CHECK(resumes(matching));
  Pair changed(bench, host, dane(3, 1, 1, sha256("another key")));
  changed.pump();
  CHECK(changed.client.state() == State::failed);
}

TEST_CASE("tls: tickets are bounded, a host's and all") {
  Bench bench;
  TlsHost host(bench.authority.valid({name}));
  const TlsPolicy policy = policy_of(TlsLevel::encrypt);
  Pair(bench, host, policy).pump();
  const SslSessionPointer ticket = bench.store.take(ticket_key(name, 25, policy), bench.now);
  REQUIRE(ticket);
  const auto copy = [&] {
    SSL_SESSION_up_ref(ticket.get());
    return SslSessionPointer(ticket.get());
  };
  TicketStore store;
  const auto key = [](std::size_t i) { return ticket_key("mx" + std::to_string(i) + ".example", 25, {}); };
  for (std::size_t i = 0; i < 2 * TicketStore::max_a_host; ++i) store.add(key(0), copy(), bench.now);
  CHECK(store.size() == TicketStore::max_a_host);
  for (std::size_t i = 1; i <= TicketStore::max_tickets; ++i) store.add(key(i), copy(), bench.now);
  CHECK(store.size() == TicketStore::max_tickets);
  CHECK(store.take(key(0), bench.now) == nullptr); // the oldest went first
  CHECK(store.take(key(1), bench.now) != nullptr);
  CHECK(store.take(key(1), bench.now) == nullptr);
  CHECK(store.take(ticket_key("mx2.example", 465, {}), bench.now) == nullptr);
}

TEST_CASE("tls: a trust store that can't be read is told of") {
  CHECK(TlsContexts::make("/nowhere/ca.pem").error() ==
        "can't read /nowhere/ca.pem: No such file or directory");
  const auto file =
      std::filesystem::temp_directory_path() / ("bulkmail-test-no-ca-" + std::to_string(::getpid()));
  std::ofstream(file) << "hello\n";
  CHECK(TlsContexts::make(file.string()).error().starts_with("no certificates in "));
  std::filesystem::remove(file);
  CHECK(TlsContexts::make(""));
}
