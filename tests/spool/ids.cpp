#include "spool/drop/ids.h"

#include <catch2/catch.hpp>

#include <map>
#include <random>

using namespace bulkmail::spool;

namespace {

PackedFacts message_named(const std::string& id, std::uint64_t number) {
  MessageFacts facts;
  facts.number = number;
  facts.id = id;
  facts.digest[0] = static_cast<std::uint8_t>(number);
  return PackedFacts(std::move(facts));
}

} // namespace

TEST_CASE("ids are taken and free as a map would have them, however many come and go") {
  std::mt19937 random(1);
  Ids ids;
  std::map<std::string, std::uint64_t> model;
  for (int step = 0; step < 60'000; ++step) {
    // Growing, then shrinking, then growing again.
    const bool more = (step / 20'000) % 2 == 0 ? random() % 4 != 0 : random() % 4 == 0;
    const std::string id = "m" + std::to_string(random() % 20'000);
    if (more) {
      const std::uint64_t number = random();
      ids.take(message_named(id, number));
      model[id] = number;
    } else {
      ids.release(id);
      model.erase(id);
    }
    const std::string probe = "m" + std::to_string(random() % 20'000);
    const auto known = model.find(probe);
    REQUIRE(ids.find(probe).has_value() == (known != model.end()));
    if (known != model.end()) {
      REQUIRE(ids.number(probe) == known->second);
      REQUIRE((*ids.find(probe))[0] == static_cast<std::uint8_t>(known->second));
    }
  }
}

TEST_CASE("an id may be taken by a file that is no message, until a message has it or it is released") {
  Ids ids;
  const Digest digest{1, 2, 3};
  ids.take("a", digest);
  CHECK(ids.find("a") == digest);
  CHECK_FALSE(ids.number("a"));
  ids.take(message_named("a", 7));
  CHECK(ids.number("a") == 7);
  ids.release("a");
  CHECK_FALSE(ids.find("a"));
  ids.take("b", digest);
  ids.release("b");
  CHECK_FALSE(ids.find("b"));
}
