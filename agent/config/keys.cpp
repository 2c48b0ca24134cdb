#include "agent/config/keys.h"

#include "agent/config/units.h"
#include "agent/queue/destination.h"
#include "resolver/route.h"
#include "spool/ascii.h"
#include "spool/mailbox.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <concepts>
#include <limits>
#include <numeric>
#include <type_traits>

namespace bulkmail::agent {
namespace {

using namespace std::chrono_literals;
using Duration = Config::Duration;

// How a value of one type is written: what it is called, read and shown as. read() answers what is wrong, ""
// if nothing.

std::string written(const toml::node& node) {
  switch (node.type()) {
  case toml::node_type::string: return "text";
  case toml::node_type::integer: return "a whole number";
  case toml::node_type::floating_point: return "a number";
  case toml::node_type::boolean: return "true or false";
  case toml::node_type::array: return "a list";
  case toml::node_type::table: return "a table";
  default: return "a date or time";
  }
}

std::string wrong_type(std::string_view wanted, const toml::node& node) {
  return fmt::format("must be {}, not {}", wanted, written(node));
}

// Text as a TOML basic string.
std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f)
      out += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
    else
      out += c;
  }
  return out + '"';
}

struct Text {
  using Value = std::string;
  std::string_view what = "text";
  std::string (*judge)(std::string_view) = nullptr; // what is wrong with it, "" if nothing

  [[nodiscard]] std::string type() const { return std::string(what); }

  std::string read(std::string& into, const toml::node& node) const {
    const auto* text = node.as_string();
    if (text == nullptr) return wrong_type("text", node);
    if (text->get().find('\0') != std::string::npos) return "must not hold a NUL";
    if (judge != nullptr)
      if (auto problem = judge(text->get()); !problem.empty()) return problem;
    into = text->get();
    return {};
  }

  [[nodiscard]] std::string show(const std::string& text) const { return quoted(text); }
};

template <std::unsigned_integral T>
struct Number {
  using Value = T;
  T least, most;

  [[nodiscard]] std::string type() const { return fmt::format("whole number, {} to {}", least, most); }

  std::string read(T& into, const toml::node& node) const {
    const auto* number = node.as_integer();
    if (number == nullptr) return wrong_type("a whole number", node);
    if (std::cmp_less(number->get(), least) || std::cmp_greater(number->get(), most))
      return fmt::format("must be from {} to {}, not {}", least, most, number->get());
    into = static_cast<T>(number->get());
    return {};
  }

  [[nodiscard]] std::string show(T number) const { return fmt::format("{}", number); }
};

struct Time {
  using Value = Duration;
  Duration least, most;

  [[nodiscard]] std::string type() const {
    return fmt::format("duration, {} to {}", format_duration(least), format_duration(most));
  }

  std::string read(Duration& into, const toml::node& node) const {
    const auto* text = node.as_string();
    if (text == nullptr) return wrong_type("a duration such as \"30s\"", node);
    const auto duration = parse_duration(text->get());
    if (!duration)
      return fmt::format("{} is no duration: write whole numbers with d, h, m, s, ms, such as \"1h20m\"",
                         quoted(text->get()));
    if (*duration < least || *duration > most)
      return fmt::format("must be from {} to {}, not {}", format_duration(least), format_duration(most),
                         format_duration(*duration));
    into = *duration;
    return {};
  }

  [[nodiscard]] std::string show(Duration duration) const { return quoted(format_duration(duration)); }
};

struct Size {
  using Value = std::uint64_t;
  std::uint64_t least, most;

  [[nodiscard]] std::string type() const {
    return fmt::format("size, {} to {}", format_size(least), format_size(most));
  }

  std::string read(std::uint64_t& into, const toml::node& node) const {
    const auto* text = node.as_string();
    if (text == nullptr) return wrong_type("a size such as \"64MiB\"", node);
    const auto size = parse_size(text->get());
    if (!size)
      return fmt::format("{} is no size: write a whole number with B, KiB, MiB, GiB, TiB, such as \"64MiB\"",
                         quoted(text->get()));
    if (*size < least || *size > most)
      return fmt::format("must be from {} to {}, not {}", format_size(least), format_size(most),
                         format_size(*size));
    into = *size;
    return {};
  }

  [[nodiscard]] std::string show(std::uint64_t size) const { return quoted(format_size(size)); }
};

struct Boolean {
  using Value = bool;

  [[nodiscard]] static std::string type() { return "true or false"; }

  static std::string read(bool& into, const toml::node& node) {
    const auto* value = node.as_boolean();
    if (value == nullptr) return wrong_type("true or false", node);
    into = value->get();
    return {};
  }

  [[nodiscard]] static std::string show(bool value) { return value ? "true" : "false"; }
};

struct PerTime {
  using Value = Rate;
  Duration longest;

  [[nodiscard]] std::string type() const {
    return fmt::format("rate, \"100/1m\", at most {}", format_duration(longest));
  }

