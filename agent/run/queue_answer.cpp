#include "agent/run/queue_answer.h"

#include "spool/status/json_writer.h"

#include <utility>

namespace bulkmail::agent {
namespace {

std::string line_of(const nlohmann::json& object) {
  return object.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

} // namespace

std::string date_text(Wall wall) {
  std::string text;
  spool::append_date(text, wall);
  return text;
}

QueueAnswer::QueueAnswer(std::shared_ptr<Reply> reply, const nlohmann::json& agent,
                         const nlohmann::json& holds, std::vector<std::uint64_t> messages,
                         std::vector<Scheduler::SiteView> sites, Sources sources)
    : reply_(std::move(reply)),
      messages_(std::move(messages)),
      sites_(std::move(sites)),
      sources_(std::move(sources)) {
  reply_->send(R"({"ok":true,"body":{"agent":)" + line_of(agent) + R"(,"holds":)" + line_of(holds) +
               R"(,"messages":[)");
}

bool QueueAnswer::turn() {
  if (!reply_->wanted()) return false;
  if (reply_->unsent() > most_unsent) return true;
  std::size_t left = pieces_a_turn;
  std::string list;
  const auto send_list = [&] {
    if (list.empty()) return;
    reply_->send(std::exchange(list_begun_, true) ? ',' + list : list);
    list.clear();
  };
  if (!sites_begun_) {
    for (; next_message_ < messages_.size() && left > 0; ++next_message_, --left)
      if (const auto* known = sources_.message(messages_[next_message_]))
        append_message(list, *known, sources_.orders);
    send_list();
    if (next_message_ < messages_.size()) return true;
    reply_->send(R"(],"sites":[)");
    sites_begun_ = true;
    list_begun_ = false;
  }
  for (; next_site_ < sites_.size() && left > 0; ++next_site_, --left)
    append_site(list, sites_[next_site_], sources_.date(sites_[next_site_].next_attempt));
  send_list();
  if (next_site_ < sites_.size()) return true;
  reply_->finish("]}}\n");
  return false;
}

void append_message(std::string& out, const spool::Message& message, const StandingOrders& orders) {
  if (!out.empty()) out += ',';
  const auto facts = message.facts();
  const auto counts = message.counts();
  spool::JsonWriter json(out);
  json.begin('{').key("id").string(facts->id).key("sender").string(facts->envelope.sender());
  json.key("size").number(facts->size).key("arrival_date").date(facts->arrival_date);
  json.key("counts").begin('{').key("total").number(counts.total).key("relayed").number(counts.relayed);
  json.key("delivered").number(counts.delivered).key("failed").number(counts.failed);
  json.key("delayed").number(counts.delayed).key("queued").number(counts.queued).end('}');
  json.key("next_attempt_date").date(message.next_attempt_date());
  json.key("held").boolean(orders.holds_message(facts->number, facts->envelope.sender())).end('}');
}

void append_site(std::string& out, const Scheduler::SiteView& site, const nlohmann::json& next_attempt_date) {
  if (!out.empty()) out += ',';
  out +=
      line_of({{"site", site.site},
               {"hosts", site.hosts},
               {"recipients", site.recipients},
               {"sessions", site.sessions},
               {"window", site.window},
               {"held", site.held},
               {"next_attempt_date", next_attempt_date},
               {"last_reply", site.last_reply.empty() ? nlohmann::json() : nlohmann::json(site.last_reply)}});
}

} // namespace bulkmail::agent
