// What people ordered, and the file that keeps it over a restart.
#include "agent/queue/holds.h"
#include "agent/run/order_file.h"
#include "spool/layout.h"
#include "tests/seeded_dice.h"
#include "tests/simulation/memory_disk.h"

#include <catch2/catch.hpp>

#include <cerrno>

using namespace bulkmail;
using namespace bulkmail::agent;
using Kind = Selector::Kind;
using simulation::MemoryDisk;

namespace {

constexpr std::string_view file = "state/holds";

Selector message(std::uint64_t number) { return {Kind::message, number, {}}; }

Selector sender(const std::string& text) { return {Kind::sender, 0, named_sender(text).value()}; }

Selector site(const std::string& text) { return {Kind::site, 0, named_site(text).value()}; }

spool::Envelope envelope(std::string_view from, const std::vector<std::string>& recipients) {
  spool::EnvelopeBuilder builder;
  builder.sender(from);
  for (const auto& recipient : recipients) builder.recipient(recipient);
  return builder.take();
}

StandingOrders many_orders() {
  StandingOrders orders;
  orders.hold({}, "");
  orders.hold(message(7), "news-7");
  orders.hold(sender("Ann@Example.ORG"), "");
  orders.hold(sender("<>"), "");
  orders.hold(site("10 mx1.d1.example,20 mx2.d1.example"), "");
  orders.cancel({}, "", {}, 3);
  orders.cancel(message(8), "news-8", {}, 9);
  orders.cancel(sender("*.spam.example"), "", {}, 9);
  orders.cancel(site("mx.d2.example"), "", {"d2.example", "d3.example"}, 9);
  return orders;
}

struct Rig {
  Rig() { REQUIRE(spool::make_spool_layout(disk)); }

  [[nodiscard]] spool::Result<StandingOrders> read() { return read_standing_orders(disk); }

  MemoryDisk disk;
};

} // namespace

TEST_CASE("standing orders are read as they were written") {
  Rig rig;
  CHECK(rig.read()->holds().empty());
  const auto orders = many_orders();
  REQUIRE(write_standing_orders(rig.disk, orders.serialise()));
  const auto read = rig.read();
  REQUIRE(read);
  CHECK(read->serialise() == orders.serialise());
  CHECK(read->holds() == orders.holds());
  CHECK(read->holds().size() == 5);
}

TEST_CASE("standing orders outlive a power cut once they are written, and one on the way leaves the old or "
          "the new") {
  for (const auto profile : {MemoryDisk::Profile::ordered, MemoryDisk::Profile::any}) {
    for (std::uint64_t change = 1; change < 12; ++change) {
      MemoryDisk disk(profile);
      REQUIRE(spool::make_spool_layout(disk));
      StandingOrders before, after = many_orders();
      before.hold(message(1), "first");
      REQUIRE(write_standing_orders(disk, before.serialise()));
      bool whole = false;
      disk.crash_at_change(disk.changes() + change);
      try {
        whole = write_standing_orders(disk, after.serialise()).has_value();
      } catch (const simulation::Crashed&) {
      }
      bulkmail::test::SeededDice dice(change);
      const auto later = disk.power_cut(dice);
      const auto read = read_standing_orders(*later);
      REQUIRE(read);
      CHECK((read->serialise() == after.serialise() || (!whole && read->serialise() == before.serialise())));
      REQUIRE(write_standing_orders(*later, after.serialise())); // whatever the crash left lying about
    }
  }
}

TEST_CASE("a file of standing orders that is torn, garbled or not ours is an error that says what to do") {
  Rig rig;
  const std::string good = many_orders().serialise();
  std::vector<std::string> bad{"", "\0\0\0\0", "[]", "{}", R"({"version":2})", R"({"version":1,"held":[]})"};
  for (std::size_t length = 1; length + 1 < good.size(); length += 13) bad.push_back(good.substr(0, length));
  for (const auto& text : bad) {
    rig.disk.put(file, text);
    const auto read = rig.read();
    REQUIRE_FALSE(read);
    CHECK_THAT(read.error().text, Catch::StartsWith("state/holds can't be read: "));
    CHECK_THAT(read.error().text, Catch::EndsWith("Mend it, or remove it to let all mail go"));
  }
}

TEST_CASE("a file of standing orders that can't be opened or read is no empty one") {
  Rig rig;
  rig.disk.put(file, StandingOrders().serialise());
  for (const auto operation : {MemoryDisk::Operation::open_read, MemoryDisk::Operation::read}) {
    rig.disk.set_fault(
        [&](MemoryDisk::Operation one, std::string_view) { return one == operation ? EIO : 0; });
    CHECK_FALSE(rig.read());
  }
}

