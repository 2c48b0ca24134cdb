// The configuration: one TOML file, `--set` overrides over it, defaults beneath it. Read whole, judged whole:
// every error comes back at once with file, line, column and, for an unknown key, the nearest known one.
//
// Each key stands once in the tables of agent/config/keys.cpp, which drive reading, the errors and the check
// of docs/configuration.md. This room asks nobody anything: the caller passes the text and this host's name
// in.
#pragma once

#include "agent/config/dkim_rule.h"
#include "agent/config/source_entry.h"
#include "agent/queue/rate.h"
#include "agent/queue/route_rule.h"
#include "agent/queue/sender_rules.h"
#include "agent/queue/site_rules.h"
#include "resolver/address.h"
#include "spool/ledger_config.h"
#include "transport/client/client.h"
#include "transport/tls/policy.h"

#include <chrono>
#include <cstdint>
#include <expected>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace bulkmail::agent {

struct Config {
  using Duration = std::chrono::milliseconds;

  std::string hostname; // EHLO name and Reporting-MTA; never empty once loaded
  Duration stop_timeout{30'000};
  std::string user = "bulkmail", group = "bulkmail"; // when started by root

  struct Agent {
    std::uint64_t memory = 0; // octets above which intake waits; 0: no limit
    std::uint32_t workers = 1;
  } agent;

  struct Spool {
    std::string path = "/var/spool/bulkmail";
    Duration rescan{15'000};
  } spool;

  struct Status {
    using Detail = bulkmail::spool::LedgerConfig::Detail;
    using Files = bulkmail::spool::LedgerConfig::Files;
    Detail detail = Detail::all;
    Duration interval{60'000};
    Duration keep{14LL * 86'400'000};
    Files files = Files::all;
  } status;

  struct Results {
    std::uint64_t rotate = 64ULL << 20;
    Duration keep{14LL * 86'400'000};
  } results;

  struct Listen {
    std::string lmtp = "unix:lmtp.sock"; // "": off; see Config::lmtp_socket
    std::string lmtp_group;              // "": the spool's
  } listen;

  struct Resolver {
    std::vector<bulkmail::resolver::Endpoint> servers; // empty: resolv.conf
    Duration timeout{2'000};
    std::uint32_t attempts = 4;
    // Whose AD bit counts. `automatic`: that of loopback servers named here, or what resolv.conf says.
    enum class TrustAd : std::uint8_t { automatic, yes, no } trust_ad = TrustAd::automatic;
  } resolver;

  struct Smtp {
    enum class PrivateTargets : std::uint8_t { refuse, allow };
    using EightBit = transport::ClientConfig::EightBit;
    std::uint16_t port = 25;
    std::uint32_t connections = 1000;
    std::uint32_t connections_per_site = 20;
    Duration idle{10'000};
    std::uint32_t recipients_per_transaction = 100;
    std::uint64_t messages_per_connection = 1000;
    bool mixed_domains = false;
    std::vector<bulkmail::resolver::IpAddress> source; // empty: the system chooses
    std::vector<Rate> warmup;                          // of each of them; empty: none
    bool mta_sts = true;
    PrivateTargets private_targets = PrivateTargets::refuse;
    bool dane = true;
    EightBit eight_bit = EightBit::send;
    transport::TlsLevel tls = transport::TlsLevel::opportunistic;
    std::string ca_file; // "": the system's trust store
    transport::Timeouts timeouts;
  } smtp;

  struct Retry {
    enum class Indeterminate : std::uint8_t { retry, stop };
    std::vector<Duration> schedule{Duration{300'000},   Duration{600'000},   Duration{1'200'000},
                                   Duration{2'400'000}, Duration{4'800'000}, Duration{9'600'000},
                                   Duration{14'400'000}};
    Duration expire{5LL * 86'400'000};
    Indeterminate indeterminate = Indeterminate::retry;
    using Dsn = spool::LedgerConfig::Dsn;
    Dsn dsn = Dsn::automatic;
  } retry;

  struct Tlsrpt {             // RFC 8460
    bool report = false;      // by mail and over HTTPS
    std::string from;         // "": tls-reports@ and the hostname
    std::string contact;      // "": `from`
    std::string organization; // "": the hostname
    std::string folder;       // where reports are left as files; "": nowhere

    [[nodiscard]] bool on() const { return report || !folder.empty(); }
  } tlsrpt;

  struct Log {
    enum class Level : std::uint8_t { debug, info, warning, error };
    enum class Format : std::uint8_t { text, json };
    Level level = Level::info;
    Format format = Format::text;
    std::string target = "stderr"; // or a file's path
  } log;

  std::vector<RouteRule> routes;    // [[route]], in order
  std::vector<SourceEntry> sources; // [[source]], as it stands
  std::vector<SiteRule> sites;      // [[site]], as it stands
  std::vector<SenderRule> senders;  // [[sender]]
  std::vector<DkimRule> dkim;       // [[dkim]]

  // Of one of the addresses to send from: its [[source]] entry's, or what holds for all.
  [[nodiscard]] std::vector<bulkmail::resolver::IpAddress> warming() const; // those that have one
  [[nodiscard]] std::vector<Rate> warmup_of(const bulkmail::resolver::IpAddress& source) const;
  [[nodiscard]] std::string hostname_of(const std::optional<bulkmail::resolver::IpAddress>& source) const;

  // Where the LMTP socket is: an absolute path, relative ones being the spool's; empty: LMTP is off.
  [[nodiscard]] std::string lmtp_socket() const;
};

struct ConfigError {
  std::string file;                   // or "--set"
  std::uint32_t line = 0, column = 0; // 1-based; 0: an override has none
  std::string key;                    // dotted; empty: the file is no TOML
  std::string text;

  [[nodiscard]] std::string to_string() const; // "file:line:column: text"
};

// One `--set KEY=VALUE`: the value is a TOML value, or if it is none, text as it stands.
struct Override {
  std::string key;
  std::string value;
  bool verbatim = false; // never read as TOML: for `--spool DIR`

  // None: there is no "=".
  [[nodiscard]] static std::optional<Override> parse(std::string_view text);
};

// `file` is only a name for the errors. `hostname` is this host's FQDN, the default of the key `hostname`.
[[nodiscard]] std::expected<Config, std::vector<ConfigError>>
load_config(std::string_view text, const std::string& file, std::span<const Override> overrides = {},
            const std::string& hostname = "localhost");

} // namespace bulkmail::agent