  std::string read(Rate& into, const toml::node& node) const {
    const auto* text = node.as_string();
    if (text == nullptr) return wrong_type("a rate such as \"100/1m\"", node);
    const auto rate = parse_rate(text->get());
    if (!rate)
      return fmt::format("{} is no rate: write a whole number from 1 and a duration, such as \"100/1m\"",
                         quoted(text->get()));
    if (rate->period > longest)
      return fmt::format("must be for {} at most, not {}", format_duration(longest),
                         format_duration(rate->period));
    into = *rate;
    return {};
  }

  [[nodiscard]] static std::string show(Rate rate) { return quoted(format_rate(rate)); }
};

struct LocalAddress {
  using Value = resolver::IpAddress;

  [[nodiscard]] static std::string type() { return "IP address"; }

  static std::string read(resolver::IpAddress& into, const toml::node& node) {
    const auto* text = node.as_string();
    if (text == nullptr) return wrong_type("an IP address such as \"192.0.2.1\"", node);
    const auto address = resolver::IpAddress::parse(text->get());
    if (!address) return fmt::format("{} is no IP address", quoted(text->get()));
    into = *address;
    return {};
  }

  [[nodiscard]] static std::string show(const resolver::IpAddress& address) {
    return quoted(address.to_string());
  }
};

struct Address {
  using Value = resolver::Endpoint;
  std::uint16_t default_port;

  [[nodiscard]] std::string type() const { return "address, \"127.0.0.1:53\" or \"[::1]:53\""; }

  std::string read(resolver::Endpoint& into, const toml::node& node) const {
    const auto* text = node.as_string();
    if (text == nullptr) return wrong_type("an address such as \"127.0.0.1:53\"", node);
    const auto endpoint = resolver::Endpoint::parse(text->get(), default_port);
    if (!endpoint || endpoint->port == 0)
      return fmt::format("{} is no address: write \"127.0.0.1:53\" or \"[::1]:53\"", quoted(text->get()));
    into = *endpoint;
    return {};
  }

  [[nodiscard]] std::string show(const resolver::Endpoint& endpoint) const {
    return quoted(endpoint.to_string());
  }
};

template <class T>
struct Name {
  std::string_view text;
  T value;
};

template <class T, std::size_t N>
struct OneOf {
  using Value = T;
  std::array<Name<T>, N> names;

  [[nodiscard]] std::string type() const {
    std::string text;
    for (const auto& name : names) text += fmt::format("{}{}", text.empty() ? "" : ", ", quoted(name.text));
    return text;
  }

  std::string read(T& into, const toml::node& node) const {
    const auto* text = node.as_string();
    if (text == nullptr) return wrong_type("one of " + type(), node);
    for (const auto& name : names) {
      if (name.text != text->get()) continue;
      into = name.value;
      return {};
    }
    return fmt::format("must be one of {}, not {}", type(), quoted(text->get()));
  }

  [[nodiscard]] std::string show(T value) const {
    return quoted(std::ranges::find(names, value, &Name<T>::value)->text);
  }
};

template <class T, std::size_t N>
OneOf<T, N> one_of(Name<T> const (&names)[N]) {
  return {std::to_array(names)};
}

template <class Item>
struct ListOf {
  using Value = std::vector<typename Item::Value>;
  Item item;
  std::size_t least, most;

  [[nodiscard]] std::string type() const {
    return fmt::format("list of {} to {}: {}", least, most, item.type());
  }

  std::string read(Value& into, const toml::node& node) const {
    const auto* list = node.as_array();
    if (list == nullptr) return wrong_type("a list", node);
    if (list->size() < least || list->size() > most)
      return fmt::format("must have from {} to {} items, not {}", least, most, list->size());
    Value values(list->size());
    for (std::size_t i = 0; i < list->size(); ++i)
      if (auto problem = item.read(values[i], *list->get(i)); !problem.empty())
        return fmt::format("item {} {}", i + 1, problem);
    into = std::move(values);
    return {};
  }

  [[nodiscard]] std::string show(const Value& values) const {
    std::string text;
    for (const auto& value : values) text += (text.empty() ? "" : ", ") + item.show(value);
    return "[" + text + "]";
  }
};

// A value that need not be there.
template <class Kind>
struct Maybe {
  using Value = std::optional<typename Kind::Value>;
  Kind kind;

  [[nodiscard]] std::string type() const { return kind.type(); }

  std::string read(Value& into, const toml::node& node) const { return kind.read(into.emplace(), node); }

  [[nodiscard]] std::string show(const Value& value) const { return value ? kind.show(*value) : ""; }
};

template <class Owner, class Kind, class Place>
KeyOf<Owner> key_of(std::string_view name, Place place, Kind kind, std::string_view about) {
  static_assert(std::is_same_v<decltype(place(std::declval<Owner&>())), typename Kind::Value&>);
  return {std::string(name), about, kind.type(),
          [place, kind](Owner& owner, const toml::node& node) { return kind.read(place(owner), node); },
          [place, kind](const Owner& owner) { return kind.show(place(owner)); }};
}

