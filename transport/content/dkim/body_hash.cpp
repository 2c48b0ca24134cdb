#include "transport/content/dkim/body_hash.h"

namespace bulkmail::transport {

void BodyHash::update(std::string_view block) {
  while (!block.empty()) {
    piece_.clear();
    body_.take(block, piece_);
    sum_.update(piece_);
  }
}

spool::Digest BodyHash::finish() {
  piece_.clear();
  body_.finish(piece_);
  sum_.update(piece_);
  return sum_.finish();
}

} // namespace bulkmail::transport
