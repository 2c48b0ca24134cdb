// What the scheduler's tests share: messages, routes and a scheduler with a clock that one turns by hand.
#pragma once

#include "agent/queue/scheduler.h"
#include "resolver/answer/answer.h"
#include "spool/message.h"
#include "tests/seeded_dice.h"

#include <catch2/catch.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace bulkmail::agent::test {

using namespace std::chrono_literals;
using bulkmail::test::SeededDice;

inline std::unique_ptr<spool::Message>
make_message(std::uint64_t number, const std::vector<std::string>& recipients, bool verp = false) {
  spool::EnvelopeBuilder builder;
  builder.sender("list@example.org");
  for (const auto& address : recipients) builder.recipient(address);
  if (verp) builder.envelope.verp = spool::Verp{};
  spool::MessageFacts facts;
  facts.number = number;
  facts.id = fmt::format("m{}", number);
  facts.envelope = builder.take();
  return std::make_unique<spool::Message>(std::move(facts), Wall{});
}

// What is not final of a message goes into the queue.
inline void put(Scheduler& scheduler, const spool::Message& message, Monotonic until, Monotonic now,
                std::vector<Consignment::Restored> restored = {}, bool attempt_first = false) {
  Consignment consignment(message.packed());
  std::vector<std::uint32_t> left;
  for (std::uint32_t i = 0; i < message.recipients(); ++i)
    if (!spool::is_final(message.action(i))) left.push_back(i);
  consignment.recipients = sort_by_domain(message.facts()->envelope, left);
  consignment.restored = std::move(restored);
  consignment.until = until;
  consignment.attempt_first = attempt_first;
  scheduler.add(std::move(consignment), now);
}

// `count` recipients at one domain.
inline std::vector<std::string> users(std::size_t count, const std::string& domain) {
  std::vector<std::string> addresses;
  for (std::size_t i = 0; i < count; ++i) addresses.push_back(fmt::format("u{}@{}", i, domain));
  return addresses;
}

inline resolver::Route make_route(const std::string& domain, const std::string& host, Monotonic expires) {
  resolver::Route route;
  route.domain = domain;
  route.hosts.push_back({host, 10, {*resolver::IpAddress::parse("192.0.2.1")}});
  auto site = resolver::site_of(std::vector<resolver::MxData>{{10, host}});
  route.site_key = site.key;
  route.site = std::move(site.name);
  route.expires = expires;
  return route;
}

constexpr Disposition done{Disposition::Kind::done, {}};
constexpr Disposition again{Disposition::Kind::again, {}};

inline Disposition delayed(Monotonic due) { return {Disposition::Kind::delayed, due}; }

inline Selector one_message(std::uint64_t number) { return {Selector::Kind::message, number, {}}; }

inline Selector at_site(std::string text) { return {Selector::Kind::site, 0, std::move(text)}; }

inline Selector from_sender(std::string text) { return {Selector::Kind::sender, 0, std::move(text)}; }

struct Fixture {
  explicit Fixture(SchedulerConfig c = {}) : config(c), scheduler(config, dice) {}

  SeededDice dice{1};
  SchedulerConfig config;
  Monotonic now = Monotonic{} + 1h;
  std::vector<std::unique_ptr<spool::Message>> messages;
  Scheduler scheduler;

  spool::Message& add(const std::vector<std::string>& recipients, std::chrono::milliseconds life = 120h) {
    messages.push_back(make_message(messages.size() + 1, recipients));
    put(scheduler, *messages.back(), now + life, now);
    return *messages.back();
  }

  // Answers each domain asked for: "x.host" lives at the mail host named behind its first dot.
  std::vector<std::string> route_all(std::chrono::milliseconds ttl = 1h) {
    std::vector<std::string> asked;
    while (auto domain = scheduler.next_wanted()) {
      asked.push_back(*domain);
      scheduler.route_found(*domain, make_route(*domain, domain->substr(domain->find('.') + 1), now + ttl),
                            now);
    }
    return asked;
  }

  // As the loop does: it may stop in between.
  std::optional<Work> work() {
    for (int i = 0; i < 100'000; ++i) {
      if (auto next = scheduler.next_work(now)) return next;
      if (scheduler.wake_at(now) != now || scheduler.load().resolving > 0) break;
    }
    return std::nullopt;
  }

  std::vector<Work> all_work() {
    std::vector<Work> all;
    while (auto next = work()) all.push_back(std::move(*next));
    return all;
  }

  // The only thing there is to do.
  Work the_work() {
    auto all = all_work();
    REQUIRE(all.size() == 1);
    return std::move(all.front());
  }

  void settle(const Work& work, Disposition disposition, std::optional<Pace> pace = {}) {
    const std::vector<Disposition> alike(work.recipients.size(), disposition);
    scheduler.settle(work.attempt, alike, now, pace);
  }

  // A transaction over an open or new session went well.
  void complete(const Work& work, Pace pace = {}, Disposition disposition = done) {
    if (work.kind == Work::Kind::open) scheduler.session_established(work.session, now);
    settle(work, disposition, pace);
    scheduler.session_free(work.session, now);
  }

  // A session could not be opened, and that was the only one.
  void refuse(const Work& work) {
    settle(work, delayed(scheduler.site_due(work.session, now)));
    scheduler.session_gone(work.session, Scheduler::Gone::refused, no_answer(), now);
  }

  static std::shared_ptr<const spool::Outcome> no_answer() {
    spool::Outcome outcome;
    outcome.action = spool::Action::delayed;
    outcome.diagnostic_code = "x-bulkmail; connect timed out";
    return std::make_shared<const spool::Outcome>(outcome);
  }

  // When the first recipient of a message that is delayed, by itself or with its Site, is tried next.
  std::optional<Monotonic> next_attempt(std::uint64_t message) const {
    using Cause = Scheduler::Holding::Cause;
    std::optional<Monotonic> next;
    for (const auto& line : scheduler.holding(message))
      if (line.cause == Cause::delayed || line.cause == Cause::site_down)
        next = std::min(next.value_or(*line.until), *line.until);
    return next;
  }

  std::uint64_t known() const {
    const auto load = scheduler.load();
    return load.ready + load.delayed + load.resolving + load.held + load.in_attempt;
  }
};

inline std::size_t count_of(const std::vector<Work>& all, Work::Kind kind) {
  return static_cast<std::size_t>(std::ranges::count(all, kind, &Work::kind));
}

} // namespace bulkmail::agent::test
