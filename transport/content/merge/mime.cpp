#include "transport/content/merge/mime.h"

#include "spool/ascii.h"

#include <gmime/gmime.h>

#include <algorithm>
#include <memory>
#include <mutex>

namespace bulkmail::transport {
namespace {

// GMime has tables of its own to set up before anything else of it is called; it never frees them here.
void begin_gmime() {
  static std::once_flag once;
  std::call_once(once, [] { g_mime_init(); });
}

struct Free {
  void operator()(char* text) const { g_free(text); }

  void operator()(GMimeContentType* type) const { g_object_unref(type); }
};

using Text = std::unique_ptr<char, Free>;
using Type = std::unique_ptr<GMimeContentType, Free>;

std::string text_or_none(const char* text) { return text == nullptr ? std::string() : std::string(text); }

std::string lowered(const char* text) {
  std::string out = text_or_none(text);
  std::ranges::transform(out, out.begin(), spool::lower);
  return out;
}

Type parse_type(std::string_view value) {
  begin_gmime();
  if (value.find('/') == value.npos) value = "text/plain"; // RFC 2045 §5.2; GMime would have it binary
  return Type(g_mime_content_type_parse(nullptr, std::string(value).c_str()));
}

} // namespace

std::string decode_header_text(std::string_view value) {
  begin_gmime();
  const Text decoded(g_mime_utils_header_decode_text(nullptr, std::string(value).c_str()));
  return text_or_none(decoded.get());
}

ContentType ContentType::parse(std::string_view value) {
  const Type parsed = parse_type(value);
  const auto parameter = [&](const char* name) {
    return text_or_none(g_mime_content_type_get_parameter(parsed.get(), name));
  };
  return {lowered(g_mime_content_type_get_media_type(parsed.get())),
          lowered(g_mime_content_type_get_media_subtype(parsed.get())), parameter("boundary"),
          parameter("charset")};
}

std::string content_type_in_utf8(std::string_view value) {
  const Type parsed = parse_type(value);
  g_mime_content_type_set_parameter(parsed.get(), "charset", "utf-8");
  const Text encoded(g_mime_content_type_encode(parsed.get(), nullptr));
  std::string field = "Content-Type:" + text_or_none(encoded.get());
  for (std::size_t at = 0; (at = field.find('\n', at)) != field.npos; at += 2)
    if (field[at - 1] != '\r') field.insert(at, 1, '\r'); // GMime's lines end in LF
  if (!field.ends_with("\r\n")) field += "\r\n";
  return field;
}

} // namespace bulkmail::transport
