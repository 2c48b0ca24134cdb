// Any content, signed: its canonical form is the same however it is cut and, made canonical once more, doesn't change; the
// signature is one folded field, of printable ASCII, whatever the header holds.
#include "transport/content/dkim/body_hash.h"
#include "transport/content/dkim/signature.h"
#include "transport/content/header.h"
#include "transport/content/wire_form.h"

#include <cstdlib>

using namespace bulkmail;
using namespace bulkmail::transport;

namespace {

constexpr const char* key = "-----BEGIN PRIVATE KEY-----\n"
                            "MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n"
                            "-----END PRIVATE KEY-----\n";

void require(bool holds) {
  if (!holds) std::abort();
}

std::string canonical(std::string_view text, Canonical form, std::size_t piece) {
  CanonicalBody body(form);
  std::string out;
  while (!text.empty()) {
    std::string_view block = text.substr(0, piece);
    text.remove_prefix(block.size());
    while (!block.empty()) body.take(block, out);
  }
  body.finish(out);
  return out;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const auto parsed = DkimKey::parse(key);
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const std::string wire = wire_form(input, false);
  const std::string_view header = header_of(wire);
  const std::string_view body = std::string_view(wire).substr(header.size());
  for (const Canonical form : {Canonical::relaxed, Canonical::simple}) {
    const std::string whole = canonical(body, form, body.size() + 1);
    require(canonical(body, form, 1) == whole && canonical(body, form, 7) == whole);
    require(canonical(whole, form, whole.size() + 1) == whole);
    require(whole.size() <= body.size() + 2);
    for (std::string_view left = header; !left.empty() && !left.starts_with("\r\n");) {
      std::string once, twice;
      append_canonical_field(once, take_field(left), form);
      append_canonical_field(twice, once, form);
      require(once == twice && once.ends_with("\r\n"));
    }
    BodyHash hash(form);
    hash.update(body);
    const DkimIdentity identity{"d.example", "s", *parsed, form, form, {}, {}};
    const auto field = dkim_signature(identity, header, hash.finish(), Wall{});
    require(field && field->ends_with("\r\n"));
    for (std::string_view left = *field; !left.empty();) {
      const std::size_t end = left.find("\r\n");
      require(end > 0 && end <= 78 && left.substr(0, end).find_first_of("\r\n") == left.npos);
      left.remove_prefix(end + 2);
      require(left.empty() || left.front() == '\t');
    }
  }
  static_cast<void>(author_domain(input));
  return 0;
}
