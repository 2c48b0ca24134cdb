#include "dialog_script.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>

namespace bulkmail::transport {

namespace {

// "C: text\" has no line end: the next line of the same speaker goes on.
std::string spoken(std::string_view text) {
  const bool open = text.ends_with('\\') && !text.ends_with("\\\\");
  if (open) text.remove_suffix(1);
  return unescape(text) + (open ? "" : "\r\n");
}

} // namespace

std::string DialogScript::head(const std::string& key, const std::string& otherwise) const {
  const auto found = header.find(key);
  return found == header.end() ? otherwise : found->second;
}

DialogScript parse_dialog(std::string name, std::string_view text) {
  DialogScript script{.name = std::move(name), .header = {}, .steps = {}};
  std::istringstream in{std::string(text)};
  int number = 0;
  for (std::string line; std::getline(in, line);) {
    ++number;
    const std::string_view all = line;
    const std::string_view rest =
        all.substr(std::min<std::size_t>(all.size(), all.starts_with("S:") || all.starts_with("C:") ? 3 : 2));
    const auto add = [&](DialogStep::Kind kind, std::string octets) {
      script.steps.push_back({kind, std::move(octets), number});
    };
    if (all.empty() || all.starts_with('#')) {
      continue;
    } else if (all.starts_with("S:")) {
      add(DialogStep::Kind::server, spoken(rest));
    } else if (all.starts_with("C:")) {
      add(DialogStep::Kind::client, spoken(rest));
    } else if (all.starts_with("* ")) {
      add(DialogStep::Kind::action, std::string(rest));
    } else if (all.starts_with("= ")) {
      add(DialogStep::Kind::expect, std::string(rest));
    } else if (const auto colon = all.find(": "); colon != std::string_view::npos && script.steps.empty()) {
      script.header.emplace(all.substr(0, colon), all.substr(colon + 2));
    } else {
      throw std::runtime_error(fmt::format("{}:{}: what is \"{}\"?", script.name, number, line));
    }
  }
  return script;
}

std::vector<DialogScript> read_dialogs(std::string_view extension) {
  std::vector<DialogScript> scripts;
  for (const auto& entry : std::filesystem::directory_iterator(TEST_SOURCE_DIR "/../dialogs")) {
    if (entry.path().extension() != extension) continue;
    std::ifstream in(entry.path());
    const std::string text{std::istreambuf_iterator<char>(in), {}};
    scripts.push_back(parse_dialog(entry.path().filename(), text));
  }
  std::ranges::sort(scripts, {}, &DialogScript::name);
  return scripts;
}

std::string unescape(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\' || i + 1 == text.size()) {
      out += text[i];
      continue;
    }
    switch (const char c = text[++i]; c) {
    case 'r': out += '\r'; break;
    case 'n': out += '\n'; break;
    case '0': out += '\0'; break;
    case 's': out += ' '; break;
    case 'x':
      out += static_cast<char>(std::stoi(std::string(text.substr(i + 1, 2)), nullptr, 16));
      i += 2;
      break;
    default: out += c;
    }
  }
  return out;
}

std::vector<std::pair<std::string, std::string>> words(std::string_view text) {
  std::vector<std::pair<std::string, std::string>> pairs;
  std::istringstream in{std::string(text)};
  for (std::string word; in >> word;) {
    const std::size_t equals = word.find('=');
    pairs.emplace_back(word.substr(0, equals),
                       equals == std::string::npos ? "" : unescape(word.substr(equals + 1)));
  }
  return pairs;
}

} // namespace bulkmail::transport
