#include "tests/world/name_rules.h"

#include "tests/world/dns_message.h"

#include <arpa/inet.h>
#include <nlohmann/json.hpp>

#include <charconv>

namespace bulkmail::world {
namespace {

constexpr std::array<std::string_view, 18> answer_names{
    "normal",   "nxdomain",       "nodata",     "servfail",     "refused", "formerr",
    "notimp",   "silent",         "close",      "truncated",    "lame",    "loop",
    "wrong_id", "wrong_question", "wrong_case", "wrong_source", "garbage", "hex"};

std::optional<Answer> answer_named(std::string_view name) {
  for (std::size_t i = 0; i < answer_names.size(); ++i)
    if (answer_names.at(i) == name && name != "hex") return static_cast<Answer>(i);
  return std::nullopt;
}

std::string bytes_of_hex(const std::string& hex, const std::string& path) {
  std::string bytes;
  for (std::size_t i = 0; i < hex.size(); i += 2) {
    unsigned value = 0;
    const auto* const begin = hex.data() + i;
    const auto* const end = begin + std::min<std::size_t>(2, hex.size() - i);
    const auto [at, error] = std::from_chars(begin, end, value, 16);
    if (error != std::errc() || at != begin + 2)
      throw FileError(path + ": must be an even number of hex digits");
    bytes += static_cast<char>(value);
  }
  return bytes;
}

MxRecord mx_of(const std::string& text, const std::string& path) {
  MxRecord record{};
  const auto [at, error] = std::from_chars(text.data(), text.data() + text.size(), record.preference);
  if (error != std::errc() || at == text.data() + text.size() || *at != ' ')
    throw FileError(path + ": must be like \"10 host.example\"");
  record.exchange = lower(std::string_view(at + 1, text.data() + text.size()));
  if (record.exchange.ends_with('.')) record.exchange.pop_back();
  if (!dns::is_valid_name(record.exchange)) throw FileError(path + ": no name that DNS can carry");
  return record;
}

std::uint32_t seconds_of(Fields& fields, std::string_view key, std::uint32_t otherwise) {
  const auto value = fields.count(key);
  if (value && *value > 0xFFFFFFFFU) fields.fail(key, "must fit 32 bits");
  return value ? static_cast<std::uint32_t>(*value) : otherwise;
}

} // namespace

std::string_view to_string(Answer answer) { return answer_names.at(static_cast<std::size_t>(answer)); }

AnswerKeys AnswerKeys::read(Fields& fields) {
  AnswerKeys keys;
  if (const auto* answer = fields.find("answer")) {
    if (answer->is_object()) {
      Fields raw(*answer, fields.path("answer"));
      keys.answer = Answer::hex;
      keys.hex_bytes = bytes_of_hex(raw.text("hex").value_or(""), raw.path("hex"));
      const auto* counts = raw.find("counts");
      if (!counts || !counts->is_array() || counts->size() != keys.hex_counts.size())
        raw.fail("counts", "must be a list of four numbers");
      for (std::size_t i = 0; i < keys.hex_counts.size(); ++i)
        keys.hex_counts.at(i) = (*counts)[i].get<std::uint16_t>();
      raw.finish();
    } else {
      keys.answer = answer_named(fields.text("answer").value_or(""));
      if (!keys.answer) fields.fail("answer", "no such answer");
    }
  }
  keys.slow = fields.duration("slow");
  keys.copies = fields.count("copies");
  keys.ad = fields.flag("ad");
  if (const auto names = fields.texts("before")) {
    keys.before.emplace();
    for (const auto& name : *names) {
      const auto answer = answer_named(name);
      if (!answer || *answer < Answer::wrong_id) fields.fail("before", "no such packet: " + name);
      keys.before->push_back(*answer);
    }
  }
  return keys;
}

bool AnswerRules::Selector::holds(const Question& question) const {
  const auto text = [](const Patterns& patterns, std::string_view value) {
    return !patterns.given() || patterns.hold(lower(value));
  };
  return query.hold(question.nth) && span.holds(question.elapsed) && text(type, question.type) &&
         text(server, question.server) && text(transport, question.transport);
}

AnswerRules AnswerRules::read(Fields& fields) {
  AnswerRules rules;
  rules.keys_ = AnswerKeys::read(fields);
  if (const auto* when = fields.find("when")) {
    if (!when->is_array()) fields.fail("when", "must be a list");
    for (std::size_t i = 0; i < when->size(); ++i) {
      Fields entry((*when)[i], fields.path("when." + std::to_string(i)));
      Selector selector;
      const auto patterns = [&](const char* key, Patterns& into) {
        if (const auto* value = entry.find(key)) into = Patterns::read(*value, entry.path(key));
      };
      patterns("type", selector.type);
      patterns("server", selector.server);
      patterns("transport", selector.transport);
      if (const auto* query = entry.find("query"))
        selector.query = Numbers::read(*query, entry.path("query"));
      selector.span = Span::read(entry);
      auto keys = AnswerKeys::read(entry);
      entry.finish();
      rules.when_.emplace_back(std::move(selector), std::move(keys));
    }
  }
  return rules;
}

void NameRules::add_address(const std::string& text, const std::string& path) {
  std::array<std::uint8_t, 4> four{};
  std::array<std::uint8_t, 16> sixteen{};
  if (inet_pton(AF_INET, text.c_str(), four.data()) == 1)
    a.push_back(four);
  else if (inet_pton(AF_INET6, text.c_str(), sixteen.data()) == 1)
    aaaa.push_back(sixteen);
  else
    throw FileError(path + ": not an address: " + text);
}

NameRules NameRules::read(const Json& value, const std::string& path) {
  NameRules name;
  Fields fields(value, path);
  for (const auto& text : fields.texts("MX").value_or(std::vector<std::string>{}))
    name.mx.push_back(mx_of(text, fields.path("MX")));
  for (const std::string_view key : {"A", "AAAA"})
    for (const auto& text : fields.texts(key).value_or(std::vector<std::string>{})) {
      if ((text.find(':') != std::string::npos) != (key == "AAAA"))
        fields.fail(key, "the other family's address");
      name.add_address(text, fields.path(key));
    }
  name.txt = fields.texts("TXT").value_or(std::vector<std::string>{});
  for (const auto& text : name.txt)
    if (text.size() > 255) fields.fail("TXT", "at most 255 bytes each");
  name.cname = lower(fields.text("CNAME").value_or(""));
  if (!dns::is_valid_name(name.cname)) fields.fail("CNAME", "no name that DNS can carry");
  name.ttl = seconds_of(fields, "ttl", name.ttl);
  if (const auto* negative = fields.find("negative_ttl"); negative && negative->is_null())
    name.negative_ttl.reset();
  else
    name.negative_ttl = seconds_of(fields, "negative_ttl", 60);
  name.many_mx = fields.count("many_mx").value_or(0);
  name.rules = AnswerRules::read(fields);
  fields.finish();
  return name;
}

NameServerRules NameServerRules::read(const Json& value, const std::string& path) {
  NameServerRules server;
  Fields fields(value, path);
  server.address = fields.text("address").value_or(server.address);
  const auto port = fields.count("port").value_or(0);
  if (port > 65535) fields.fail("port", "must be at most 65535");
  server.port = static_cast<std::uint16_t>(port);
  server.tcp = fields.flag("tcp").value_or(true);
  server.down = fields.flag("down").value_or(false);
  server.rules = AnswerRules::read(fields);
  fields.finish();
  return server;
}

} // namespace bulkmail::world
