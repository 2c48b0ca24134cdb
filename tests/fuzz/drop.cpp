// Any bytes as a drop: parsed whole and through a window of a few octets, with the same result; and whatever envelope comes
// out, its head composed anew is that of one message.
#include "spool/drop/format.h"
#include "spool/drop/submit.h"
#include "tests/spool/format_memory_file.h"

#include <cstdlib>

using namespace bulkmail::spool;

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string bytes(reinterpret_cast<const char*>(data), size);
  const auto whole = parse_drop(bytes);
  MemoryFile file(bytes);
  const auto pieces = parse_drop(file, size, 1 + size % 7);
  require(whole.has_value() == pieces.has_value());
  if (!whole) {
    require(whole.error().kind == pieces.error().kind && whole.error().code == pieces.error().code &&
            whole.error().line == pieces.error().line);
    return 0;
  }
  require(whole->digest == pieces->digest && whole->size == pieces->size &&
          whole->eight_bit == pieces->eight_bit && whole->message_id == pieces->message_id &&
          whole->small_content == pieces->small_content);
  require(whole->content.offset + whole->content.length <= size);
  require(whole->envelope.size() > 0 && whole->envelope.size() == pieces->envelope.size());
  for (std::size_t i = 0; i < whole->envelope.size(); ++i) static_cast<void>(whole->envelope.sender_for(i));

  bool well_formed = true;
  for (std::size_t i = 0; i < whole->envelope.size(); ++i)
    well_formed = well_formed && !whole->envelope.recipient(i).malformed;
  const std::string head = bsmtp_head(whole->envelope);
  const auto again = parse_drop(head + ".\r\n");
  if (well_formed) require(again.has_value() && bsmtp_head(again->envelope) == head);
  return 0;
}
