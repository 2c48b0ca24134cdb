#include "transport/kinds/discard/discard.h"
#include "transport/kinds/error/error.h"
#include "transport/kinds/kind.h"
#include "transport/kinds/lmtp/lmtp.h"
#include "transport/kinds/maildir/maildir.h"
#include "transport/kinds/pipe/pipe.h"
#include "transport/kinds/smtp/smtp.h"

#include <algorithm>
#include <array>

namespace bulkmail::transport::kinds {

std::span<const Kind> kinds() {
  static const std::array all{smtp, lmtp, pipe, maildir, discard, error};
  return all;
}

const Kind* find_kind(std::string_view name) {
  const auto found = std::ranges::find(kinds(), name, &Kind::name);
  return found == kinds().end() ? nullptr : &*found;
}

} // namespace bulkmail::transport::kinds
