#include "transport/server/end_of_data.h"

#include <algorithm>

namespace bulkmail::transport {

std::size_t EndOfData::feed(std::string_view bytes, std::string& content) {
  std::size_t i = 0;
  while (i < bytes.size() && at_ != At::end) {
    if (at_ == At::text) { // the bulk of it: nothing matters before the next CR
      const std::size_t cr = std::min(bytes.find('\r', i), bytes.size());
      content.append(bytes, i, cr - i);
      i = cr;
      if (i == bytes.size()) break;
    }
    const char c = bytes[i++];
    switch (at_) {
    case At::line_start:
      if (c == '.') {
        at_ = At::dot; // held back until it is known whether it ends the message
        continue;
      }
      break;
    case At::dot:
      if (c == '\r') {
        at_ = At::dot_cr;
        continue;
      }
      content += '.';
      ++doubled_dots_;
      break;
    case At::dot_cr:
      if (c == '\n') {
        at_ = At::end;
        continue;
      }
      content += ".\r";
      ++doubled_dots_;
      break;
    case At::cr:
      if (c == '\n') {
        content += c;
        at_ = At::line_start;
        continue;
      }
      break;
    case At::text:
    case At::end: break;
    }
    content += c;
    at_ = c == '\r' ? At::cr : At::text;
  }
  return i;
}

} // namespace bulkmail::transport
