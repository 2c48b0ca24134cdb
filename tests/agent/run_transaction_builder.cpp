#include "agent/run/transaction_builder.h"

#include <catch2/catch.hpp>

using namespace bulkmail;
using namespace bulkmail::agent;

namespace {

spool::MessageFacts facts_for(const std::string& sender, const std::vector<std::string>& recipients) {
  spool::EnvelopeBuilder builder;
  builder.sender(sender);
  for (const auto& recipient : recipients) builder.recipient(recipient);
  spool::MessageFacts facts;
  facts.envelope = builder.take();
  return facts;
}

BuiltTransaction build(const spool::MessageFacts& facts, bool smtp_utf8) {
  transport::Offer offer;
  offer.smtp_utf8 = smtp_utf8;
  std::vector<std::uint32_t> all;
  for (std::uint32_t i = 0; i < facts.envelope.size(); ++i) all.push_back(i);
  return build_transaction(facts, all, offer);
}

} // namespace

TEST_CASE("A host without SMTPUTF8 gets an ASCII local part with the A-label of its domain") {
  const auto built = build(facts_for("a@example.org", {"ann@bücher.example", "bob@d1.example"}), false);
  CHECK(built.unsuitable.empty());
  REQUIRE(built.transaction.recipients.size() == 2);
  CHECK(built.transaction.recipients[0].address == "ann@xn--bcher-kva.example");
  CHECK_FALSE(built.transaction.needs_smtp_utf8);
}

TEST_CASE("A local part that is not ASCII fails alone at a host without SMTPUTF8") {
  const auto built = build(facts_for("a@example.org", {"jürgen@d1.example", "bob@d1.example"}), false);
  REQUIRE(built.unsuitable.size() == 2);
  REQUIRE(built.unsuitable[0]);
  CHECK(built.unsuitable[0]->enhanced == "5.6.7");
  CHECK_FALSE(built.unsuitable[1]);
  CHECK(built.transaction.recipients.size() == 1);
}

TEST_CASE("A host with SMTPUTF8 gets addresses as they are, and the parameter") {
  const auto built = build(facts_for("a@example.org", {"jürgen@bücher.example"}), true);
  CHECK(built.unsuitable.empty());
  CHECK(built.transaction.recipients[0].address == "jürgen@bücher.example");
  CHECK(built.transaction.needs_smtp_utf8);
}

TEST_CASE("A sender that is not ASCII makes all recipients unsuitable for a host without SMTPUTF8") {
  const auto built = build(facts_for("jürgen@example.org", {"ann@d1.example", "bob@d1.example"}), false);
  REQUIRE(built.unsuitable.size() == 2);
  CHECK(built.unsuitable[0]);
  CHECK(built.unsuitable[1]);
}
