#include "agent/cli/host.h"

#include <netdb.h>
#include <unistd.h>

#include <memory>

namespace bulkmail::agent {

std::string full_hostname() {
  char name[256] = {};
  if (::gethostname(name, sizeof name - 1) != 0 || name[0] == '\0') return "localhost";
  const std::string own = name;
  if (own.find('.') != std::string::npos) return own;
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_CANONNAME;
  addrinfo* found = nullptr;
  if (::getaddrinfo(name, nullptr, &hints, &found) != 0) return own;
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owner(found, ::freeaddrinfo);
  return found->ai_canonname != nullptr && found->ai_canonname[0] != '\0' ? found->ai_canonname : own;
}

} // namespace bulkmail::agent
