// What mail of different terms may share, and what not.
#include "tests/agent/scheduler_fixture.h"

#include <map>

namespace bulkmail::agent::test {
namespace {

using Kind = Work::Kind;

Way way_to(const std::string& domain, std::shared_ptr<const Terms> terms, Monotonic expires) {
  return {make_route(domain, "mx", expires), std::move(terms)};
}

} // namespace

TEST_CASE("terms that differ in anything have different keys, equal ones the same", "[terms]") {
  std::vector<std::shared_ptr<const Terms>> all{agreed({})};
  const auto add = [&](auto change) {
    Terms terms;
    change(terms);
    all.push_back(agreed(std::move(terms)));
  };
  const auto with = [&](auto change) {
    add([&](Terms& terms) {
      transport::Credentials who{.username = "u", .password = "p", .token = {}};
      change(who);
      terms.credentials = std::make_shared<const transport::Credentials>(std::move(who));
    });
  };
  const auto published = [&](auto change) {
    add([&](Terms& terms) {
      resolver::StsPolicy policy{.mode = resolver::StsPolicy::Mode::enforce, .mx = {"a", "b"}, .max_age = {}};
      change(policy);
      terms.sts = std::make_shared<const resolver::StsPolicy>(std::move(policy));
    });
  };
  add([](Terms& terms) { terms.sessions = Terms::Sessions::lmtp; });
  add([](Terms& terms) { terms.socket = "/run/lmtp"; });
  add([](Terms& terms) { terms.port = 587; });
  add([](Terms& terms) { terms.tls = transport::TlsLevel::require; });
  add([](Terms& terms) { terms.implicit_tls = true; });
  with([](auto&) {});
  with([](auto& who) { who.username = "v"; });
  with([](auto& who) { who.password = "q"; });
  with([](auto& who) { who.username = "up", who.password = ""; }); // not the same text
  with([](auto& who) { who.token = "t"; });
  with([](auto& who) { who.without_tls = true; });
  with([](auto& who) { who.allowed = {transport::Mechanism::plain}; });
  published([](auto&) {});
  published([](auto& policy) { policy.mode = resolver::StsPolicy::Mode::testing; });
  published([](auto& policy) { policy.mx = {"a"}; });
  for (std::size_t i = 0; i < all.size(); ++i) {
    CHECK(agreed(*all[i])->key == all[i]->key);
    for (std::size_t j = 0; j < i; ++j) CHECK(all[i]->key != all[j]->key);
  }
}

TEST_CASE("mail on other terms never goes over a session, whatever the Site", "[terms]") {
  Fixture f;
  Terms submission;
  submission.port = 587;
  const auto other = agreed(submission);
  f.add({"a@a.mx"});
  f.add({"b@b.mx"});
  f.add({"c@c.mx"});
  while (auto domain = f.scheduler.next_wanted()) {
    const auto terms = *domain == "b.mx" ? other : standard_terms();
    f.scheduler.route_found(*domain, way_to(*domain, terms, f.now + 1h), f.now);
  }
  std::map<SessionId, std::uint16_t> port_of;
  std::size_t served = 0;
  for (const char* more : {"", "a@a.mx", "b@b.mx", "c@c.mx"}) {
    if (*more != '\0') f.add({more});
    while (const auto work = f.work()) {
      if (work->kind == Kind::close) { // for the other lane's mail, while the Site may have but one session
        f.scheduler.session_gone(work->session, Scheduler::Gone::closed, nullptr, f.now);
        continue;
      }
      const std::uint16_t port = work->way->terms->port;
      CHECK(port == (work->way->domain == "b.mx" ? 587 : 25));
      CHECK(port_of.try_emplace(work->session, port).first->second == port);
      f.scheduler.session_established(work->session, f.now);
      f.scheduler.settle(work->attempt, std::vector{done}, f.now);
      f.scheduler.session_free(work->session, f.now);
      ++served;
    }
  }
  CHECK(served == 6);
  CHECK(port_of.size() >= 2);
  CHECK(f.scheduler.sites().size() == 1);
}

TEST_CASE("a limit of a Site holds for all terms together", "[terms]") {
  SchedulerConfig config;
  config.connections_per_site = 2;
  Fixture f(config);
  Terms submission;
  submission.port = 587;
  const auto other = agreed(submission);
  for (int i = 0; i < 4; ++i) f.add({"u@d" + std::to_string(i) + ".mx"});
  int number = 0;
  while (auto domain = f.scheduler.next_wanted())
    f.scheduler.route_found(*domain, way_to(*domain, number++ % 2 ? other : standard_terms(), f.now + 1h),
                            f.now);
  std::uint32_t most = 0;
  std::size_t served = 0;
  while (const auto work = f.work()) {
    if (work->kind == Kind::close) {
      f.scheduler.session_gone(work->session, Scheduler::Gone::closed, nullptr, f.now);
      continue;
    }
    most = std::max(most, f.scheduler.sites().front().sessions);
    f.scheduler.session_established(work->session, f.now);
    f.scheduler.settle(work->attempt, std::vector{done}, f.now, Pace{});
    f.scheduler.session_free(work->session, f.now);
    ++served;
  }
  CHECK(served == 4);
  CHECK(most <= 2);
  CHECK(f.scheduler.sites().size() == 1);
}

} // namespace bulkmail::agent::test
