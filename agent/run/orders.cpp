// What people order by hand: flush, hold, release and cancel. The mail that is meant is counted first, a piece a turn; then
// the workers are told; then, if it must outlive the agent, it is written down; then it is answered.
#include "agent/run/engine.h"
#include "agent/run/log_line.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

namespace bulkmail::agent {

using Command = Request::Command;

namespace {

Response nothing_meant(const Request& request) {
  if (!request.id.empty()) return Response::failure("no message " + request.id + " is waiting");
  return Response::failure("no such mail is waiting");
}

std::string site_of(const Request& request) { return request.site.empty() ? request.domain : request.site; }

} // namespace

// The mail that a request means; or what is wrong with it.
std::expected<Selector, std::string> Engine::selector_of(const Request& request) const {
  Selector what;
  if (!request.id.empty()) {
    const spool::Message* message = find(request.id);
    if (message == nullptr) return std::unexpected(nothing_meant(request).error);
    what.kind = Selector::Kind::message;
    what.number = message->number();
  } else if (!request.sender.empty()) {
    auto name = named_sender(request.sender);
    if (!name) return std::unexpected(name.error());
    what.kind = Selector::Kind::sender;
    what.text = *std::move(name);
  } else if (const std::string site = site_of(request); !site.empty()) {
    auto name = named_site(site);
    if (!name) return std::unexpected(name.error());
    what.kind = Selector::Kind::site;
    what.text = *std::move(name);
  }
  return what;
}

void Engine::take_order(const Request& request, std::shared_ptr<Reply> reply) {
  auto what = selector_of(request);
  if (!what) return reply->finish(Response::failure(what.error()));
  if (request.command != Command::flush && known_health_ != spool::LedgerHealth::State::good)
    return reply->finish(Response::failure("it could not be kept: " + ledger_.health().text));
  if (request.command == Command::release) return release(*what, std::move(reply));
  Order order{request, *std::move(what), {}, std::move(reply), {}};
  if (order.what.kind != Selector::Kind::site) return count(std::move(order));
  ask_all<std::vector<std::string>>(
      [site = order.what.text](Worker& worker) { return worker.domains_of(site); },
      [this, order](std::vector<std::vector<std::string>> parts) mutable {
        for (auto& part : parts) std::ranges::move(part, std::back_inserter(order.domains));
        count(std::move(order));
      });
}

void Engine::count(Order order) {
  std::vector<std::uint64_t> numbers;
  if (order.what.kind == Selector::Kind::message) {
    numbers.push_back(order.what.number);
  } else if (order.what.kind != Selector::Kind::site || !order.domains.empty()) {
    numbers.reserve(messages_.size());
    messages_.for_each([&](std::uint64_t number, const auto&) { numbers.push_back(number); });
  }
  order.tally.emplace(order.what, order.domains, std::move(numbers));
  orders_.push_back(std::move(order));
}

void Engine::run_orders() {
  const auto find = [this](std::uint64_t number) { return open_message(number); };
  std::erase_if(orders_, [&](Order& order) {
    if (order.tally->turn(find)) return false;
    carry_out(order);
    return true;
  });
  order_file_.turn();
}

void Engine::carry_out(const Order& order) {
  const Selector& what = order.what;
  const auto found = order.tally->found();
  const nlohmann::json body{{"messages", found.messages}, {"recipients", found.recipients}};
  // A hold may come before its mail does; and a flush by a bare domain has never minded.
  const bool may_be_nothing = order.request.command == Command::hold || what.kind == Selector::Kind::all ||
                              !order.request.domain.empty();
  if (found.messages == 0 && (!may_be_nothing || what.kind == Selector::Kind::message))
    return order.reply->finish(nothing_meant(order.request));
  StandingOrders& standing = order_file_.orders();
  const std::string& id = order.request.id;
  switch (order.request.command) {
  case Command::hold:
    standing.hold(what, id);
    tell_all([what](Worker& worker) { worker.hold(what); });
    break;
  case Command::cancel:
    standing.cancel(what, id, order.domains, newest_ + 1);
    tell_all([what](Worker& worker) { worker.cancel(what); });
    break;
  default:
    if (what.kind == Selector::Kind::all)
      flush();
    else
      tell_all([what](Worker& worker) { worker.flush(what); });
    return order.reply->finish(Response::success(body));
  }
  if (seams_.log.wants(Level::warning)) {
    LogLine(seams_.log, to_string(order.request.command))
        .add("id", id)
        .add("sender", order.request.sender)
        .add("site", order.request.site)
        .add("messages", found.messages)
        .add("recipients", found.recipients)
        .write(Level::warning);
  }
  keep_orders(order.reply, body);
}

void Engine::release(const Selector& what, std::shared_ptr<Reply> reply) {
  StandingOrders& standing = order_file_.orders();
  const auto released = what.kind == Selector::Kind::all ? standing.holds() : std::vector{what};
  if (!standing.release(what)) return reply->finish(Response::failure("there is no such hold"));
  for (const Selector& one : released) tell_all([one](Worker& worker) { worker.release(one); });
  keep_orders(std::move(reply), {{"holds", released.size()}});
}

// Answers once the orders are durable.
void Engine::keep_orders(std::shared_ptr<Reply> reply, nlohmann::json body) {
  order_file_.save([reply = std::move(reply), body = std::move(body)](const spool::Result<void>& saved) {
    reply->finish(saved ? Response::success(body)
                        : Response::failure("it is done, but not for longer than this agent runs: " +
                                            saved.error().text));
  });
}

// Mail on its way from one worker to another is with neither, and neither heard of a cancel that came meanwhile.
bool Engine::fail_if_cancelled(const std::string& domain, const Consignment& handed_over) {
  const auto& facts = handed_over.facts;
  if (!order_file_.orders().cancels(facts.number(), facts.sender(), domain)) return false;
  const Now now = seams_.clock.now();
  if (spool::Message* message = open_message(facts.number())) {
    progress_.failed += handed_over.recipients.order.size();
    ledger_.settle(*message, handed_over.recipients.order, cancelled_outcome(now.wall), now);
  }
  return true;
}

// ---- At a start

// Before any mail is given to the workers.
void Engine::restore_holds() {
  for (const Selector& what : order_file_.orders().holds())
    tell_all([what](Worker& worker) { worker.hold(what); });
}

// What was cancelled and may not have been recorded before the last run ended.
void Engine::fail_cancelled(spool::Message& message, Now now) {
  const auto& orders = order_file_.orders();
  if (orders.cancels_nothing()) return;
  const auto recipients = orders.cancelled(message.number(), message.facts()->envelope);
  if (recipients.empty()) return;
  const auto failed = message.counts().failed;
  ledger_.settle(message, recipients, cancelled_outcome(now.wall), now);
  progress_.failed += message.counts().failed - failed;
}

void Engine::forget_done_orders() {
  StandingOrders& standing = order_file_.orders();
  const bool left = standing.keep_only([this](std::uint64_t number) { return messages_.contains(number); });
  if (standing.forget_cancels() || left) order_file_.save();
}

} // namespace bulkmail::agent
