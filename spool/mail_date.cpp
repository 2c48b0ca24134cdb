#include "spool/mail_date.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

namespace bulkmail::spool {

std::string mail_date(Wall when) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(when);
  return fmt::format("{:%a, %d %b %Y %H:%M:%S} +0000",
                     fmt::gmtime(std::chrono::system_clock::to_time_t(seconds)));
}

} // namespace bulkmail::spool