template <class Kind, class Place>
Key key(std::string_view name, Place place, Kind kind, std::string_view about) {
  return key_of<Config>(name, place, kind, about);
}

std::string judge_hostname(std::string_view name) {
  // RFC 5321 §4.1.2: a domain or an address literal; it goes into EHLO as it stands.
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("-.[]:_").contains(c);
  };
  if (name.empty() || name.size() > 253 || !std::ranges::all_of(name, allowed))
    return fmt::format("{} is no host name", quoted(name));
  return {};
}

std::string judge_not_empty(std::string_view text) { return text.empty() ? "must not be empty" : ""; }

// RFC 6376 §3.5: a domain in A-labels as it stands in the DNS; U-labels are taken and written so.
std::string judge_dns_name(std::string_view name) {
  const auto canonical = resolver::canonical_domain(name);
  if (!canonical || name.starts_with('[')) return fmt::format("{} is no domain name", quoted(name));
  return {};
}

// RFC 5322 §2.2; a semicolon would end h=.
std::string judge_field_name(std::string_view name) {
  const auto allowed = [](char c) { return c > ' ' && c < 0x7f && c != ':' && c != ';'; };
  if (name.empty() || !std::ranges::all_of(name, allowed))
    return fmt::format("{} is no name of a header field", quoted(name));
  return {};
}

std::string judge_mailbox(std::string_view address) {
  if (address.empty() || (spool::parse_mailbox(address) && !address.ends_with(']'))) return {};
  return fmt::format("{} is no mail address", quoted(address));
}

std::string judge_absolute(std::string_view path) {
  return path.starts_with('/') ? "" : "must be a whole path, from / on";
}

std::string judge_folder(std::string_view path) { return path.empty() ? "" : judge_absolute(path); }

std::string judge_socket(std::string_view text) {
  if (text.empty() || (text.starts_with("unix:") && text.size() > 5)) return {};
  return fmt::format("must be \"unix:\" and a path, or \"\", not {}", quoted(text));
}

std::string judge_group(std::string_view name) {
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
  };
  if (name.empty() || name.size() > 64 || !std::ranges::all_of(name, allowed))
    return fmt::format("{} is no name: write letters, digits, - and _, at most 64", quoted(name));
  return {};
}

constexpr std::size_t most_sources = 64; // addresses to send from

// The steps of the first days of one.
constexpr ListOf<PerTime> warmup{{24h * 366}, 0, 100};

#define PLACE(member) [](auto& owner) -> auto& { return owner.member; }

