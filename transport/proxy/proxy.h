// Through an egress proxy to a mail host, before the first octet of SMTP, without I/O: SOCKS5 (RFC 1928, without
// authentication or with user name and password, RFC 1929) or HAProxy's PROXY protocol, version 2.
//
//   ProxyDialog dialog(proxy, from, to);
//   write dialog.take_output();
//   on bytes:  rest = dialog.receive(bytes);  write dialog.take_output();
//   once dialog.done(): the stream leads to the mail host, and `rest` are its first octets
//   dialog.problem() not empty: it does not; close it
#pragma once

#include "resolver/address.h"

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>

namespace bulkmail::transport {

struct Proxy {
  enum class Kind : std::uint8_t { socks5, haproxy } kind = Kind::socks5;
  resolver::Endpoint at;
  std::string username, password; // socks5; empty: none are offered

  // "socks5://127.0.0.1:1080", "socks5://user:password@[::1]:1080", "haproxy://127.0.0.1:5000"; or what is wrong with it. The
  // error never repeats the text, which may hold a password.
  [[nodiscard]] static std::expected<Proxy, std::string> parse(std::string_view text);

  bool operator==(const Proxy&) const = default;
};

class ProxyDialog {
 public:
  // `from`: the address to send from, which PROXY tells the proxy; none: the proxy's choice, for SOCKS5 always so.
  ProxyDialog(const Proxy& proxy, const std::optional<resolver::IpAddress>& from,
              const resolver::Endpoint& to);

  [[nodiscard]] std::string take_output();
  // What of the bytes is not the proxy's but the mail host's.
  [[nodiscard]] std::string_view receive(std::string_view bytes);

  [[nodiscard]] bool done() const { return stage_ == Stage::done; }

  [[nodiscard]] const std::string& problem() const { return problem_; } // fit for a status file

 private:
  enum class Stage : std::uint8_t { method, password, connect, done, failed };
  void answered();
  void ask_to_connect();
  [[nodiscard]] std::size_t wanted() const; // octets of the reply, as far as it shows
  void fail(std::string problem);

  Proxy proxy_;
  resolver::Endpoint to_;
  Stage stage_ = Stage::method;
  std::string output_, reply_, problem_;
};

} // namespace bulkmail::transport
