#include "transport/proxy/proxy.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

namespace bulkmail::transport {
namespace {

using resolver::Endpoint;
using resolver::IpAddress;

// RFC 1928 §3, §4, §6 and RFC 1929 §2.
constexpr char version = 5, negotiation = 1;
constexpr char no_authentication = 0, username_and_password = 2;
constexpr char connect = 1, v4 = 1, name = 3, v6 = 4;
constexpr std::size_t longest_text = 255; // its length is an octet
constexpr std::size_t short_reply = 2, reply_head = 4, port_size = 2;

constexpr std::uint16_t socks_port = 1080;

// "\r\n\r\n\0\r\nQUIT\n", then version 2 and the command PROXY.
constexpr std::string_view signature("\x0d\x0a\x0d\x0a\x00\x0d\x0a\x51\x55\x49\x54\x0a\x21", 13);
constexpr char tcp_over_v4 = 0x11, tcp_over_v6 = 0x21;

bool is_v4(const IpAddress& address) { return address.family == IpAddress::Family::v4; }

void put(std::string& out, const IpAddress& address) {
  out.append(reinterpret_cast<const char*>(address.bytes.data()), is_v4(address) ? 4 : 16);
}

void put(std::string& out, std::uint16_t number) {
  out += static_cast<char>(number >> 8);
  out += static_cast<char>(number & 0xff);
}

std::string proxy_header(const std::optional<IpAddress>& from, const Endpoint& to) {
  IpAddress source;
  source.family = to.address.family;
  if (from && from->family == source.family) source = *from;
  std::string addresses;
  put(addresses, source);
  put(addresses, to.address);
  put(addresses, std::uint16_t{0}); // any port
  put(addresses, to.port);
  std::string header(signature);
  header += is_v4(source) ? tcp_over_v4 : tcp_over_v6;
  put(header, static_cast<std::uint16_t>(addresses.size()));
  return header + addresses;
}

std::string_view refusal(char code) { // RFC 1928 §6
  constexpr std::array<std::string_view, 9> texts{
      "",
      "general failure",
      "not allowed",
      "network unreachable",
      "host unreachable",
      "connection refused",
      "time to live expired",
      "command not supported",
      "address type not supported",
  };
  const auto number = static_cast<unsigned char>(code);
  return number < texts.size() ? texts[number] : "unknown failure";
}

} // namespace

std::expected<Proxy, std::string> Proxy::parse(std::string_view text) {
  const auto wrong = std::unexpected(std::string(
      "a proxy is written as \"socks5://ADDRESS:PORT\" or \"haproxy://ADDRESS:PORT\"; SOCKS5 may have "
      "USER:PASSWORD@ before the address"));
  Proxy proxy;
  std::uint16_t usual_port = socks_port;
  if (text.starts_with("socks5://")) {
    text.remove_prefix(9);
  } else if (text.starts_with("haproxy://")) {
    text.remove_prefix(10);
    proxy.kind = Kind::haproxy;
    usual_port = 0;
  } else {
    return wrong;
  }
  if (const auto at = text.rfind('@'); at != text.npos) {
    const auto colon = text.find(':');
    if (proxy.kind == Kind::haproxy || colon > at) return wrong;
    proxy.username = text.substr(0, colon);
    proxy.password = text.substr(colon + 1, at - colon - 1);
    for (const auto* part : {&proxy.username, &proxy.password})
      if (part->empty() || part->size() > longest_text) return wrong;
    text.remove_prefix(at + 1);
  }
  const auto endpoint = Endpoint::parse(text, usual_port);
  if (!endpoint || endpoint->port == 0) return wrong;
  proxy.at = *endpoint;
  return proxy;
}

ProxyDialog::ProxyDialog(const Proxy& proxy, const std::optional<IpAddress>& from, const Endpoint& to)
    : proxy_(proxy),
      to_(to) {
  if (proxy_.kind == Proxy::Kind::haproxy) {
    output_ = proxy_header(from, to);
    stage_ = Stage::done;
    return;
  }
  const bool known = !proxy_.username.empty();
  output_ = {version, known ? '\2' : '\1', no_authentication};
  if (known) output_ += username_and_password;
}

std::string ProxyDialog::take_output() { return std::exchange(output_, {}); }

std::string_view ProxyDialog::receive(std::string_view bytes) {
  while (!bytes.empty() && stage_ != Stage::done && stage_ != Stage::failed) {
    const std::size_t count = std::min(wanted() - reply_.size(), bytes.size());
    reply_.append(bytes.substr(0, count));
    bytes.remove_prefix(count);
    if (reply_.size() == wanted()) answered();
  }
  return stage_ == Stage::failed ? std::string_view{} : bytes;
}

std::size_t ProxyDialog::wanted() const {
  if (stage_ != Stage::connect) return short_reply;
  if (reply_.size() < reply_head || reply_[0] != version || reply_[1] != 0) return reply_head;
  switch (reply_[3]) {
  case v4: return reply_head + 4 + port_size;
  case v6: return reply_head + 16 + port_size;
  case name: {
    if (reply_.size() == reply_head) return reply_head + 1;
    return reply_head + 1 + static_cast<unsigned char>(reply_[reply_head]) + port_size;
  }
  default: return reply_head;
  }
}

// The reply is whole.
void ProxyDialog::answered() {
  const std::string reply = std::exchange(reply_, {});
  if (stage_ != Stage::password && reply[0] != version) return fail("the proxy does not speak SOCKS5");
  switch (stage_) {
  case Stage::method:
    if (reply[1] == no_authentication) return ask_to_connect();
    if (reply[1] != username_and_password || proxy_.username.empty())
      return fail("the proxy wants another way of authentication");
    output_ = {negotiation, static_cast<char>(proxy_.username.size())};
    output_ += proxy_.username;
    output_ += static_cast<char>(proxy_.password.size());
    output_ += proxy_.password;
    stage_ = Stage::password;
    return;
  case Stage::password:
    if (reply[1] != 0) return fail("the proxy refuses user name and password");
    return ask_to_connect();
  case Stage::connect:
    if (reply[1] != 0) return fail(fmt::format("the proxy says: {}", refusal(reply[1])));
    if (reply.size() == reply_head) return fail("the proxy's reply has an address of an unknown kind");
    stage_ = Stage::done;
    return;
  case Stage::done:
  case Stage::failed: return;
  }
}

void ProxyDialog::ask_to_connect() {
  output_ += {version, connect, '\0', is_v4(to_.address) ? v4 : v6};
  put(output_, to_.address);
  put(output_, to_.port);
  stage_ = Stage::connect;
}

void ProxyDialog::fail(std::string problem) {
  problem_ = std::move(problem);
  stage_ = Stage::failed;
}

} // namespace bulkmail::transport
