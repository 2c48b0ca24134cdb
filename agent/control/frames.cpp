#include "agent/control/frames.h"

#include <fmt/format.h>

#include <array>

namespace bulkmail::agent {
namespace {

using nlohmann::json;

constexpr std::array commands{Request::Command::ping, Request::Command::flush, Request::Command::drain,
                              Request::Command::queue, Request::Command::show};

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

} // namespace

std::string_view to_string(Request::Command command) {
  switch (command) {
  case Request::Command::ping: return "ping";
  case Request::Command::flush: return "flush";
  case Request::Command::drain: return "drain";
  case Request::Command::queue: return "queue";
  case Request::Command::show: return "show";
  }
  return "ping";
}

std::string Request::serialise() const {
  json object{{"command", to_string(command)}};
  if (!domain.empty()) object["domain"] = domain;
  if (!id.empty()) object["id"] = id;
  return line_of(object);
}

std::expected<Request, std::string> Request::parse(std::string_view line) {
  if (line.size() > max_line) return std::unexpected("a request is at most 64 KiB");
  const json object = json::parse(line, nullptr, false);
  if (!object.is_object()) return std::unexpected("a request is one JSON object on one line");
  Request request;
  std::string name;
  if (!read_text(object, "command", name) || !read_text(object, "domain", request.domain) ||
      !read_text(object, "id", request.id))
    return std::unexpected("command, domain and id are text");
  for (const Command command : commands) {
    if (name != to_string(command)) continue;
    request.command = command;
    if (command == Command::show && request.id.empty()) return std::unexpected("show needs an id");
    return request;
  }
  return std::unexpected(
      fmt::format("unknown command {}: ping, flush, drain, queue, show", json(name).dump()));
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
