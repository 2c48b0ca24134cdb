#include "spool/number_table.h"

#include <catch2/catch.hpp>

#include <map>
#include <memory>
#include <random>
#include <vector>

using namespace bulkmail::spool;

TEST_CASE("a table by numbers has what a map would have") {
  for (unsigned seed = 0; seed < 20; ++seed) {
    std::mt19937 random(seed);
    NumberTable<std::unique_ptr<std::uint64_t>> table;
    std::map<std::uint64_t, std::uint64_t> model;
    std::uint64_t next = 1;
    for (int step = 0; step < 3'000; ++step) {
      if (random() % 3 != 0) {
        const std::uint64_t number =
            random() % 8 == 0 ? random() % (2 * next) : next += random() % (1 + seed * 20);
        table.insert(number, std::make_unique<std::uint64_t>(step));
        model[number] = static_cast<std::uint64_t>(step);
      } else if (!model.empty()) {
        const auto victim = model.lower_bound(random() % (next + 1));
        const std::uint64_t number = victim == model.end() ? next + 1'000'000 : victim->first;
        REQUIRE(table.erase(number) == (model.erase(number) == 1));
      }
      const std::uint64_t probe = random() % (next + 2);
      const auto* const found = table.find(probe);
      REQUIRE((found != nullptr) == model.contains(probe));
      if (found != nullptr) REQUIRE(**found == model[probe]);
      REQUIRE(table.size() == model.size());
    }
    std::map<std::uint64_t, std::uint64_t> all;
    table.for_each([&](std::uint64_t number, const auto& value) { all[number] = *value; });
    REQUIRE(all == model);
    std::vector<std::uint64_t> visited;
    table.visit(next / 2, [&](std::uint64_t number, const auto&) {
      visited.push_back(number);
      return visited.size() < 10;
    });
    std::vector<std::uint64_t> expected;
    for (auto at = model.lower_bound(next / 2); at != model.end() && expected.size() < 10; ++at)
      expected.push_back(at->first);
    REQUIRE(visited == expected);
  }
}

TEST_CASE("an empty table has nothing") {
  NumberTable<int> table;
  CHECK(table.empty());
  CHECK(table.find(0) == nullptr);
  CHECK_FALSE(table.erase(64));
  CHECK_FALSE(table.contains(1));
}
