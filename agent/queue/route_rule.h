// One [[route]] entry as it was written: how mail to some domains leaves, instead of by its MX.
#pragma once

#include "agent/queue/terms.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace bulkmail::agent {

struct RouteRule {
  std::vector<std::string> match; // recipient domains; "*": all
  std::string transport = "smtp";
  std::string to; // empty: by each domain's own MX
  std::optional<transport::TlsLevel> tls;
  std::optional<bool> implicit_tls; // none: on port 465
  std::string username, password_file, token_file;
  std::vector<transport::Mechanism> auth; // empty: any
  bool auth_without_tls = false;
  transport::kinds::Options options; // of its transport alone
  // What the files hold, read beside the configuration.
  std::string password, token;

  bool operator==(const RouteRule&) const = default;
};

// "": it can be in `match`; else what is wrong with it.
[[nodiscard]] std::string judge_route_pattern(std::string_view text);
// What is wrong with an entry as a whole, "" if nothing.
[[nodiscard]] std::string judge_route(const RouteRule& rule);

} // namespace bulkmail::agent
