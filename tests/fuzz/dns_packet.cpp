// Octets from a name server, three ways: through the decoder as they are, as the answer to a question of each type, and
// as what a whole Resolver is told by UDP and, cut in pieces, by TCP.
#include "resolver/answer/interpret.h"
#include "resolver/resolver.h"
#include "resolver/wire/codec.h"
#include "resolver/wire/walker.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

using namespace bulkmail;
using namespace bulkmail::resolver;

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

class Counter : public Dice {
 public:
  std::uint64_t next() override { return state_ += 0x9e3779b97f4a7c15U; }

 private:
  std::uint64_t state_ = 0;
};

void check(const Answer& answer) {
  require(answer.hosts.size() <= max_hosts && answer.addresses.size() <= max_addresses);
  require(answer.tlsa.size() <= max_tlsa && answer.texts.size() <= max_texts);
  require(answer.aliases <= max_aliases && answer.expires > Monotonic{});
  require(answer.expires <= Monotonic{} + longest_positive);
}

void decode_alone(std::string_view bytes) {
  for (const Type type : {Type::mx, Type::a, Type::aaaa, Type::tlsa, Type::txt}) {
    auto message = decode(bytes);
    if (!message) return;
    if (const auto answer = interpret({"d1.example", type}, *std::move(message), Monotonic{})) check(*answer);
  }
}

void check(const Route& route, Monotonic now) {
  require(!route.hosts.empty() && route.expires > now);
  bool any = false;
  for (const MailHost& host : route.hosts) {
    if (!host.dane) continue;
    any = true;
    require(route.secure && !host.dane->names.empty() && std::ranges::all_of(host.dane->records, is_usable));
  }
  require(any == (route.dane_key != SiteKey{}));
}

// The octets behind the question that was asked, so that they reach beyond the check of id, question and case.
std::string as_answer(const std::string& query, std::string_view bytes) {
  const std::size_t end = question_end(query).value();
  std::string answer = query.substr(0, end);
  answer[2] = static_cast<char>(0x80);
  for (std::size_t i = 3; i < header_size; ++i) {
    if (i == 4 || i == 5 || bytes.empty()) continue; // one question
    answer[i] = bytes.front();
    bytes.remove_prefix(1);
  }
  if (!bytes.empty()) {
    answer[2] = static_cast<char>(0x80U | (static_cast<std::uint8_t>(bytes.front()) & 0x07U));
    bytes.remove_prefix(1);
  }
  return answer.append(bytes);
}

void tell_resolver(std::string_view bytes) {
  Counter dice;
  ResolverConfig config;
  config.servers = {Endpoint::parse("127.0.0.1:53", 53).value(), Endpoint::parse("[::1]:53", 53).value()};
  Resolver resolver(config, dice);
  Monotonic now{};
  resolver.want({"d1.example", 25}, now);
  resolver.want_txt("_mta-sts.d1.example", now);
  for (int rounds = 0; rounds < 1000; ++rounds) {
    while (auto action = resolver.next_action()) {
      if (action->kind == Action::Kind::send_datagram) {
        resolver.datagram(action->socket, action->to, bytes, now);
        resolver.datagram(action->socket, action->to, as_answer(action->bytes, bytes), now);
      } else if (action->kind == Action::Kind::open_stream) {
        std::string answer = as_answer(action->bytes.substr(2), bytes);
        answer.insert(0, {static_cast<char>(answer.size() >> 8U), static_cast<char>(answer.size() & 0xffU)});
        for (const char& octet : answer) resolver.stream_data(action->socket, {&octet, 1}, now);
        resolver.stream_closed(action->socket, now);
      }
    }
    const auto deadline = resolver.deadline();
    if (!deadline) break;
    resolver.timeout(now = *deadline);
  }
  const auto found = resolver.next_route();
  require(found && resolver.in_flight() == 0);
  if (found->second) check(*found->second, now);
  const auto txt = resolver.next_txt();
  require(txt && (!txt->second || txt->second->expires > now));
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  decode_alone(bytes);
  tell_resolver(bytes);
  return 0;
}
