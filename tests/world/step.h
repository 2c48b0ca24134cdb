// What a mail host does at one stage of a dialog in place of the default (README.md, "Steps").
#pragma once

#include "tests/world/fields.h"

namespace bulkmail::world {

enum class Stage : std::uint8_t {
  greeting,
  ehlo,
  helo,
  starttls,
  mail,
  rcpt,
  data,
  bdat,
  content,
  end_of_data,
  rset,
  quit,
  noop,
  other,
};
inline constexpr std::size_t stages = 14;

std::string_view to_string(Stage stage);
std::optional<Stage> stage_named(std::string_view name);

struct Step {
  enum class Then : std::uint8_t {
    go_on,
    close, // FIN
    reset, // RST
    stall, // reads on, never answers again
    deaf,  // stops reading
  };

  std::optional<std::string> text; // the exact bytes, line ends included; absent: the default reply
  std::string extra;
  std::string endless_text;
  milliseconds delay{0};
  milliseconds drip{0};
  bool silent = false;
  bool hold = false;
  bool endless = false;
  Then then = Then::go_on;
  std::uint64_t after = 0; // at content only

  static Step read(const Json& value, const std::string& path, Stage stage);
};

// "250 ok" -> "250 ok\r\n"; a list: each line.
std::string reply_text(const Json& value, const std::string& path);

} // namespace bulkmail::world