std::vector<Key> make_keys() {
  using Spool = spool::LedgerConfig;
  using Smtp = Config::Smtp;
  using Retry = Config::Retry;
  using Log = Config::Log;
  using TrustAd = Config::Resolver::TrustAd;
  constexpr Time patience{10ms, 24h}; // for one reply
  const auto tls_level = one_of<transport::TlsLevel>({{"off", transport::TlsLevel::off},
                                                      {"opportunistic", transport::TlsLevel::opportunistic},
                                                      {"encrypt", transport::TlsLevel::encrypt},
                                                      {"require", transport::TlsLevel::require}});
  constexpr Time keeping{0ms, 24h * 3650};
  return {
      key("hostname", PLACE(hostname), Text{"host name", judge_hostname},
          "The name said in EHLO and in Reporting-MTA; by default this host's FQDN"),
      key("stop_timeout", PLACE(stop_timeout), Time{0ms, 1h}, "How long a stop waits for what is in flight"),
      key("user", PLACE(user), Text{}, "Started by root, the agent runs as this user, if it exists"),
      key("group", PLACE(group), Text{}, "Started by root, the agent runs with this group, if it exists"),

      key("agent.memory", PLACE(agent.memory), Size{0, 1ULL << 40},
          "Above so much resident memory intake waits: drops stay in `new/`; 0B: no limit"),
      key("agent.workers", PLACE(agent.workers), Number<std::uint32_t>{1, 64},
          "Threads that send, each with its share of the sites"),

      key("spool.path", PLACE(spool.path), Text{"path", judge_not_empty}, "The spool directory"),
      key("spool.rescan", PLACE(spool.rescan), Time{100ms, 1h},
          "How often `new/` is read anew, whatever events said"),

      key("status.detail", PLACE(status.detail),
          one_of<Spool::Detail>({{"all", Spool::Detail::all}, {"failures", Spool::Detail::failures}}),
          "`failures` leaves relayed and delivered recipients out of status files"),
      key("status.interval", PLACE(status.interval), Time{0ms, 24h},
          "A status file that changes is written at most so often"),
      key("status.keep", PLACE(status.keep), keeping, "How long a final status file stays"),
      key("status.files", PLACE(status.files),
          one_of<Spool::Files>(
              {{"all", Spool::Files::all}, {"failed", Spool::Files::failed}, {"none", Spool::Files::none}}),
          "Which messages have a status file: all, those with a failed or delayed recipient, none"),

      key("results.rotate", PLACE(results.rotate), Size{4ULL << 10, 1ULL << 40},
          "`results/current.ndjson` is rotated at this size"),
      key("results.keep", PLACE(results.keep), keeping, "How long rotated results stay"),

      key("listen.lmtp", PLACE(listen.lmtp), Text{"socket, \"unix:PATH\" or \"\"", judge_socket},
          "The LMTP socket, relative to the spool; empty: none"),
      key("listen.lmtp_group", PLACE(listen.lmtp_group), Text{},
          "Group of the LMTP socket; empty: the spool's"),

      key("resolver.servers", PLACE(resolver.servers), ListOf<Address>{{53}, 0, 16},
          "Name servers; empty: those of resolv.conf"),
      key("resolver.timeout", PLACE(resolver.timeout), Time{10ms, 1min},
          "How long one try waits for its answer"),
      key("resolver.attempts", PLACE(resolver.attempts), Number<std::uint32_t>{1, 20},
          "How many tries a question has"),
      key("resolver.trust_ad", PLACE(resolver.trust_ad),
          one_of<TrustAd>({{"auto", TrustAd::automatic}, {"yes", TrustAd::yes}, {"no", TrustAd::no}}),
          "Whose word on DNSSEC (the AD bit) counts: that of `resolver.servers` on loopback and of a "
          "resolv.conf with "
          "`options trust-ad`; of all; of none"),

      key("smtp.port", PLACE(smtp.port), Number<std::uint16_t>{1, 65'535}, "The TCP port of mail hosts"),
      key("smtp.connections", PLACE(smtp.connections), Number<std::uint32_t>{1, 100'000},
          "Sessions over all sites"),
      key("smtp.connections_per_site", PLACE(smtp.connections_per_site), Number<std::uint32_t>{1, 10'000},
          "Sessions to one set of mail hosts"),
      key("smtp.idle", PLACE(smtp.idle), Time{0ms, 1h}, "How long a free session is kept for more work"),
      key("smtp.recipients_per_transaction", PLACE(smtp.recipients_per_transaction),
          Number<std::uint32_t>{1, 100'000}, "Recipients named in one transaction"),
      key("smtp.messages_per_connection", PLACE(smtp.messages_per_connection),
          Number<std::uint64_t>{1, 1'000'000'000}, "Transactions of one session"),
      key("smtp.mixed_domains", PLACE(smtp.mixed_domains), Boolean{},
          "Recipients of several domains of one site in one transaction"),
      key("smtp.source", PLACE(smtp.source), ListOf<LocalAddress>{{}, 0, most_sources},
          "Local addresses to send from, session by session in turn; empty: the system chooses"),
      key("smtp.warmup", PLACE(smtp.warmup), warmup,
          "Recipients in a time from each address of `smtp.source`, step by step from its first one on"),
      key("smtp.private_targets", PLACE(smtp.private_targets),
          one_of<Smtp::PrivateTargets>(
              {{"refuse", Smtp::PrivateTargets::refuse}, {"allow", Smtp::PrivateTargets::allow}}),
          "Mail hosts with a loopback, private or link-local address"),
      key("smtp.dane", PLACE(smtp.dane), Boolean{},
          "DANE (RFC 7672): a mail host with TLSA records is sent to over TLS that they prove, or not at "
          "all"),
      key("smtp.eight_bit", PLACE(smtp.eight_bit),
          one_of<Smtp::EightBit>({{"send", Smtp::EightBit::send}, {"fail", Smtp::EightBit::fail}}),
          "8-bit content to a host without 8BITMIME"),
      key("smtp.mta_sts", PLACE(smtp.mta_sts), Boolean{},
          "MTA-STS (RFC 8461): a recipient domain that has a policy is sent to as that says, or not at all"),
      key("smtp.tls", PLACE(smtp.tls), tls_level,
          "How sessions are secured: not at all, where the host can, or else nothing is sent; `require`: to "
          "a "
          "verified host alone"),
      key("smtp.ca_file", PLACE(smtp.ca_file), Text{}, "Certificates to trust, in PEM; empty: the system's"),
      key("smtp.timeouts.connect", PLACE(smtp.timeouts.connect), patience,
          "For the TCP connection, each address"),
      key("smtp.timeouts.greeting", PLACE(smtp.timeouts.greeting), patience, "For the 220 greeting"),
      key("smtp.timeouts.ehlo", PLACE(smtp.timeouts.ehlo), patience, "For the reply to EHLO or HELO"),
      key("smtp.timeouts.tls", PLACE(smtp.timeouts.tls), patience,
          "For the reply to STARTTLS, and for the handshake"),
      key("smtp.timeouts.mail", PLACE(smtp.timeouts.mail), patience, "For the reply to MAIL"),
      key("smtp.timeouts.rcpt", PLACE(smtp.timeouts.rcpt), patience, "For the reply to RCPT"),
      key("smtp.timeouts.data", PLACE(smtp.timeouts.data), patience, "For the reply to DATA"),
      key("smtp.timeouts.block", PLACE(smtp.timeouts.block), patience,
          "For one block of content to be taken"),
      key("smtp.timeouts.end_of_data", PLACE(smtp.timeouts.end_of_data), patience,
          "For the reply to the final dot"),
      key("smtp.timeouts.rset", PLACE(smtp.timeouts.rset), patience, "For the reply to RSET"),
      key("smtp.timeouts.quit", PLACE(smtp.timeouts.quit), patience, "For the reply to QUIT"),

      key("retry.schedule", PLACE(retry.schedule), ListOf<Time>{{1ms, 24h * 30}, 1, 100},
          "The delay after each attempt, the last repeats; lengthened at random by up to a quarter"),
      key("retry.expire", PLACE(retry.expire), Time{0ms, 24h * 365}, "After so long a recipient fails"),
      key("retry.indeterminate", PLACE(retry.indeterminate),
          one_of<Retry::Indeterminate>(
              {{"retry", Retry::Indeterminate::retry}, {"stop", Retry::Indeterminate::stop}}),
          "When the connection is lost between the end of data and its reply"),
      key("retry.dsn", PLACE(retry.dsn),
          one_of<Retry::Dsn>(
              {{"auto", Retry::Dsn::automatic}, {"on", Retry::Dsn::on}, {"off", Retry::Dsn::off}}),
          "Messages to the sender about what failed: where NOTIFY asks, and without NOTIFY for what came by "
          "socket, "
          "submit or sendmail; `on`: for drops too; `off`: never"),

      key("tlsrpt.report", PLACE(tlsrpt.report), Boolean{},
          "Reports to the domains that ask how TLS with their mail hosts goes (RFC 8460)"),
      key("tlsrpt.from", PLACE(tlsrpt.from), Text{"mail address", judge_mailbox},
          "Whom they come from; empty: `tls-reports@` and `hostname`"),
      key("tlsrpt.contact", PLACE(tlsrpt.contact), Text{}, "Whom they say to ask; empty: `tlsrpt.from`"),
      key("tlsrpt.organization", PLACE(tlsrpt.organization), Text{},
          "Who they say sends the mail; empty: `hostname`"),
      key("tlsrpt.folder", PLACE(tlsrpt.folder), Text{"absolute path", judge_folder},
          "A folder in which they are left as files, whether they are sent or not; empty: none"),

      key("log.level", PLACE(log.level),
          one_of<Log::Level>({{"debug", Log::Level::debug},
                              {"info", Log::Level::info},
                              {"warning", Log::Level::warning},
                              {"error", Log::Level::error}}),
          "The least severe lines that are logged"),
      key("log.format", PLACE(log.format),
          one_of<Log::Format>({{"text", Log::Format::text}, {"json", Log::Format::json}}),
          "How a line is written"),
      key("log.target", PLACE(log.target), Text{"\"stderr\" or path", judge_not_empty},
          "Where lines go; a file is reopened on HUP"),
  };
}

std::vector<KeyOf<SourceEntry>> make_source_keys() {
  return {
      key_of<SourceEntry>("source.address", PLACE(address), Maybe<LocalAddress>{},
                          "One of the addresses of `smtp.source`; never empty"),
      key_of<SourceEntry>("source.hostname", PLACE(hostname), Text{"host name", judge_hostname},
                          "The name said in EHLO from there, instead of `hostname`"),
      key_of<SourceEntry>("source.warmup", PLACE(warmup), Maybe<ListOf<PerTime>>{warmup},
                          "Instead of `smtp.warmup`; empty: the address is warm"),
  };
}

// Entries are looked through one by one for each new Site or sender.
constexpr std::size_t most_patterns = 1000;

std::string judge_destination(std::string_view text) {
  const auto destination = Destination::parse(text);
  return destination ? "" : destination.error();
}

std::string judge_transport(std::string_view name) {
  if (transport::kinds::find_kind(name) != nullptr) return {};
  std::string names;
  for (const auto& kind : transport::kinds::kinds())
    names += fmt::format("{}{}", names.empty() ? "" : ", ", quoted(kind.name));
  return fmt::format("must be one of {}, not {}", names, quoted(name));
}

// The keys that only one transport has, read into the entry's options by name.
template <class Kind>
KeyOf<RouteRule> option_key(const transport::kinds::Option& option, Kind kind) {
  using Value = typename Kind::Value;
  static_assert(std::is_constructible_v<transport::kinds::OptionValue, Value>);
  return {fmt::format("route.{}", option.name), option.about, kind.type(),
          [name = option.name, kind](RouteRule& rule, const toml::node& node) {
            Value value{};
            auto problem = kind.read(value, node);
            if (problem.empty()) rule.options.insert_or_assign(std::string(name), std::move(value));
            return problem;
          },
          [name = option.name, kind](const RouteRule& rule) {
            const auto* value = transport::kinds::find_option<Value>(rule.options, name);
            return value == nullptr ? std::string() : kind.show(*value);
          }};
}

KeyOf<RouteRule> option_key(const transport::kinds::Option& option) {
  using Type = transport::kinds::Option::Type;
  switch (option.type) {
  case Type::list: return option_key(option, ListOf<Text>{{option.what}, 1, 100});
  case Type::duration: return option_key(option, Time{1s, 24h});
  case Type::text: break;
  }
  return option_key(option, Text{option.what});
}

std::vector<KeyOf<RouteRule>> make_route_keys() {
  using Tls = transport::TlsLevel;
  using transport::Mechanism;
  const auto row = [](std::string_view name, auto place, auto kind, std::string_view about) {
    return key_of<RouteRule>(name, place, kind, about);
  };
  const auto levels = one_of<Tls>({{"off", Tls::off},
                                   {"opportunistic", Tls::opportunistic},
                                   {"encrypt", Tls::encrypt},
                                   {"require", Tls::require}});
  const auto mechanisms = one_of<Mechanism>({{"SCRAM-SHA-256", Mechanism::scram_sha_256},
                                             {"XOAUTH2", Mechanism::xoauth2},
                                             {"PLAIN", Mechanism::plain},
                                             {"LOGIN", Mechanism::login}});
  std::vector<KeyOf<RouteRule>> keys{
      row("route.match", PLACE(match),
          ListOf<Text>{{"recipient domain, \"*.\" and what it is below, or \"*\"", judge_route_pattern},
                       1,
                       most_patterns},
          "Which mail goes this way; the first entry that matches wins"),
      row("route.transport", PLACE(transport), Text{"name of a transport", judge_transport},
          "How it goes: `smtp`, `lmtp`, `pipe`, `maildir`, `discard`, `error`"),
      row("route.to", PLACE(to),
          Text{"host, \"[host]\" or \"[address]\", each with \":port\", or \"unix:/path\"",
               judge_destination},
          "smtp, lmtp: where to; a host in brackets is looked up without its MX, and any address of it will "
          "do; by "
          "default smtp goes to the domain's own MX"),
      row("route.tls", PLACE(tls), Maybe<decltype(levels)>{levels}, "smtp, lmtp: instead of `smtp.tls`"),
      row("route.implicit_tls", PLACE(implicit_tls), Maybe<Boolean>{},
          "smtp, lmtp: TLS from the first octet; by default on port 465"),
      row("route.username", PLACE(username), Text{}, "smtp, lmtp: as whom to log in"),
      row("route.password_file", PLACE(password_file), Text{"path", judge_absolute},
          "smtp, lmtp: its first line is the password; nobody else may read the file"),
      row("route.token_file", PLACE(token_file), Text{"path", judge_absolute},
          "smtp, lmtp: its first line is an OAuth 2.0 access token, for XOAUTH2"),
      row("route.auth", PLACE(auth), ListOf<decltype(mechanisms)>{mechanisms, 0, 4},
          "smtp, lmtp: with which mechanisms to log in; empty: any, the strongest that is offered"),
      row("route.auth_without_tls", PLACE(auth_without_tls), Boolean{},
          "smtp, lmtp: log in over a session in clear too"),
  };
  for (const auto& kind : transport::kinds::kinds())
    for (const auto& option : kind.options) keys.push_back(option_key(option));
  return keys;
}

std::vector<KeyOf<SiteRule>> make_site_keys() {
  const auto row = [](std::string_view name, auto place, auto kind, std::string_view about) {
    return key_of<SiteRule>(name, place, kind, about);
  };
  constexpr PerTime rate{24h * 366};
  return {
      row("site.match", PLACE(match),
          ListOf<Text>{{"mail host, \"*.\" and what it is below, recipient domain or address range",
                        judge_site_pattern},
                       1,
                       most_patterns},
          "What the entry is for; never empty"),
      row("site.connections", PLACE(connections), Maybe<Number<std::uint32_t>>{{1, 10'000}},
          "Sessions at a time, instead of `smtp.connections_per_site`"),
      row("site.rate", PLACE(rate), Maybe<PerTime>{rate}, "Messages in a time, evenly spaced"),
      row("site.recipient_rate", PLACE(recipient_rate), Maybe<PerTime>{rate},
          "Recipients in a time, evenly spaced"),
      row("site.group", PLACE(group), Maybe<Text>{{"name", judge_group}},
          "All whose every mail host matches are one site of this name"),
      row("site.mixed_domains", PLACE(mixed_domains), Maybe<Boolean>{}, "Instead of `smtp.mixed_domains`"),
      row("site.source", PLACE(source), ListOf<LocalAddress>{{}, 0, most_sources},
          "If any: sent to from these addresses of `smtp.source` alone"),
      row("site.sender", PLACE(sender),
          ListOf<Text>{
              {"sender domain, or \"*.\" and what it is below", judge_domain_pattern}, 0, most_patterns},
          "If any: the rates hold for the mail of each of these sender domains alone"),
  };
}

std::vector<KeyOf<SenderRule>> make_sender_keys() {
  return {
      key_of<SenderRule>(
          "sender.match", PLACE(match),
          ListOf<Text>{
              {"envelope sender, its domain, \"*.\" and what that is below, or \"<>\"", judge_sender_pattern},
              1,
              most_patterns},
          "Whose mail it is; never empty"),
      key_of<SenderRule>("sender.weight", PLACE(weight), Number<std::uint32_t>{1, 100},
                         "Its share of a site, beside the mail of others"),
  };
}

std::vector<KeyOf<DkimRule>> make_dkim_keys() {
  using Forms = DkimRule::Forms;
  const auto row = [](std::string_view name, auto place, auto kind, std::string_view about) {
    return key_of<DkimRule>(name, place, kind, about);
  };
  return {
      row("dkim.match", PLACE(match),
          ListOf<Text>{{"domain, or \"*.\" and what it is below", judge_domain_pattern}, 0, most_patterns},
          "Domains of From that it signs for; empty: `domain` and all below it"),
      row("dkim.domain", PLACE(domain), Text{"domain", judge_dns_name}, "Who signs, `d=`"),
      row("dkim.selector", PLACE(selector), Text{"name", judge_dns_name},
          "Which of the domain's keys, `s=`: its record is at `<selector>._domainkey.<domain>`"),
      row("dkim.key_file", PLACE(key_file), Text{"path", judge_not_empty},
          "The private key in PEM, RSA or Ed25519; others must not be able to read it"),
      row("dkim.canonicalization", PLACE(canonicalization),
          one_of<Forms>({{"relaxed/relaxed", Forms::relaxed_relaxed},
                         {"relaxed/simple", Forms::relaxed_simple},
                         {"simple/relaxed", Forms::simple_relaxed},
                         {"simple/simple", Forms::simple_simple}}),
          "What relays may change of header and body: white space, or nothing"),
      row("dkim.headers", PLACE(headers), ListOf<Text>{{"field name", judge_field_name}, 0, 100},
          "The fields to sign, none of which may be added later; empty: those of docs/dkim.md"),
      row("dkim.expire", PLACE(expire), Maybe<Time>{{1h, 24h * 365}}, "How long a signature holds, `x=`"),
  };
}

#undef PLACE

constexpr std::array<std::string_view, 5> lists_of_tables{"route", "source", "site", "sender", "dkim"};

// Keys and sections whose features are still to come. A key with a value that asks for what happens now anyway is taken, so
// that a configuration may already say so: `listen.smtp = ""`.
struct Planned {
  std::string_view name;
  std::string_view as_now; // as TOML; empty: no value says it
};

constexpr auto planned = std::to_array<Planned>({
    {"listen.smtp", "\"\""},
    {"listen.mode", "\"queue\""},
    {"listen.sync_timeout", ""},
});

const Planned* find_planned(std::string_view name) {
  const auto* const found = std::ranges::find(planned, name, &Planned::name);
  return found == planned.end() ? nullptr : found;
}

bool is_written_as(const toml::node& node, std::string_view text) {
  if (const auto* value = node.as_string()) return quoted(value->get()) == text;
  if (const auto* value = node.as_boolean()) return (value->get() ? "true" : "false") == text;
  if (const auto* value = node.as_array()) return value->empty() && text == "[]";
  return false;
}

// Levenshtein's distance: how many letters are to be added, left out or changed.
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), 0);
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i);
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t changed = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = std::exchange(row[j], std::min({row[j] + 1, row[j - 1] + 1, changed}));
    }
  }
  return row.back();
}

std::string_view last_part(std::string_view name) { return name.substr(name.rfind('.') + 1); }

// A right name in a wrong section is as near as one wrong letter.
std::size_t distance(std::string_view a, std::string_view b) {
  return std::min(edit_distance(a, b), edit_distance(last_part(a), last_part(b)) + 1);
}

} // namespace

std::span<const Key> all_keys() {
  static const std::vector<Key> keys = make_keys();
  return keys;
}

const Key* find_key(std::string_view name) {
  const auto found = std::ranges::find(all_keys(), name, &Key::name);
  return found == all_keys().end() ? nullptr : &*found;
}

std::span<const KeyOf<RouteRule>> route_keys() {
  static const std::vector<KeyOf<RouteRule>> keys = make_route_keys();
  return keys;
}

std::span<const KeyOf<SiteRule>> site_keys() {
  static const std::vector<KeyOf<SiteRule>> keys = make_site_keys();
  return keys;
}

std::span<const KeyOf<SourceEntry>> source_keys() {
  static const std::vector<KeyOf<SourceEntry>> keys = make_source_keys();
  return keys;
}

std::span<const KeyOf<SenderRule>> sender_keys() {
  static const std::vector<KeyOf<SenderRule>> keys = make_sender_keys();
  return keys;
}

std::span<const KeyOf<DkimRule>> dkim_keys() {
  static const std::vector<KeyOf<DkimRule>> keys = make_dkim_keys();
  return keys;
}

std::string judge_entry(const RouteRule& entry, std::span<const RouteRule> /*before*/) {
  return judge_route(entry);
}

std::string judge_entry(const SiteRule& entry, std::span<const SiteRule> before) {
  if (entry.match.empty()) return "an entry of [[site]] needs a match";
  if (!entry.sender.empty() &&
      (entry.connections || entry.group || entry.mixed_domains || !entry.source.empty()))
    return "an entry of [[site]] with a sender has rates alone";
  if (entry.group && std::ranges::find(before, entry.group, &SiteRule::group) != before.end())
    return fmt::format("an entry of [[site]] before has the group {}: one has all its patterns",
                       quoted(*entry.group));
  return {};
}

std::string judge_entry(const SenderRule& entry, std::span<const SenderRule> /*before*/) {
  return entry.match.empty() ? "an entry of [[sender]] needs a match" : "";
}

std::string judge_entry(const SourceEntry& entry, std::span<const SourceEntry> before) {
  if (!entry.address) return "an entry of [[source]] needs an address";
  if (std::ranges::find(before, entry.address, &SourceEntry::address) != before.end())
    return fmt::format("an entry of [[source]] before is for {}", entry.address->to_string());
  return {};
}

std::string judge_entry(const DkimRule& entry, std::span<const DkimRule> before) {
  if (entry.domain.empty() || entry.selector.empty() || entry.key_file.empty())
    return "an entry of [[dkim]] needs a domain, a selector and a key_file";
  const auto names = [&](std::string_view name) {
    return std::ranges::any_of(entry.headers,
                               [&](std::string_view each) { return spool::equal_without_case(each, name); });
  };
  if (!entry.headers.empty() && !names("From")) return "dkim.headers must name From (RFC 6376 section 5.4)";
  if (names("DKIM-Signature")) return "dkim.headers must not name DKIM-Signature: others add theirs";
  const auto same = [&](const DkimRule& other) {
    return spool::equal_without_case(other.domain, entry.domain) &&
           spool::equal_without_case(other.selector, entry.selector);
  };
  if (std::ranges::any_of(before, same))
    return fmt::format("an entry of [[dkim]] before has the selector {} of {}", quoted(entry.selector),
                       quoted(entry.domain));
  return {};
}

std::string_view list_of_tables(std::string_view name) {
  const auto* const found = std::ranges::find(lists_of_tables, name.substr(0, name.find('.')));
  return found == lists_of_tables.end() ? std::string_view{} : *found;
}

bool is_section(std::string_view name) {
  return std::ranges::any_of(all_keys(), [&](const Key& key) {
    return key.name.starts_with(name) && key.name.size() > name.size() && key.name[name.size()] == '.';
  });
}

bool is_planned(std::string_view name) { return find_planned(name) != nullptr; }

std::string judge_planned(std::string_view name, const toml::node& node) {
  const Planned& key = *find_planned(name);
  if (key.as_now.empty()) return fmt::format("{} is not in this version", name);
  if (is_written_as(node, key.as_now)) return {};
  return fmt::format("{} is not in this version, which works as {} = {} says", name, last_part(name),
                     key.as_now);
}

std::string_view nearest_key(std::string_view name) {
  std::string_view nearest;
  std::size_t least = std::numeric_limits<std::size_t>::max();
  const auto look_at = [&](const auto& keys) {
    for (const auto& key : keys) {
      if (const auto apart = distance(name, key.name); apart < least) {
        least = apart;
        nearest = key.name;
      }
    }
  };
  look_at(all_keys());
  look_at(route_keys());
  look_at(source_keys());
  look_at(site_keys());
  look_at(sender_keys());
  look_at(dkim_keys());
  return nearest;
}

std::string_view nearest_section(std::string_view name) {
  std::string_view nearest;
  std::size_t least = std::numeric_limits<std::size_t>::max();
  const auto look_at = [&](std::string_view section) {
    if (const auto apart = edit_distance(name, section); apart < least) {
      least = apart;
      nearest = section;
    }
  };
  for (const Key& key : all_keys())
    if (const auto dot = key.name.rfind('.'); dot != key.name.npos)
      look_at(std::string_view(key.name).substr(0, dot));
  for (const std::string_view list : lists_of_tables) look_at(list);
  return nearest;
}

} // namespace bulkmail::agent
