#include "transport/content/unix_form.h"

#include <algorithm>
#include <iterator>

namespace bulkmail::transport {

// In wire form a CR only ever stands before an LF, which may be the next block's.
std::string unix_form(std::string_view wire) {
  std::string text;
  text.reserve(wire.size());
  std::ranges::copy_if(wire, std::back_inserter(text), [](char c) { return c != '\r'; });
  return text;
}

} // namespace bulkmail::transport
