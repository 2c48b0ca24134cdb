// A conversation written down (docs/smtp-dialog.md has the format): what the server says, what the client
// says, what is done and what is told, line by line. Which of the two sides is under test the runner knows.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace bulkmail::transport {

struct DialogStep {
  enum class Kind { server, client, action, expect } kind;
  std::string text; // server, client: the octets with the line end
  int line;         // in the file
};

struct DialogScript {
  std::string name;
  std::map<std::string, std::string> header;
  std::vector<DialogStep> steps;

  [[nodiscard]] std::string head(const std::string& key, const std::string& otherwise = {}) const;
};

[[nodiscard]] DialogScript parse_dialog(std::string name,
                                        std::string_view text); // throws on a line it doesn't know

// All of tests/dialogs with this extension, by name.
[[nodiscard]] std::vector<DialogScript> read_dialogs(std::string_view extension);

// \r \n \0 \\ \s (a space) \xHH stand for octets.
[[nodiscard]] std::string unescape(std::string_view text);

// "to=ann@d1.example size=12 8bit" as pairs; a word alone has an empty value.
[[nodiscard]] std::vector<std::pair<std::string, std::string>> words(std::string_view text);

} // namespace bulkmail::transport
