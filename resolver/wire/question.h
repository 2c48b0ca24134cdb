// What is asked of the DNS (RFC 1035 §4.1.2). The class is always IN.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace bulkmail::resolver {

enum class Type : std::uint16_t {
  a = 1,
  ns = 2,
  cname = 5,
  soa = 6,
  mx = 15,
  txt = 16,
  aaaa = 28,
  opt = 41,
  tlsa = 52
};

struct Question {
  std::string name; // lower case, no final dot
  Type type = Type::mx;

  bool operator==(const Question&) const = default;
};

struct QuestionHash {
  std::size_t operator()(const Question& question) const {
    return std::hash<std::string_view>{}(question.name) ^
           static_cast<std::size_t>(question.type) * 0x9e3779b97f4a7c15U;
  }
};

} // namespace bulkmail::resolver
