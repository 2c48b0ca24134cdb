#include "resolver/answer/interpret.h"

#include "resolver/wire/name.h"

#include <fmt/format.h>

#include <algorithm>

namespace bulkmail::resolver {
namespace {

// RFC 1035 §4.1.1, RFC 6891 §9.
constexpr std::uint16_t no_error = 0, format_error = 1, name_error = 3, not_implemented = 4, bad_version = 16;

std::string rcode_text(std::uint16_t rcode) {
  switch (rcode) {
  case 1: return "FORMERR";
  case 2: return "SERVFAIL";
  case 4: return "NOTIMP";
  case 5: return "REFUSED";
  default: return fmt::format("response code {}", rcode);
  }
}

// The smallest TTL of the records an answer rests on.
class Lifetime {
 public:
  void shorten(std::uint32_t ttl) { ttl_ = std::min(ttl_, seconds(ttl)); }

  void apply(Answer& answer, seconds longest, Monotonic now) const {
    answer.cacheable = ttl_.count() > 0;
    answer.expires = now + (answer.cacheable ? std::min(ttl_, longest) : no_ttl);
  }

 private:
  seconds ttl_ = seconds::max();
};

class Interpreter {
 public:
  Interpreter(const Question& question, Message message, Monotonic now)
      : question_(question),
        message_(std::move(message)),
        now_(now) {}

  std::expected<Answer, ServerFault> run() {
    answer_.secure = message_.authentic;
    const std::uint16_t rcode = message_.rcode;
    if (rcode != no_error && rcode != name_error) {
      const bool perhaps_edns = rcode == format_error || rcode == not_implemented || rcode == bad_version;
      return std::unexpected(ServerFault{rcode_text(rcode), perhaps_edns});
    }
    answer_.owner = question_.name;
    while (!collect()) {
      const Record* link = alias_of(answer_.owner);
      if (link == nullptr) return nothing_found();
      if (++answer_.aliases > max_aliases) return doubt(question_.name, "a CNAME loop", now_);
      lifetime_.shorten(link->ttl);
      answer_.owner = link->target;
    }
    if (rcode == name_error) return std::unexpected(ServerFault{"NXDOMAIN beside records"});
    answer_.kind = Answer::Kind::found;
    lifetime_.apply(answer_, longest_positive, now_);
    return std::move(answer_);
  }

 private:
  // Takes the records asked for that stand at the present end of the chain.
  bool collect() {
    bool any = false;
    for (Record& record : message_.answer) {
      if (record.type != question_.type || record.name != answer_.owner) continue;
      any = true;
      lifetime_.shorten(record.ttl);
      keep(record);
    }
    if (any) tidy();
    return any;
  }

  void keep(Record& record) {
    switch (record.type) {
    case Type::mx: answer_.hosts.push_back({record.preference, std::move(record.target)}); break;
    case Type::a:
    case Type::aaaa: answer_.addresses.push_back(record.address); break;
    case Type::tlsa:
      if (answer_.tlsa.size() < max_tlsa && record.tlsa.data.size() <= max_record)
        answer_.tlsa.push_back(std::move(record.tlsa));
      break;
    case Type::txt:
      if (answer_.texts.size() < max_texts && record.text.size() <= max_record)
        answer_.texts.push_back(std::move(record.text));
      break;
    case Type::ns:
    case Type::cname:
    case Type::soa:
    case Type::opt: break; // never asked for
    }
  }

  void tidy() {
    auto& hosts = answer_.hosts;
    // A host named twice stands at its best preference.
    std::ranges::sort(hosts, {}, [](const MxData& mx) { return std::tie(mx.exchange, mx.preference); });
    const auto repeated = std::ranges::unique(hosts, {}, &MxData::exchange);
    hosts.erase(repeated.begin(), repeated.end());
    std::ranges::sort(hosts);
    if (hosts.size() > max_hosts) hosts.resize(max_hosts);
    auto& addresses = answer_.addresses;
    std::ranges::sort(addresses);
    const auto doubled = std::ranges::unique(addresses);
    addresses.erase(doubled.begin(), doubled.end());
    if (addresses.size() > max_addresses) addresses.resize(max_addresses);
  }

  [[nodiscard]] const Record* alias_of(std::string_view name) const {
    for (const Record& record : message_.answer) {
      if (record.type == Type::cname && record.name == name) return &record;
    }
    return nullptr;
  }

  [[nodiscard]] const Record* authority(Type type) const {
    for (const Record& record : message_.authority) {
      if (record.type == type && is_within(answer_.owner, record.name)) return &record;
    }
    return nullptr;
  }

  std::expected<Answer, ServerFault> nothing_found() {
    const Record* soa = authority(Type::soa);
    if (message_.rcode == name_error) return negative(Answer::Kind::no_name, soa);
    if (soa != nullptr) return negative(Answer::Kind::no_data, soa);
    if (answer_.aliases > 0) {
      answer_.kind = Answer::Kind::alias;
      lifetime_.apply(answer_, longest_positive, now_);
      return std::move(answer_);
    }
    if (!message_.authoritative && authority(Type::ns) != nullptr) {
      return std::unexpected(ServerFault{"a referral (lame)"});
    }
    // Without an SOA it is still an answer if it comes from a server that resolves or is in charge: stub
    // resolvers leave the authority section out.
    if (message_.authoritative || message_.recursion_available)
      return negative(Answer::Kind::no_data, nullptr);
    return std::unexpected(ServerFault{"no answer (lame)"});
  }

  // RFC 2308 §5: as long as the SOA says, and without one not to be kept.
  Answer negative(Answer::Kind kind, const Record* soa) {
    answer_.kind = kind;
    lifetime_.shorten(soa == nullptr ? 0 : std::min(soa->ttl, soa->minimum));
    lifetime_.apply(answer_, longest_negative, now_);
    return std::move(answer_);
  }

  const Question& question_;
  Message message_;
  Monotonic now_;
  Answer answer_;
  Lifetime lifetime_;
};

} // namespace

Answer doubt(std::string name, std::string text, Monotonic now) {
  Answer answer;
  answer.owner = std::move(name);
  answer.text = std::move(text);
  answer.expires = now + longest_doubt;
  return answer;
}

std::expected<Answer, ServerFault> interpret(const Question& question, Message message, Monotonic now) {
  return Interpreter(question, std::move(message), now).run();
}

} // namespace bulkmail::resolver
