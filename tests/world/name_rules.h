// What the name servers say about a name, rightly or wrongly (README.md, "Names").
#pragma once

#include "tests/world/selectors.h"

#include <array>

namespace bulkmail::world {

enum class Answer : std::uint8_t {
  normal,
  nxdomain,
  nodata,
  servfail,
  refused,
  formerr,
  notimp,
  silent,
  close,
  truncated,
  lame,
  loop,
  wrong_id,
  wrong_question,
  wrong_case,
  wrong_source,
  garbage,
  hex,
};

std::string_view to_string(Answer answer);

// The keys that a name and a name server share, and that may stand in a `when` entry.
struct AnswerKeys {
  std::optional<Answer> answer;
  std::string hex_bytes;                     // with Answer::hex
  std::array<std::uint16_t, 4> hex_counts{}; // question, answer, authority, additional
  std::optional<milliseconds> slow;
  std::optional<std::uint64_t> copies;
  std::optional<std::vector<Answer>> before;
  std::optional<bool> ad;

  static AnswerKeys read(Fields& fields);
};

struct Question {
  std::string_view type;      // "MX"
  std::string_view server;    // its key in the world file
  std::string_view transport; // "udp", "tcp"
  std::uint64_t nth = 0;      // for this name and type
  milliseconds elapsed{0};
};

class AnswerRules {
 public:
  static AnswerRules read(Fields& fields);

  // The first `when` entry that holds and has the key, else the rule's own; null: not said here.
  template <class T>
  [[nodiscard]] const AnswerKeys* find(std::optional<T> AnswerKeys::* key, const Question& question) const {
    for (const auto& [selector, keys] : when_)
      if ((keys.*key) && selector.holds(question)) return &keys;
    return (keys_.*key) ? &keys_ : nullptr;
  }

 private:
  struct Selector {
    Patterns type, server, transport;
    Numbers query;
    Span span;
    [[nodiscard]] bool holds(const Question& question) const;
  };

  AnswerKeys keys_;
  std::vector<std::pair<Selector, AnswerKeys>> when_;
};

struct MxRecord {
  std::uint16_t preference;
  std::string exchange; // "" is the root: null MX
};

struct NameRules {
  std::vector<MxRecord> mx;
  std::vector<std::array<std::uint8_t, 4>> a;
  std::vector<std::array<std::uint8_t, 16>> aaaa;
  std::vector<std::string> txt;
  std::string cname;
  std::uint32_t ttl = 300;
  std::optional<std::uint32_t> negative_ttl = 60;
  std::uint64_t many_mx = 0;
  AnswerRules rules;

  static NameRules read(const Json& value, const std::string& path);
  void add_address(const std::string& text, const std::string& path); // either family
};

struct NameServerRules {
  std::string address = "127.0.0.1";
  std::uint16_t port = 0;
  bool tcp = true;
  bool down = false;
  AnswerRules rules;

  static NameServerRules read(const Json& value, const std::string& path);
};

} // namespace bulkmail::world
