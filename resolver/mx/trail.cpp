#include "resolver/mx/trail.h"

#include <algorithm>
#include <utility>

namespace bulkmail::resolver {

bool Trail::answer(std::shared_ptr<const Answer> answer, Monotonic now) {
  expires_ = std::min(expires_, answer->expires);
  aliases_ += answer->aliases;
  secure_ &= answer->secure;
  if (answer->kind != Answer::Kind::alias) {
    end_ = std::move(answer);
    return true;
  }
  if (aliases_ > max_aliases) {
    end_ = std::make_shared<const Answer>(doubt(question_.name, "a CNAME loop", now));
    expires_ = std::min(expires_, end_->expires);
    return true;
  }
  question_.name = answer->owner;
  return false;
}

} // namespace bulkmail::resolver
