#include "spool/drop/merge_object.h"

#include "spool/base64.h"
#include "spool/status/json_writer.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>

namespace bulkmail::spool {

bool is_merge_name(std::string_view text) {
  constexpr auto letter = [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
  };
  return !text.empty() && text.size() <= MergeObject::max_name && std::ranges::all_of(text, letter);
}

// The parser's events, in the order of the text: no tree is built.
class MergeObject::Reader {
 public:
  // `text` has room for all there is, so that views into it stay good.
  Reader(std::string& text, std::vector<MergeField>& fields) : text_(text), fields_(fields) {}

  std::string problem;

  bool start_object(std::size_t) { return !std::exchange(open_, true) || wrong("an object within it"); }

  bool end_object() { return true; }

  bool key(std::string& name) {
    if (!is_merge_name(name)) return wrong("a name that isn't 1 to 64 of A-Z a-z 0-9 . _ -");
    if (std::ranges::find(fields_, name, &MergeField::name) != fields_.end())
      return wrong(fmt::format("\"{}\" twice", name));
    if (fields_.size() == FieldNames::most)
      return wrong(fmt::format("more than {} members", FieldNames::most));
    fields_.push_back({keep(name), {}});
    return true;
  }

  bool string(std::string& value) {
    if (value.find('\0') != value.npos) return wrong("a NUL in a value");
    return take(value);
  }

  bool number_integer(std::int64_t value) { return take(fmt::format_int(value).str()); }

  bool number_unsigned(std::uint64_t value) { return take(fmt::format_int(value).str()); }

  bool number_float(double, const std::string& written) { return take(written); }

  bool null() { return wrong("null"); }

  bool boolean(bool) { return wrong("true or false"); }

  bool start_array(std::size_t) { return wrong("an array"); }

  bool end_array() { return true; }

  bool binary(nlohmann::json::binary_t&) { return wrong("bytes"); }

  template <class Exception>
  bool parse_error(std::size_t at, const std::string&, const Exception&) {
    problem = fmt::format("no JSON at octet {}", at);
    return false;
  }

 private:
  bool wrong(std::string what) {
    problem = "it has " + std::move(what);
    return false;
  }

  std::string_view keep(std::string_view text) {
    const std::size_t at = text_.size();
    text_ += text;
    return std::string_view(text_).substr(at);
  }

  bool take(std::string_view value) {
    if (fields_.empty()) return wrong("no members: it is a bare value");
    fields_.back().value = keep(value);
    return true;
  }

  std::string& text_;
  std::vector<MergeField>& fields_;
  bool open_ = false;
};

std::expected<void, std::string> MergeObject::read(std::string_view base64) {
  fields_.clear();
  if (base64.size() / 4 * 3 > max_json + 2)
    return std::unexpected(fmt::format("the object is over {} octets", max_json));
  if (!decode_base64(base64, json_)) return std::unexpected("no base64 (RFC 4648 section 4, padded)");
  text_.clear();
  text_.reserve(json_.size()); // nothing is longer decoded than written
  Reader reader(text_, fields_);
  if (!nlohmann::json::sax_parse(json_, &reader)) {
    fields_.clear();
    return std::unexpected(std::move(reader.problem));
  }
  return {};
}

void append_merge_object(std::string& out, std::span<const MergeField> fields) {
  std::string json;
  JsonWriter writer(json);
  writer.begin('{');
  for (const MergeField& field : fields) writer.key(field.name).string(field.value);
  writer.end('}');
  append_base64(out, json);
}

} // namespace bulkmail::spool
