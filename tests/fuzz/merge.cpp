// Any content as a template, filled in with whatever the input's first line says: what comes out is in wire form, also if a
// claim would have refused it.
#include "transport/content/merge/template.h"
#include "transport/content/wire_form.h"

#include <cstdlib>

using namespace bulkmail;
using transport::MergeTemplate;
using transport::WireEncoder;

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

// No line end but CRLF.
void require_wire_form(std::string_view wire) {
  for (std::size_t at = 0; at < wire.size();) {
    const std::size_t end = wire.find('\n', at);
    require(end != wire.npos && end > at && wire[end - 1] == '\r');
    const std::string_view line = wire.substr(at, end - 1 - at);
    require(line.find('\r') == line.npos);
    at = end + 1;
  }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const std::size_t line = std::min(input.find('\n'), input.size());
  const std::string value(spool::valid_utf8(input.substr(0, line)) ? input.substr(0, line) : "x");
  const std::string content =
      transport::wire_form(input.substr(std::min(line + 1, size)), false);

  const std::string twice = value + "\r\n.\r\n--a\r\n" + value;
  const spool::MergeField fields[] = {{"a", value}, {"b", twice}, {"c", "plain"}};
  spool::EnvelopeBuilder builder;
  if (!builder.name_fields(fields)) return 0;
  builder.recipient("ann@d.example", {}, {}, fields);
  const spool::Envelope envelope = builder.take();

  const auto form = MergeTemplate::compile(content, envelope.field_names());
  if (!form) {
    require(!form.error().code.empty());
    return 0;
  }
  static_cast<void>(form->refuses(envelope, 0));
  require_wire_form(form->render(envelope, 0).wire);
  return 0;
}
