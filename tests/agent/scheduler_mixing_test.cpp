// Several domains of one message in one transaction, where that is wanted and their Site takes it.
#include "tests/agent/scheduler_fixture.h"

#include <set>

using namespace bulkmail;
using namespace bulkmail::agent;
using namespace bulkmail::agent::test;
using Kind = Work::Kind;

namespace {

SchedulerConfig mixing(std::uint32_t recipients = 100) {
  return {
      .connections_per_site = 1, .recipients_per_transaction = recipients, .mixed_domains = true, .idle = 1h};
}

std::set<std::string_view> domains_of(const Work& work) {
  std::set<std::string_view> domains;
  for (const auto recipient : work.recipients)
    domains.insert(work.facts->envelope.recipient(recipient).domain);
  return domains;
}

// Transactions that the rest takes, of so many domains at most.
std::size_t send_all(Fixture& f, std::size_t domains) {
  std::size_t transactions = 0;
  while (f.known() > 0) {
    const Work work = f.the_work();
    CHECK(domains_of(work).size() <= domains);
    CHECK(work.mixed == (domains_of(work).size() > 1));
    f.complete(work);
    ++transactions;
  }
  return transactions;
}

std::vector<std::string> one_each(std::size_t domains) {
  std::vector<std::string> addresses;
  for (std::size_t i = 0; i < domains; ++i) addresses.push_back(fmt::format("u@d{}.mx", i));
  return addresses;
}

} // namespace

TEST_CASE("A transaction has recipients of one domain, unless more are wanted") {
  Fixture f({.connections_per_site = 1, .idle = 1h});
  f.add(one_each(5));
  f.route_all();
  CHECK(send_all(f, 1) == 5);
}

TEST_CASE("Domains of one site share a transaction up to its size, and what is left goes in the next") {
  Fixture f(mixing(10));
  std::vector<std::string> addresses;
  for (int domain = 0; domain < 5; ++domain) {
    for (const auto& address : users(7, fmt::format("d{}.mx", domain))) addresses.push_back(address);
  }
  f.add(addresses);
  f.route_all();
  CHECK(send_all(f, 3) == 4);
}

TEST_CASE("A site that refused mixed domains gets them apart for a day, and others go on") {
  Fixture f(mixing());
  f.add(one_each(5));
  f.route_all(1000h);
  const Work work = f.the_work();
  REQUIRE(work.mixed);
  REQUIRE(work.recipients.size() == 5);
  f.scheduler.session_established(work.session, f.now);
  f.scheduler.mixing_refused(work.session, f.now);
  f.scheduler.settle(work.attempt, std::vector<Disposition>{done, again, again, again, again}, f.now);
  f.scheduler.session_free(work.session, f.now);
  CHECK(send_all(f, 1) == 4); // at once

  f.add({"a@d1.other", "b@d2.other"});
  f.route_all(1000h);
  CHECK(f.the_work().mixed);

  Fixture later(mixing());
  later.add(one_each(2));
  later.route_all(1000h);
  const Work first = later.the_work();
  later.scheduler.session_established(first.session, later.now);
  later.scheduler.mixing_refused(first.session, later.now);
  later.settle(first, done);
  later.scheduler.session_free(first.session, later.now);
  later.now += 30min;
  later.add(one_each(2));
  CHECK(send_all(later, 1) == 2);
  later.now += 24h;
  for (const auto& over : later.all_work())
    later.scheduler.session_gone(over.session, Scheduler::Gone::closed, nullptr, later.now);
  later.add(one_each(2));
  later.route_all(1000h);
  CHECK(send_all(later, 2) == 1);
}

TEST_CASE("An entry says for its hosts whether domains are mixed") {
  SiteRule rule;
  rule.match = {"no"};
  rule.mixed_domains = false;
  auto config = mixing();
  config.sites = SiteRules(std::vector{rule});
  Fixture f(config);
  f.add({"a@d1.no", "b@d2.no", "c@d1.yes", "d@d2.yes"});
  f.route_all();
  std::size_t mixed = 0, recipients = 0;
  for (const auto& work : f.all_work()) {
    mixed += work.mixed;
    recipients += work.recipients.size();
    CHECK(work.mixed == (work.way->site == "10 yes"));
  }
  CHECK(mixed == 1);
  CHECK(recipients == 3);
}

TEST_CASE("Nobody comes along whose sender is his own, whose domain is held, or has a rate") {
  SiteRule rule;
  rule.match = {"slow.mx"};
  rule.rate = Rate{1, 1h};
  auto config = mixing();
  config.sites = SiteRules(std::vector{rule});
  Fixture f(config);
  auto verp = make_message(100, one_each(3), true);
  put(f.scheduler, *verp, f.now + 1h, f.now);
  f.route_all();
  for (int i = 0; i < 3; ++i) {
    const Work work = f.the_work();
    CHECK(work.recipients.size() == 1);
    f.complete(work);
  }
  f.scheduler.hold(at_site("d2.mx"), f.now);
  f.add({"a@d0.mx", "b@d1.mx", "c@d2.mx", "d@slow.mx"});
  f.route_all();
  std::multiset<std::size_t> sizes;
  for (int i = 0; i < 2; ++i) {
    const Work work = f.the_work();
    sizes.insert(domains_of(work).size());
    CHECK_FALSE(domains_of(work).contains("d2.mx"));
    f.complete(work);
  }
  CHECK(sizes == std::multiset<std::size_t>{1, 2});
}
