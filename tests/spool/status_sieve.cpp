// Ids whose status is known not to be there are free without a look at the disk, and no status is ever missed.
#include "spool/drop/status_sieve.h"

#include "spool/digest.h"
#include "spool/drop/claim.h"
#include "spool/layout.h"
#include "spool/status/status.h"
#include "tests/simulation/memory_disk.h"

#include <catch2/catch.hpp>
#include <fmt/format.h>

#include <string>
#include <thread>

using namespace bulkmail;
using namespace bulkmail::spool;
using simulation::MemoryDisk;
using Operation = MemoryDisk::Operation;

namespace {

std::string drop_of(int n) {
  return fmt::format("MAIL FROM:<a@b>\nRCPT TO:<c@d>\nDATA\nSubject: {}\n\nbody\n.\n", n);
}

struct Spool {
  MemoryDisk disk;
  Ids ids;
  Claimer claimer{disk, ids, "relay.example"};
  Wall now{std::chrono::seconds(1'764'000'000)};
  int looks = 0, listings = 0; // at status files, of their folder

  Spool() {
    REQUIRE(make_spool_layout(disk));
    disk.set_fault([this](Operation operation, std::string_view path) {
      looks += operation == Operation::open_read && path.starts_with("status/");
      listings += operation == Operation::list && path == "status";
      return 0;
    });
  }

  ClaimAnswer claim(const std::string& name, const std::string& bytes) {
    disk.put("new/" + name, bytes);
    return claimer.claim(name, now);
  }

  void put_status(const std::string& id, const std::string& bytes) {
    disk.put(status_path(id), fmt::format(R"({{"serial":1,"final":true,"digest":"{}","recipients":[]}})",
                                          to_string(sha256(bytes))));
  }

  // As a publication does it.
  void close(const std::string& id, const std::string& bytes) {
    put_status(id, bytes);
    REQUIRE(disk.remove("cur/" + id));
    ids.release(id);
  }

  void claim_many(int from, int to) {
    for (int n = from; n < to; ++n)
      REQUIRE(std::holds_alternative<Claimed>(claim(fmt::format("m{}", n), drop_of(n))));
  }
};

} // namespace

TEST_CASE("A few claims look for each status, many list them once and look no more") {
  Spool spool;
  spool.claim_many(0, 100);
  CHECK(spool.looks == 100);
  CHECK(spool.listings == 0);
  spool.claim_many(100, 1'000);
  CHECK(spool.looks < 300);
  CHECK(spool.listings == 1);
}

TEST_CASE("With the names known, a status that was there or has come since still holds its id") {
  Spool spool;
  spool.put_status("before", drop_of(-1));
  spool.put_status("before-other", drop_of(-1));
  spool.claim_many(0, 1'000);
  REQUIRE(spool.listings == 1);
  spool.close("m0", drop_of(0));     // claimed before the listing
  spool.close("m999", drop_of(999)); // and after it
  for (const auto& [name, n] : {std::pair{"before", -1}, {"m0", 0}, {"m999", 999}}) {
    INFO(name);
    const auto answer = spool.claim(name, drop_of(n));
    REQUIRE(std::holds_alternative<Ignored>(answer));
    CHECK(std::get<Ignored>(answer).duplicate);
  }
  for (const std::string name : {"before-other", "m1"}) {
    const auto answer = spool.claim(name, drop_of(-2));
    REQUIRE(std::holds_alternative<Claimed>(answer));
    CHECK(std::get<Claimed>(answer).facts->id == name + "~1");
  }
}

TEST_CASE("With the names known, a refused drop's status holds its id, and a deleted status frees it") {
  Spool spool;
  spool.claim_many(0, 1'000);
  REQUIRE(std::holds_alternative<Refused>(spool.claim("bad", "no drop\n")));
  auto next = spool.claim("bad", drop_of(1));
  REQUIRE(std::holds_alternative<Claimed>(next));
  CHECK(std::get<Claimed>(next).facts->id == "bad~1");

  spool.close("m5", drop_of(5));
  REQUIRE(spool.disk.remove(status_path("m5")));
  next = spool.claim("m5", drop_of(5));
  REQUIRE(std::holds_alternative<Claimed>(next));
  CHECK(std::get<Claimed>(next).facts->id == "m5");
}

TEST_CASE("A folder that can't be listed is looked at name by name") {
  Spool spool;
  spool.disk.set_fault([](Operation operation, std::string_view path) {
    return operation == Operation::list && path == "status" ? EIO : 0;
  });
  spool.claim_many(0, 400);
  spool.close("m3", drop_of(3));
  CHECK(std::holds_alternative<Ignored>(spool.claim("m3", drop_of(3))));
}

TEST_CASE("A sieve knows all that was added, and little else") {
  StatusSieve sieve;
  CHECK(sieve.may_have("anything")); // it knows nothing yet
  sieve.add("before it begins");
  constexpr int many = 50'000;
  sieve.begin(many);
  CHECK(sieve.may_have("anything"));
  std::thread other([&] {
    for (int n = 0; n < many; n += 2) sieve.add(fmt::format("id-{}", n));
  });
  for (int n = 1; n < many; n += 2) sieve.add(fmt::format("id-{}", n));
  other.join();
  sieve.complete();
  int missing = 0, wrong = 0;
  for (int n = 0; n < many; ++n) {
    missing += !sieve.may_have(fmt::format("id-{}", n));
    wrong += sieve.may_have(fmt::format("other-{}", n));
  }
  CHECK(missing == 0);
  CHECK(wrong < many / 25);
  sieve.begin(0);
  sieve.complete();
  CHECK_FALSE(sieve.may_have("id-1"));
}
