#include "tests/world/step.h"

#include <nlohmann/json.hpp>

#include <array>

namespace bulkmail::world {
namespace {

constexpr std::array<std::string_view, stages> stage_names{
    "greeting", "ehlo",    "helo",        "starttls", "mail", "rcpt", "data",
    "bdat",     "content", "end_of_data", "rset",     "quit", "noop", "other"};

// Each code point of a JSON string as one byte, so that a world file can name any byte.
std::string latin1(const std::string& utf8, const std::string& path) {
  std::string bytes;
  for (std::size_t i = 0; i < utf8.size(); ++i) {
    const auto lead = static_cast<unsigned char>(utf8[i]);
    if (lead < 0x80) {
      bytes += utf8[i];
      continue;
    }
    if (lead > 0xC3 || i + 1 == utf8.size())
      throw FileError(path + ": code points above U+00FF are no bytes");
    const auto trail = static_cast<unsigned char>(utf8[++i]);
    bytes += static_cast<char>(((lead & 0x03) << 6) | (trail & 0x3F));
  }
  return bytes;
}

Step::Then then_named(const std::string& name, const std::string& path) {
  if (name == "close") return Step::Then::close;
  if (name == "reset") return Step::Then::reset;
  if (name == "stall") return Step::Then::stall;
  if (name == "deaf") return Step::Then::deaf;
  throw FileError(path + ": must be close, reset, stall or deaf");
}

} // namespace

std::string_view to_string(Stage stage) { return stage_names.at(static_cast<std::size_t>(stage)); }

std::optional<Stage> stage_named(std::string_view name) {
  for (std::size_t i = 0; i < stages; ++i)
    if (stage_names.at(i) == name) return static_cast<Stage>(i);
  return std::nullopt;
}

std::string reply_text(const Json& value, const std::string& path) {
  std::string text;
  for (const auto& line : one_or_list(value, path)) text += line + "\r\n";
  return text;
}

Step Step::read(const Json& value, const std::string& path, Stage stage) {
  Step step;
  if (value.is_string()) {
    step.text = reply_text(value, path);
    if (stage == Stage::content) throw FileError(path + ": content has no reply");
    return step;
  }
  Fields fields(value, path);
  if (const auto* reply = fields.find("reply")) step.text = reply_text(*reply, fields.path("reply"));
  if (const auto raw = fields.text("raw")) {
    if (step.text) fields.fail("raw", "either this or reply");
    step.text = latin1(*raw, fields.path("raw"));
  }
  if (const auto* extra = fields.find("extra")) step.extra = reply_text(*extra, fields.path("extra"));
  if (const auto* endless = fields.find("endless")) {
    step.endless = true;
    if (endless->is_string())
      step.endless_text = endless->get<std::string>();
    else if (!endless->is_boolean() || !endless->get<bool>())
      fields.fail("endless", "must be true or a text");
  }
  step.delay = fields.duration("delay").value_or(milliseconds(0));
  step.drip = fields.duration("drip").value_or(milliseconds(0));
  step.silent = fields.flag("silent").value_or(false);
  step.hold = fields.flag("hold").value_or(false);
  if (const auto then = fields.text("then")) step.then = then_named(*then, fields.path("then"));
  if (stage == Stage::content) step.after = fields.count("after").value_or(0);
  fields.finish();
  if (stage == Stage::content && (step.text || step.then == Then::go_on))
    throw FileError(path + ": a content step has a `then`, and no reply");
  return step;
}

} // namespace bulkmail::world
