#include "tests/world/tally.h"

#include "tests/world/event_log.h"

#include <cstdio>
#include <fstream>
#include <iterator>

namespace bulkmail::world {

std::string Tally::json() const {
  std::string out = "{\"recipients\":{";
  const auto add = [&](std::string_view text) { out += text; };
  const char* comma = "";
  std::uint64_t delivered = 0;
  for (const auto& [name, r] : recipients) {
    add(comma);
    append_json(out, name);
    fmt::format_to(std::back_inserter(out), ":{{\"accepted\":{},\"unanswered\":{},\"refused\":{}}}",
                   r.accepted, r.unanswered, r.refused);
    delivered += r.accepted;
    comma = ",\n";
  }
  add("},\n\"hosts\":{");
  comma = "";
  HostTally all;
  for (const auto& [name, h] : hosts) {
    add(comma);
    append_json(out, name);
    fmt::format_to(
        std::back_inserter(out),
        ":{{\"connections\":{},\"max_open\":{},\"transactions\":{},\"messages\":{},\"unanswered\":{},"
        "\"partial\":{},\"octets\":{},\"lone_dots\":{},\"unknown_commands\":{}}}",
        h.connections, h.max_open, h.transactions, h.messages, h.unanswered, h.partial, h.octets, h.lone_dots,
        h.unknown_commands);
    all.connections += h.connections;
    all.transactions += h.transactions;
    all.messages += h.messages;
    all.unanswered += h.unanswered;
    all.octets += h.octets;
    comma = ",\n";
  }
  add("},\n\"dns\":{");
  comma = "";
  std::uint64_t questions = 0;
  for (const auto& [name, types] : dns) {
    add(comma);
    append_json(out, name);
    const char* opening = ":{";
    for (const auto& [type, counts] : types) {
      fmt::format_to(std::back_inserter(out), "{}\"{}\":{{\"udp\":{},\"tcp\":{}}}", opening, type, counts[0],
                     counts[1]);
      questions += counts[0] + counts[1];
      opening = ",";
    }
    add("}");
    comma = ",\n";
  }
  const auto seconds = [&](const std::optional<Clock::time_point>& time) {
    return time ? fmt::format("{:.6f}", std::chrono::duration<double>(*time - start).count())
                : std::string("null");
  };
  fmt::format_to(
      std::back_inserter(out),
      "}},\n\"totals\":{{\"connections\":{},\"transactions\":{},\"messages\":{},\"recipients\":{},"
      "\"unanswered\":{},\"octets\":{},\"dns_questions\":{},\"first_message\":{},\"last_message\":{}}}}}\n",
      all.connections, all.transactions, all.messages, delivered, all.unanswered, all.octets, questions,
      seconds(first_message), seconds(last_message));
  return out;
}

bool write_summary(const std::string& path, const Tally& tally) {
  const auto temporary = path + ".tmp";
  {
    std::ofstream file(temporary, std::ios::binary | std::ios::trunc);
    file << tally.json();
    file.close();
    if (!file) return false;
  }
  return std::rename(temporary.c_str(), path.c_str()) == 0;
}

} // namespace bulkmail::world
