#include "spool/packed_facts.h"

#include <catch2/catch.hpp>

#include <chrono>
#include <random>
#include <thread>
#include <vector>

using namespace bulkmail::spool;
using bulkmail::milliseconds;
using bulkmail::Wall;

namespace {

// Facts with everything in them or nothing, by chance; whoever adds a field fills it here.
class Writer {
 public:
  explicit Writer(unsigned seed) : random_(seed) {}

  MessageFacts facts(std::size_t most_recipients) {
    MessageFacts facts;
    facts.number = number();
    facts.id = text(1);
    facts.name = maybe() ? facts.id : text(1);
    for (auto& byte : facts.digest) byte = static_cast<std::uint8_t>(random_());
    facts.stamp = {number(), static_cast<std::int64_t>(number()), number()};
    facts.content = {number(), number(), maybe()};
    facts.size = number();
    if (maybe()) facts.message_id = text(3);
    facts.eight_bit = maybe();
    facts.arrival_date = Wall(milliseconds(1'700'000'000'000 + static_cast<std::int64_t>(number() >> 32)));
    facts.envelope = envelope(random_() % (most_recipients + 1));
    return facts;
  }

 private:
  bool maybe() { return random_() % 2 == 0; }

  std::uint64_t number() { return (std::uint64_t{random_()} << 32 | random_()) >> random_() % 64; }

  std::string text(std::size_t shortest) {
    std::string text(shortest + random_() % 60, ' ');
    for (char& c : text) c = static_cast<char>(random_());
    return text;
  }

  Envelope envelope(std::size_t recipients) {
    EnvelopeBuilder builder;
    if (maybe()) builder.sender(text(0));
    while (builder.size() < recipients) {
      const Notify notify{maybe(), maybe(), maybe(), maybe(), maybe()};
      const std::string address = maybe() ? text(0) : "r" + std::to_string(random_()) + "@example.org";
      if (maybe())
        builder.recipient(address, notify, maybe() ? text(0) : std::string(), fields(builder));
      else
        builder.recipient(address);
    }
    Envelope envelope = builder.take();
    envelope.body = static_cast<Body>(random_() % 4);
    envelope.ret = static_cast<Ret>(random_() % 3);
    envelope.smtp_utf8 = maybe();
    envelope.require_tls = maybe();
    envelope.merge = maybe();
    if (maybe()) envelope.mt_priority = static_cast<int>(random_() % 19) - 9;
    if (maybe()) envelope.declared_size = number();
    if (maybe()) envelope.envid = text(0);
    if (maybe()) envelope.verp = Verp{static_cast<char>(random_()), static_cast<char>(random_())};
    return envelope;
  }

  std::vector<MergeField> fields(EnvelopeBuilder& builder) {
    static constexpr std::string_view names[] = {"name", "token", "town"};
    std::vector<MergeField> fields;
    for (const std::string_view name : names)
      if (maybe()) fields.push_back({name, maybe() ? "J\xc3\xb6rg" : ""});
    REQUIRE(builder.name_fields(fields));
    return fields;
  }

  std::mt19937 random_;
};

MessageFacts usual_facts() {
  EnvelopeBuilder builder;
  builder.sender("list-bounces@example.org");
  builder.recipient("somebody.1234@d123.example");
  MessageFacts facts;
  facts.number = 123'456;
  facts.id = facts.name = "20261124T080054.123-1a2b-00000001";
  facts.stamp = {1'234'567, 1'764'000'000'123'456'789, 2'345};
  facts.content = {120, 2'220, true};
  facts.size = 2'280;
  facts.message_id = "<20261124080054.123.1234@relay.example>";
  facts.arrival_date = Wall(milliseconds(1'764'000'000'150));
  facts.envelope = builder.take();
  return facts;
}

} // namespace

TEST_CASE("facts come out of their package as they went in") {
  for (unsigned seed = 0; seed < 3'000; ++seed) {
    const MessageFacts facts = Writer(seed).facts(seed % 2 == 0 ? 1 : 12);
    const PackedFacts packed(facts);
    INFO("seed " << seed);
    REQUIRE(*packed.unpack() == facts);
    REQUIRE(packed.number() == facts.number);
    REQUIRE(packed.digest() == facts.digest);
    REQUIRE(packed.id() == facts.id);
    REQUIRE(packed.sender() == facts.envelope.sender());
    REQUIRE(packed.recipients() == facts.envelope.size());
  }
}

TEST_CASE("an envelope or facts that have grown are filled in this file and packed") {
  // Whoever adds a field comes here: it is to be packed, filled by the Writer above, and counted in.
  CHECK(sizeof(MessageFacts) - sizeof(Envelope) == 208);
  CHECK(sizeof(Envelope) == 208);
}

TEST_CASE("the facts of a list post are shared, not copied") {
  EnvelopeBuilder builder;
  for (int n = 0; n < 9; ++n) builder.recipient("r" + std::to_string(n) + "@example.org");
  auto facts = std::make_shared<MessageFacts>();
  facts->envelope = builder.take();
  const PackedFacts packed(facts);
  CHECK(packed.unpack() == facts);
}

TEST_CASE("packed facts outlive each of their handles, whatever thread has them") {
  std::vector<std::thread> threads;
  {
    const PackedFacts packed(usual_facts());
    for (int n = 0; n < 4; ++n)
      threads.emplace_back([packed] {
        for (int i = 0; i < 1'000; ++i) {
          PackedFacts copy = packed;
          PackedFacts other = std::move(copy);
          copy = other;
          if (copy.unpack()->envelope.size() != 1) std::abort();
        }
      });
  }
  for (auto& thread : threads) thread.join();
}

TEST_CASE("packed facts of one recipient are small and quick to unpack") {
  const PackedFacts packed(usual_facts());
  CHECK(packed.memory() <= 256);

  constexpr int rounds = 20'000;
  const auto start = std::chrono::steady_clock::now();
  std::size_t seen = 0;
  for (int n = 0; n < rounds; ++n) seen += packed.unpack()->envelope.size();
  const std::chrono::duration<double, std::micro> taken = std::chrono::steady_clock::now() - start;
  CHECK(seen == rounds);
  WARN("packed facts: " << packed.memory() << " bytes, unpacked in " << taken.count() / rounds << " us");
}
