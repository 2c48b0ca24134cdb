// Parts of a message that come and go one by one: what workers hand over to each other.
#include "tests/agent/scheduler_fixture.h"

#include <set>

using namespace bulkmail;
using namespace bulkmail::agent;
using namespace bulkmail::agent::test;

namespace {

Consignment part_of(const spool::Message& message, const std::vector<std::uint32_t>& recipients,
                    Monotonic until) {
  Consignment part(message.packed());
  part.recipients = sort_by_domain(message.facts()->envelope, recipients);
  part.until = until;
  return part;
}

std::set<std::uint32_t> recipients_of(const std::vector<Work>& all) {
  std::set<std::uint32_t> found;
  for (const Work& work : all) found.insert(work.recipients.begin(), work.recipients.end());
  return found;
}

} // namespace

TEST_CASE("A message may come in parts, and is finished when all of them are") {
  Fixture f;
  const auto message = make_message(1, {"a@x.mx", "b@y.mx", "c@x.mx"});
  f.scheduler.add(part_of(*message, {0}, f.now + 1h), f.now);
  f.scheduler.add(part_of(*message, {1, 2}, f.now + 1h), f.now);
  f.route_all();
  std::set<std::uint32_t> sent;
  while (!f.scheduler.finished(1)) {
    const auto work = f.all_work();
    REQUIRE_FALSE(work.empty());
    sent.merge(recipients_of(work));
    for (const Work& one : work) f.complete(one);
  }
  CHECK(sent == std::set<std::uint32_t>{0, 1, 2});
  CHECK(f.known() == 0);
}

TEST_CASE("What is said of a message is said of all its parts") {
  Fixture f;
  const auto message = make_message(1, {"a@x.mx", "b@y.mx"});
  f.scheduler.add(part_of(*message, {0}, f.now + 1h), f.now);
  f.scheduler.add(part_of(*message, {1}, f.now + 1h), f.now);
  SECTION("forgotten") {
    f.scheduler.forget(1);
    CHECK(f.known() == 0);
  }
  SECTION("cancelled") {
    f.scheduler.cancel({.kind = Selector::Kind::message, .number = 1, .text = {}}, f.now);
    const auto work = f.all_work();
    CHECK(count_of(work, Work::Kind::cancelled) == work.size());
    CHECK(recipients_of(work) == std::set<std::uint32_t>{0, 1});
  }
}

TEST_CASE("A domain that somebody else is to serve takes what waits for it along, and nothing else") {
  Fixture f;
  const auto first = make_message(1, {"a@x.mx", "b@y.mx", "c@x.mx"});
  const auto second = make_message(2, {"d@x.mx"}, true);
  f.scheduler.add(part_of(*first, {0, 1, 2}, f.now + 1h), f.now);
  Consignment tried = part_of(*second, {0}, f.now + 2h);
  tried.restored = {{0, 3, f.now}};
  tried.attempt_first = true;
  f.scheduler.add(std::move(tried), f.now);

  std::vector<Consignment> taken;
  while (const auto domain = f.scheduler.next_wanted()) {
    if (*domain == "x.mx") {
      taken = f.scheduler.take_domain(*domain, f.now);
    } else {
      f.scheduler.route_found(*domain, make_route(*domain, "mx", f.now + 1h), f.now);
    }
  }
  REQUIRE(taken.size() == 2);
  CHECK(taken[0].facts.number() == 1);
  CHECK(taken[0].recipients.order == std::vector<std::uint32_t>{0, 2});
  CHECK(taken[0].recipients.groups.front().domain == "x.mx");
  CHECK(taken[0].until == f.now + 1h);
  CHECK_FALSE(taken[0].attempt_first);
  CHECK(taken[1].facts.number() == 2);
  CHECK(taken[1].recipients.one_by_one);
  CHECK(taken[1].attempt_first);
  REQUIRE(taken[1].restored.size() == 1);
  CHECK(taken[1].restored.front().attempts == 3);
  CHECK(f.scheduler.finished(2));
  CHECK(recipients_of(f.all_work()) == std::set<std::uint32_t>{1});

  SECTION("and comes back to life elsewhere") {
    Fixture other;
    other.now = f.now;
    for (Consignment& one : taken) other.scheduler.add(std::move(one), other.now);
    other.route_all();
    std::set<std::uint32_t> attempts;
    while (other.known() > 0) {
      for (const Work& work : other.all_work()) {
        if (work.message == 2) attempts.insert(work.attempts.begin(), work.attempts.end());
        other.complete(work);
      }
    }
    CHECK(attempts == std::set<std::uint32_t>{3});
  }
}

TEST_CASE("A domain with more messages than one call hands out is wanted again until all are out") {
  Fixture f;
  std::vector<std::unique_ptr<spool::Message>> messages;
  for (std::uint64_t i = 1; i <= 2'500; ++i) {
    messages.push_back(make_message(i, {"a@x.mx"}));
    f.scheduler.add(part_of(*messages.back(), {0}, f.now + 1h), f.now);
  }
  std::size_t taken = 0;
  int calls = 0;
  while (const auto domain = f.scheduler.next_wanted()) {
    taken += f.scheduler.take_domain(*domain, f.now).size();
    ++calls;
  }
  CHECK(taken == messages.size());
  CHECK(calls == 3);
  CHECK(f.known() == 0);
}

TEST_CASE("What was delayed follows its domain when it is due") {
  Fixture f;
  const auto message = make_message(1, {"a@x.mx"});
  Consignment late = part_of(*message, {0}, f.now + 5h);
  late.restored = {{0, 1, f.now + 1h}};
  f.scheduler.add(std::move(late), f.now);
  CHECK_FALSE(f.scheduler.next_wanted());
  f.now += 1h;
  CHECK(f.all_work().empty());
  const auto domain = f.scheduler.next_wanted();
  REQUIRE(domain);
  CHECK(f.scheduler.take_domain(*domain, f.now).size() == 1);
  CHECK(f.known() == 0);
}