TEST_CASE("an order that changes nothing says so") {
  StandingOrders orders;
  for (const auto& what : {Selector{}, message(7), sender("example.org"), site("mx.example")}) {
    CHECK_FALSE(orders.release(what));
    CHECK(orders.hold(what, "id"));
    CHECK_FALSE(orders.hold(what, "id"));
    CHECK(orders.release(what));
    CHECK(orders.holds().empty());
  }
  orders.hold(message(7), "seven");
  orders.hold(site("mx.example"), "");
  CHECK(orders.release({}));
  CHECK(orders.holds().empty());
  CHECK_FALSE(orders.forget_cancels());
}

TEST_CASE("a message is held by its number, by its sender, or with all others") {
  StandingOrders orders;
  orders.hold(message(7), "seven");
  orders.hold(sender("example.org"), "");
  CHECK(orders.holds_message(7, "x@other.example"));
  CHECK_FALSE(orders.holds_message(8, "x@other.example"));
  CHECK(orders.holds_message(8, "x@Example.Org"));
  CHECK_FALSE(orders.holds_message(8, "x@sub.example.org"));
  CHECK_FALSE(orders.holds_message(8, ""));
  orders.hold({}, "");
  CHECK(orders.holds_message(8, ""));
}

TEST_CASE("a Site has the hosts of its MX set, whole names alone, whether they have an address or not") {
  resolver::Route route;
  route.hosts.push_back({"mx1.example", 10, {}});
  route.unusable = {"a.mx2.example"};
  for (const auto* meant : {"group", "mx1.example", "a.mx2.example"})
    CHECK(means_site(meant, "group", route));
  for (const auto* other :
       {"", "mx2.example", "mx1", "x1.example", "10 mx1.example", "example", "a.mx2.exampl"})
    CHECK_FALSE(means_site(other, "group", route));
}

TEST_CASE("what has left the spool is forgotten, and its number held by nobody") {
  StandingOrders orders;
  orders.hold(message(7), "seven");
  orders.cancel(message(8), "eight", {}, 9);
  CHECK(orders.forget(7));
  CHECK_FALSE(orders.forget(7));
  CHECK(orders.forget(8));
  CHECK_FALSE(orders.forget_cancels());
  orders.hold(message(7), "seven");
  orders.hold(message(9), "nine");
  CHECK(orders.keep_only([](std::uint64_t number) { return number == 9; }));
  CHECK(orders.holds() == std::vector{message(9)});
}

TEST_CASE("a cancel means the mail that was there, whole or to some domains, and nothing that came later") {
  const auto mail = envelope("ann@example.org", {"a@d1.example", "b@D2.example", "c@d3.example"});
  using Recipients = std::vector<std::uint32_t>;
  const Recipients all{0, 1, 2}, none;

  StandingOrders by_sender;
  by_sender.cancel(sender("example.org"), "", {}, 10);
  CHECK(by_sender.cancelled(9, mail) == all);
  CHECK(by_sender.cancelled(10, mail) == none);
  CHECK(by_sender.cancelled(9, envelope("ann@other.example", {"a@d1.example"})) == none);

  StandingOrders by_number;
  by_number.cancel(message(5), "five", {}, 10);
  CHECK(by_number.cancelled(5, mail) == all);
  CHECK(by_number.cancelled(4, mail) == none);

  StandingOrders everything;
  everything.cancel({}, "", {}, 10);
  CHECK(everything.cancelled(9, mail) == all);
  CHECK(everything.cancelled(10, mail) == none);

  StandingOrders by_site;
  by_site.cancel(site("mx.example"), "", {"d2.example", "d3.example"}, 10);
  CHECK(by_site.cancelled(9, mail) == Recipients{1, 2});
  CHECK(by_site.cancelled(10, mail) == none);
  CHECK(by_site.cancels(9, "", "d2.example"));
  CHECK_FALSE(by_site.cancels(9, "", "d1.example"));
  CHECK_FALSE(by_site.cancels(10, "", "d2.example"));
  CHECK(by_sender.cancels(9, "x@example.org", "d1.example"));
  CHECK_FALSE(by_sender.cancels(10, "x@example.org", "d1.example"));
  CHECK(by_site.forget_cancels());
  CHECK(by_site.cancelled(9, mail) == none);
}

TEST_CASE("names that mean the same are one") {
  CHECK(named_sender("Ann@Example.ORG") == "Ann@example.org");
  CHECK(named_sender(".Example.ORG") == "*.example.org");
  CHECK(named_sender("<>") == "<>");
  CHECK(named_site("MX1.Example.") == named_site("mx1.example"));
  CHECK(named_site("10 mx1.example") == "10 mx1.example");
  for (const auto* wrong : {"", "ann@", "@example.org", "a b", "*"}) CHECK_FALSE(named_sender(wrong));
  for (const std::string& wrong : {std::string(), std::string("a\nb"), std::string(10'000, ' ')})
    CHECK_FALSE(named_site(wrong));
}
