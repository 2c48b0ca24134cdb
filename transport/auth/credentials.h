// What a client proves itself with to a relay (RFC 4954). It never goes into a log, a status file or a dump.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace bulkmail::transport {

// Strongest first: the order of preference.
enum class Mechanism : std::uint8_t { scram_sha_256, xoauth2, plain, login };

struct Credentials {
  std::string username;
  std::string password; // empty: none
  std::string token;    // of XOAUTH2; empty: none
  std::vector<Mechanism> allowed{Mechanism::scram_sha_256, Mechanism::xoauth2, Mechanism::plain,
                                 Mechanism::login};
  bool without_tls = false; // also over a session in clear
};

} // namespace bulkmail::transport
