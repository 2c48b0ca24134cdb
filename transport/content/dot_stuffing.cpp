#include "transport/content/dot_stuffing.h"

namespace bulkmail::transport {

void DotStuffer::append(std::string_view block, std::string& out) {
  if (block.empty()) return;
  if (line_start_ && block.front() == '.') out += '.';
  line_start_ = block.back() == '\n';
  for (;;) {
    const std::size_t dot = block.find("\n.");
    if (dot == std::string_view::npos) break;
    out.append(block.substr(0, dot + 1)).append(1, '.');
    block.remove_prefix(dot + 1);
  }
  out.append(block);
}

} // namespace bulkmail::transport
