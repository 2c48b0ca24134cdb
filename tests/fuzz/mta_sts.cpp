// Any bytes in place of an MTA-STS policy, and of the records that tell of it: what is taken is within its bounds.
#include "resolver/policy/mta_sts.h"

#include "resolver/policy/tls_reports.h"

#include <cstddef>
#include <cstdint>
#include <cstdlib>

using namespace bulkmail::resolver;

namespace {

void must(bool condition) {
  if (!condition) std::abort();
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  if (const auto policy = parse_sts_policy(text)) {
    must(policy->max_age.count() >= 0 && policy->max_age <= sts_max_age);
    must(policy->mx.size() <= sts_max_patterns);
    must(!policy->mx.empty() || policy->mode == StsPolicy::Mode::none);
    for (const std::string& pattern : policy->mx)
      if (!pattern.starts_with("*.")) must(policy->allows(pattern));
    (void)policy->allows(text);
  }
  const std::vector<std::string> records{text};
  if (const auto id = sts_id(records)) must(!id->empty() && id->size() <= 32);
  for (const auto& address : tls_report_addresses(records))
    must(address.address.find_first_of("\r\n <>") == std::string::npos || address.https);
  return 0;
}
