#include "agent/run/standing_orders.h"

#include "agent/queue/holds.h"
#include "agent/run/state_file.h"
#include "resolver/route.h"
#include "spool/ascii.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>

namespace bulkmail::agent {
namespace {

using nlohmann::json;
using Kind = Selector::Kind;

constexpr const char* file_name = "state/holds";
constexpr int format_version = 1;

// Larger than the names of a million messages: whatever is larger was not written by us.
constexpr std::uint64_t max_file = 256 << 20;

// Longer than a Site's printed name with some twenty hosts; a name without end would only fill the file.
constexpr std::size_t max_site_name = 8192;

bool has_control(std::string_view text) {
  return std::ranges::any_of(text, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
}

json list_of(const std::map<std::uint64_t, std::string>& messages) {
  json list = json::array();
  for (const auto& [number, id] : messages) list.push_back({{"number", number}, {"id", id}});
  return list;
}

json list_of(const std::map<std::string, std::uint64_t, std::less<>>& befores, const char* what) {
  json list = json::array();
  for (const auto& [text, before] : befores) list.push_back({{what, text}, {"before", before}});
  return list;
}

void read_list(const json& list, std::map<std::uint64_t, std::string>& into) {
  for (const json& one : list)
    into.emplace(one.at("number").get<std::uint64_t>(), one.at("id").get<std::string>());
}

void read_list(const json& list, const char* what, std::map<std::string, std::uint64_t, std::less<>>& into) {
  for (const json& one : list)
    into.emplace(one.at(what).get<std::string>(), one.at("before").get<std::uint64_t>());
}

spool::Error damaged(std::string_view why) {
  return {EBADMSG,
          fmt::format("{} can't be read: {}. It says which mail is held back and which was cancelled, so "
                      "nothing is sent without it. Mend it, or remove it to let all mail go",
                      file_name, why)};
}

} // namespace

bool StandingOrders::hold(const Selector& what, const std::string& id) {
  switch (what.kind) {
  case Kind::all: return !std::exchange(all_held_, true);
  case Kind::message: return held_messages_.emplace(what.number, id).second;
  case Kind::site: return held_sites_.insert(what.text).second;
  case Kind::sender: {
    auto pattern = SenderPattern::parse(what.text);
    return pattern && held_senders_.emplace(what.text, *std::move(pattern)).second;
  }
  }
  return false;
}

bool StandingOrders::release(const Selector& what) {
  switch (what.kind) {
  case Kind::message: return held_messages_.erase(what.number) > 0;
  case Kind::site: return held_sites_.erase(what.text) > 0;
  case Kind::sender: return held_senders_.erase(what.text) > 0;
  case Kind::all: {
    const bool any = !holds().empty();
    held_messages_.clear();
    held_senders_.clear();
    held_sites_.clear();
    all_held_ = false;
    return any;
  }
  }
  return false;
}

void StandingOrders::cancel(const Selector& what, const std::string& id,
                            const std::vector<std::string>& domains, std::uint64_t before) {
  switch (what.kind) {
  case Kind::all: all_cancelled_before_ = before; return;
  case Kind::message: cancelled_messages_.emplace(what.number, id); return;
  case Kind::sender: cancelled_senders_[what.text] = before; return;
  case Kind::site:
    for (const auto& domain : domains) cancelled_domains_[domain] = before;
    return;
  }
}

bool StandingOrders::forget(std::uint64_t message) {
  return (held_messages_.erase(message) > 0) | (cancelled_messages_.erase(message) > 0);
}

bool StandingOrders::keep_only(const std::function<bool(std::uint64_t)>& is_there) {
  const auto gone = [&](const auto& entry) { return !is_there(entry.first); };
  return (std::erase_if(held_messages_, gone) > 0) | (std::erase_if(cancelled_messages_, gone) > 0);
}

bool StandingOrders::forget_cancels() {
  const bool any = !cancels_nothing();
  cancelled_messages_.clear();
  cancelled_senders_.clear();
  cancelled_domains_.clear();
  all_cancelled_before_ = 0;
  return any;
}

std::vector<Selector> StandingOrders::holds() const {
  std::vector<Selector> holds;
  if (all_held_) holds.push_back({});
  for (const auto& [number, id] : held_messages_) holds.push_back({Kind::message, number, {}});
  for (const auto& [text, pattern] : held_senders_) holds.push_back({Kind::sender, 0, text});
  for (const auto& text : held_sites_) holds.push_back({Kind::site, 0, text});
  return holds;
}

bool StandingOrders::holds_message(std::uint64_t number, std::string_view sender) const {
  if (all_held_ || held_messages_.contains(number)) return true;
  if (held_senders_.empty()) return false;
  const std::string domain = SenderPattern::domain_of(sender);
  return std::ranges::any_of(held_senders_,
                             [&](const auto& one) { return one.second.matches(sender, domain); });
}

json StandingOrders::list_holds() const {
  json list = json::array();
  if (all_held_) list.push_back({{"all", true}});
  for (const auto& [number, id] : held_messages_) list.push_back({{"id", id}});
  for (const auto& [text, pattern] : held_senders_) list.push_back({{"sender", text}});
  for (const auto& text : held_sites_) list.push_back({{"site", text}});
  return list;
}

bool StandingOrders::cancels_all_of(std::uint64_t number, std::string_view sender) const {
  if (number < all_cancelled_before_ || cancelled_messages_.contains(number)) return true;
  if (cancelled_senders_.empty()) return false;
  const std::string domain = SenderPattern::domain_of(sender);
  return std::ranges::any_of(cancelled_senders_, [&](const auto& one) {
    const auto pattern = SenderPattern::parse(one.first);
    return number < one.second && pattern && pattern->matches(sender, domain);
  });
}

bool StandingOrders::cancels_to(std::string_view domain, std::uint64_t number) const {
  const auto found = cancelled_domains_.find(domain);
  return found != cancelled_domains_.end() && number < found->second;
}

bool StandingOrders::cancels(std::uint64_t number, std::string_view sender, std::string_view domain) const {
  return cancels_all_of(number, sender) || cancels_to(domain, number);
}

std::vector<std::uint32_t> StandingOrders::cancelled(std::uint64_t number,
                                                     const spool::Envelope& envelope) const {
  const bool all = cancels_all_of(number, envelope.sender());
  std::vector<std::uint32_t> recipients;
  if (!all && cancelled_domains_.empty()) return recipients;
  for (std::uint32_t i = 0; i < envelope.size(); ++i) {
    const auto domain =
        all ? std::string()
            : resolver::canonical_domain(envelope.recipient(i).domain).value_or(std::string());
    if (all || cancels_to(domain, number)) recipients.push_back(i);
  }
  return recipients;
}

std::string StandingOrders::serialise() const {
  json senders = json::array();
  for (const auto& [text, pattern] : held_senders_) senders.push_back(text);
  const json file{{"version", format_version},
                  {"held",
                   {{"all", all_held_},
                    {"messages", list_of(held_messages_)},
                    {"senders", std::move(senders)},
                    {"sites", held_sites_}}},
                  {"cancelled",
                   {{"all_before", all_cancelled_before_},
                    {"messages", list_of(cancelled_messages_)},
                    {"senders", list_of(cancelled_senders_, "sender")},
                    {"domains", list_of(cancelled_domains_, "domain")}}}};
  return file.dump() + '\n';
}

// By way of exceptions: every member is needed and has one type, and this is read at a start alone.
std::expected<StandingOrders, std::string> StandingOrders::parse(std::string_view text) {
  try {
    const json file = json::parse(text);
    if (const auto version = file.at("version"); version != format_version)
      return std::unexpected(
          fmt::format("it is of version {}, and this program knows {}", version.dump(), format_version));
    StandingOrders orders;
    const json& held = file.at("held");
    orders.all_held_ = held.at("all").get<bool>();
    read_list(held.at("messages"), orders.held_messages_);
    for (const json& sender : held.at("senders")) {
      auto pattern = SenderPattern::parse(sender.get<std::string>());
      if (!pattern) return std::unexpected(pattern.error());
      orders.held_senders_.emplace(sender, *std::move(pattern));
    }
    held.at("sites").get_to(orders.held_sites_);
    const json& cancelled = file.at("cancelled");
    orders.all_cancelled_before_ = cancelled.at("all_before").get<std::uint64_t>();
    read_list(cancelled.at("messages"), orders.cancelled_messages_);
    read_list(cancelled.at("senders"), "sender", orders.cancelled_senders_);
    read_list(cancelled.at("domains"), "domain", orders.cancelled_domains_);
    return orders;
  } catch (const json::exception& error) {
    return std::unexpected(error.what());
  }
}

std::expected<std::string, std::string> named_sender(std::string_view text) {
  if (auto wrong = judge_sender_pattern(text); !wrong.empty()) return std::unexpected(std::move(wrong));
  std::string name(text.starts_with('.') ? '*' + std::string(text) : text);
  const auto domain = name.rfind('@') == std::string::npos ? 0 : name.rfind('@') + 1;
  std::ranges::transform(name.begin() + static_cast<std::ptrdiff_t>(domain), name.end(),
                         name.begin() + static_cast<std::ptrdiff_t>(domain), spool::lower);
  return name;
}

std::expected<std::string, std::string> named_site(std::string_view text) {
  if (auto domain = resolver::canonical_domain(text)) return *domain;
  if (text.empty() || text.size() > max_site_name || has_control(text))
    return std::unexpected(
        "a site is named by a recipient domain, a mail host, or its name in `bulkmail queue --json`");
  return std::string(text);
}

spool::Result<StandingOrders> read_standing_orders(spool::Disk& disk) {
  const auto text = read_state(disk, file_name, max_file);
  if (!text) return std::unexpected(damaged(text.error().text));
  if (!*text) return StandingOrders();
  auto orders = StandingOrders::parse(**text);
  if (!orders) return std::unexpected(damaged(orders.error()));
  return *std::move(orders);
}

spool::Result<void> write_standing_orders(spool::Disk& disk, std::string_view text) {
  return write_state(disk, file_name, text);
}

} // namespace bulkmail::agent
