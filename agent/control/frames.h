// The admin socket's protocol: one JSON object a line each way over control.sock, any number of requests a
// connection, answered in order.
//
//   {"command":"hold","sender":"example.org"}     ->   {"ok":true,"body":{…}}
//   {"command":"show","id":"news-1"}              ->   {"ok":false,"error":"no message news-1"}
//
// Whoever may open the socket (mode 0600) may ask; a malformed line is answered, a line without end closes.
#pragma once

#include <nlohmann/json.hpp>

#include <cstddef>
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>

namespace bulkmail::agent {

struct Request {
  enum class Command : std::uint8_t {
    ping,    // is it there and making progress?
    flush,   // make what waits due now
    hold,    // nothing of it is sent …
    release, // … until now
    cancel,  // it is never sent
    drain,   // a flush from a `drain` that found the agent
    queue,   // what waits and why
    show,    // one message: `id`
  };
  static constexpr std::size_t max_line = 65'536; // an id has 200 bytes, a domain 253: more is no request

  Command command = Command::ping;
  // Which mail is meant, by one of these; empty: not given. For `flush` none of them means all.
  std::string id{};     // of one message; for `show`, too
  std::string sender{}; // "ann@example.org", "example.org", "*.example.org", "<>"
  std::string site{};   // a Site's name, one of its hosts, or a recipient domain
  std::string domain{}; // a recipient domain; flush alone, which is content with one that nothing waits for
  bool all = false;

  bool operator==(const Request&) const = default;

  [[nodiscard]] std::string serialise() const; // ends in a newline
  // One line with or without its newline. The error is fit to be sent back.
  [[nodiscard]] static std::expected<Request, std::string> parse(std::string_view line);
};

[[nodiscard]] std::string_view to_string(Request::Command command);

struct Response {
  bool ok = true;
  std::string error;   // when not ok
  nlohmann::json body; // when ok; null: nothing to say

  [[nodiscard]] std::string serialise() const; // ends in a newline; never throws on any bytes
  [[nodiscard]] static std::expected<Response, std::string> parse(std::string_view line);

  [[nodiscard]] static Response failure(std::string error) { return {false, std::move(error), nullptr}; }

  [[nodiscard]] static Response success(nlohmann::json body = nullptr) { return {true, {}, std::move(body)}; }
};

// Cuts a stream into lines.
class LineBuffer {
 public:
  explicit LineBuffer(std::size_t max_line = Request::max_line) : max_line_(max_line) {}

  // False: a line is longer than allowed; the connection is to be closed.
  [[nodiscard]] bool feed(std::string_view bytes);
  [[nodiscard]] std::optional<std::string> next(); // without its newline

 private:
  std::size_t max_line_;
  std::string pending_;
  std::size_t unended_ = 0; // octets behind the last newline
};

} // namespace bulkmail::agent
