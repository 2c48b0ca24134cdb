#include "tests/world/host_rules.h"

#include <nlohmann/json.hpp>

#include <algorithm>

namespace bulkmail::world {
namespace {

bool has_deaf_step(const HostKeys& keys) {
  const auto deaf = [](const auto& step) { return step.then == Step::Then::deaf; };
  return std::ranges::any_of(keys.at, [&](const auto& step) { return step && deaf(*step); }) ||
         std::ranges::any_of(keys.users, [&](const auto& user) { return deaf(user.second); }) ||
         std::ranges::any_of(keys.user_prefixes, [&](const auto& user) { return deaf(user.second); });
}

} // namespace

HostKeys HostKeys::read(Fields& fields) {
  HostKeys keys;
  keys.extensions = fields.texts("extensions");
  keys.helo_only = fields.flag("helo_only");
  keys.data_without_recipients = fields.flag("data_without_recipients");
  keys.broken_pipelining = fields.flag("broken_pipelining");
  keys.latency = fields.duration("latency");
  keys.greylist = fields.duration("greylist");
  keys.max_connections = fields.count("max_connections");
  keys.max_messages = fields.count("max_messages");
  keys.max_recipients = fields.count("max_recipients");
  keys.max_size = fields.count("max_size");
  if (const auto* at = fields.find("at")) {
    const Fields names(*at, fields.path("at"));
    for (const auto& item : at->items()) {
      const auto stage = stage_named(item.key());
      if (!stage) names.fail(item.key(), "no such stage");
      keys.at.at(static_cast<std::size_t>(*stage)) = Step::read(item.value(), names.path(item.key()), *stage);
    }
  }
  if (const auto* users = fields.find("users")) {
    const Fields names(*users, fields.path("users"));
    for (const auto& item : users->items()) {
      auto step = Step::read(item.value(), names.path(item.key()), Stage::rcpt);
      auto name = lower(item.key());
      if (name.ends_with('*')) {
        name.pop_back();
        keys.user_prefixes.emplace_back(std::move(name), std::move(step));
      } else {
        keys.users.emplace(std::move(name), std::move(step));
      }
    }
  }
  return keys;
}

const Step* HostKeys::step(Stage stage, const Moment& moment) const {
  if (stage == Stage::rcpt && !moment.recipients.empty()) {
    const auto& recipient = moment.recipients.back();
    if (!users.empty())
      if (const auto found = users.find(recipient); found != users.end()) return &found->second;
    for (const auto& [prefix, step] : user_prefixes)
      if (recipient.starts_with(prefix)) return &step;
  }
  const auto& step = at[static_cast<std::size_t>(stage)];
  return step ? &*step : nullptr;
}

HostSelector HostSelector::read(Fields& fields) {
  HostSelector selector;
  const auto numbers = [&](const char* key, Numbers& into) {
    if (const auto* value = fields.find(key)) into = Numbers::read(*value, fields.path(key));
  };
  const auto patterns = [&](const char* key, Patterns& into) {
    if (const auto* value = fields.find(key)) into = Patterns::read(*value, fields.path(key));
  };
  numbers("connection", selector.connection);
  numbers("transaction", selector.transaction);
  numbers("message", selector.message);
  numbers("attempt", selector.attempt);
  patterns("rcpt", selector.rcpt);
  patterns("sender", selector.sender);
  patterns("address", selector.address);
  selector.span = Span::read(fields);
  return selector;
}

bool HostSelector::holds(const Moment& moment) const {
  return connection.hold(moment.connection) && transaction.hold(moment.transaction) &&
         message.hold(moment.message) && attempt.hold(moment.attempt) && span.holds(moment.elapsed) &&
         (!sender.given() || (moment.transaction > 0 && sender.hold(moment.sender))) &&
         (!address.given() || address.hold(moment.address)) &&
         (!rcpt.given() ||
          std::ranges::any_of(moment.recipients, [&](const auto& r) { return rcpt.hold(r); }));
}

HostRules HostRules::read(const Json& value, const std::string& path) {
  HostRules rules;
  Fields fields(value, path);
  rules.addresses = fields.texts("address").value_or(std::vector<std::string>{});
  if (rules.addresses.empty()) fields.fail("address", "is missing");
  rules.down = fields.flag("down").value_or(false);
  rules.blackhole = fields.flag("blackhole").value_or(false);
  if (const auto* tls = fields.find("tls")) rules.tls = HostTls::read(*tls, fields.path("tls"));
  rules.keys_ = HostKeys::read(fields);
  rules.turns_deaf_ = has_deaf_step(rules.keys_);
  rules.limits_connections_ = rules.keys_.max_connections.has_value();
  if (const auto* when = fields.find("when")) {
    if (!when->is_array()) fields.fail("when", "must be a list");
    for (std::size_t i = 0; i < when->size(); ++i) {
      Fields entry((*when)[i], fields.path("when." + std::to_string(i)));
      auto selector = HostSelector::read(entry);
      auto keys = HostKeys::read(entry);
      entry.finish();
      rules.counts_attempts_ = rules.counts_attempts_ || selector.attempt.given();
      rules.turns_deaf_ = rules.turns_deaf_ || has_deaf_step(keys);
      rules.limits_connections_ = rules.limits_connections_ || keys.max_connections.has_value();
      rules.when_.emplace_back(std::move(selector), std::move(keys));
    }
  }
  fields.finish();
  return rules;
}

const Step* HostRules::step(Stage stage, const Moment& moment) const {
  for (const auto& [selector, keys] : when_)
    if (const auto* step = keys.step(stage, moment); step && selector.holds(moment)) return step;
  return keys_.step(stage, moment);
}

} // namespace bulkmail::world
