// Any bytes of a peer's, cut anywhere: the parser stays in its bounds, lets no control byte out, and does not care how the
// bytes were cut.
#include "transport/reply.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>
#include <vector>

using namespace bulkmail::transport;

namespace {

void must(bool condition) {
  if (!condition) std::abort();
}

bool is_control(char c) { return (c >= 0 && c < 0x20) || c == 0x7f; }

struct Heard {
  std::vector<Reply> replies;
  std::string problem;
};

Heard parse(std::string_view bytes, std::size_t step) {
  Heard heard;
  ReplyParser parser;
  while (!bytes.empty() && parser.problem().empty()) {
    const std::size_t taken = parser.feed(bytes.substr(0, step));
    must(taken <= std::min(step, bytes.size()));
    must(taken > 0);
    bytes.remove_prefix(taken);
    if (parser.done()) heard.replies.push_back(parser.take());
  }
  heard.problem = parser.problem();
  return heard;
}

void check(const Reply& reply) {
  must(reply.code >= 200 && reply.code <= 599);
  must(!reply.lines.empty() && reply.lines.size() <= ReplyParser::max_lines);
  must(reply.enhanced.empty() || reply.enhanced.front() - '0' == reply.kind());
  must(reply.text().size() <= 1000);
  must(std::ranges::none_of(reply.text(), is_control));
  for (const auto& line : reply.lines) must(std::ranges::none_of(line, is_control));
  (void)too_many_recipients(reply);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  const Heard whole = parse(bytes, bytes.size());
  const Heard cut = parse(bytes, data[0] + std::size_t{1});
  must(whole.problem == cut.problem);
  must(whole.replies.size() == cut.replies.size());
  for (std::size_t i = 0; i < whole.replies.size(); ++i) {
    check(whole.replies[i]);
    must(whole.replies[i].text() == cut.replies[i].text());
    must(whole.replies[i].enhanced == cut.replies[i].enhanced);
  }
  return 0;
}
