#include "transport/content/header.h"

#include <algorithm>

namespace bulkmail::transport {

std::string_view header_of(std::string_view text) {
  if (text.starts_with("\r\n")) return text.substr(0, 2);
  const std::size_t end = text.find("\r\n\r\n");
  return end == text.npos ? text : text.substr(0, end + 4);
}

std::string_view take_field(std::string_view& head) {
  std::size_t end = 0;
  do end = std::min(head.find("\r\n", end), head.size() - 2) + 2;
  while (end < head.size() && (head[end] == ' ' || head[end] == '\t'));
  const std::string_view field = head.substr(0, end);
  head.remove_prefix(end);
  return field;
}

std::string_view field_name(std::string_view field) {
  const std::string_view name = field.substr(0, field.find(':'));
  return name.substr(0, name.find_last_not_of(" \t") + 1);
}

} // namespace bulkmail::transport
