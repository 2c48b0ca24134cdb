#include "agent/control/frames.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace bulkmail::agent {
namespace {

using nlohmann::json;

using Command = Request::Command;

constexpr std::array commands{Command::ping,   Command::flush, Command::hold,  Command::release,
                              Command::cancel, Command::drain, Command::queue, Command::show};

// Peer text may hold any bytes: what is no UTF-8 is replaced, never thrown at.
std::string line_of(const json& object) {
  return object.dump(-1, ' ', false, json::error_handler_t::replace) + '\n';
}

// Puts the text at `name` into `into` if it is there. Answers false if it is there and is no text.
bool read_text(const json& object, const char* name, std::string& into) {
  const auto found = object.find(name);
  if (found == object.end()) return true;
  if (!found->is_string()) return false;
  into = found->get<std::string>();
  return true;
}

std::string names_of_commands() {
  std::string names;
  for (const Command command : commands)
    names += fmt::format("{}{}", names.empty() ? "" : ", ", to_string(command));
  return names;
}

// Whether it says which mail is meant as its command wants it; what is wrong with it, or "".
std::string judge_choice(const Request& request) {
  const int given = !request.id.empty() + !request.sender.empty() + !request.site.empty() +
                    !request.domain.empty() + request.all;
  switch (request.command) {
  case Command::show: return request.id.empty() ? "show needs an id" : "";
  case Command::hold:
  case Command::release:
  case Command::cancel:
    if (given == 1 && request.domain.empty()) return "";
    return fmt::format("{} needs an id, a sender, a site, or all", to_string(request.command));
  case Command::flush: return given > 1 ? "flush takes one of id, sender, site and domain" : "";
  case Command::ping:
  case Command::drain:
  case Command::queue: return "";
  }
  return "";
}

} // namespace

std::string_view to_string(Request::Command command) {
  switch (command) {
  case Request::Command::ping: return "ping";
  case Request::Command::flush: return "flush";
  case Request::Command::hold: return "hold";
  case Request::Command::release: return "release";
  case Request::Command::cancel: return "cancel";
  case Request::Command::drain: return "drain";
  case Request::Command::queue: return "queue";
  case Request::Command::show: return "show";
  }
  return "ping";
}

std::string Request::serialise() const {
  json object{{"command", to_string(command)}};
  if (!id.empty()) object["id"] = id;
  if (!sender.empty()) object["sender"] = sender;
  if (!site.empty()) object["site"] = site;
  if (!domain.empty()) object["domain"] = domain;
  if (all) object["all"] = true;
  return line_of(object);
}

std::expected<Request, std::string> Request::parse(std::string_view line) {
  if (line.size() > max_line) return std::unexpected("a request is at most 64 KiB");
  const json object = json::parse(line, nullptr, false);
  if (!object.is_object()) return std::unexpected("a request is one JSON object on one line");
  Request request;
  std::string name;
  if (!read_text(object, "command", name) || !read_text(object, "id", request.id) ||
      !read_text(object, "sender", request.sender) || !read_text(object, "site", request.site) ||
      !read_text(object, "domain", request.domain))
    return std::unexpected("command, id, sender, site and domain are text");
  if (const auto all = object.find("all"); all != object.end()) {
    if (!all->is_boolean()) return std::unexpected("all is true or false");
    request.all = all->get<bool>();
  }
  const auto command = std::ranges::find(commands, name, [](Command one) { return to_string(one); });
  if (command == commands.end())
    return std::unexpected(fmt::format("unknown command {}: {}", json(name).dump(), names_of_commands()));
  request.command = *command;
  if (const std::string wrong = judge_choice(request); !wrong.empty()) return std::unexpected(wrong);
  return request;
}

std::string Response::serialise() const {
  json object{{"ok", ok}};
  if (!ok) object["error"] = error;
  if (ok && !body.is_null()) object["body"] = body;
  return line_of(object);
}

std::expected<Response, std::string> Response::parse(std::string_view line) {
  const json object = json::parse(line, nullptr, false);
  const auto ok = object.is_object() ? object.find("ok") : object.end();
  if (ok == object.end() || !ok->is_boolean()) return std::unexpected("the agent's answer makes no sense");
  Response response;
  response.ok = ok->get<bool>();
  if (!read_text(object, "error", response.error))
    return std::unexpected("the agent's answer makes no sense");
  if (const auto body = object.find("body"); body != object.end()) response.body = *body;
  return response;
}

bool LineBuffer::feed(std::string_view bytes) {
  pending_ += bytes;
  const auto last = bytes.rfind('\n');
  unended_ = last == std::string_view::npos ? unended_ + bytes.size() : bytes.size() - last - 1;
  return unended_ <= max_line_;
}

std::optional<std::string> LineBuffer::next() {
  const auto end = pending_.find('\n');
  if (end == std::string::npos) return std::nullopt;
  std::string line = pending_.substr(0, end);
  pending_.erase(0, end + 1);
  return line;
}

} // namespace bulkmail::agent
