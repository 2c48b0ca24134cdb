#include "transport/kinds/mailbox.h"

#include <optional>

namespace bulkmail::transport::kinds {
namespace {

// The next "{name}" from `from` on: where it begins, and its name.
struct Place {
  std::size_t begin = std::string_view::npos;
  std::string_view name;

  [[nodiscard]] std::size_t end() const { return begin + name.size() + 2; }
};

std::optional<Place> next_place(std::string_view form, std::size_t from) {
  const auto open = form.find('{', from);
  const auto close = form.find('}', open);
  if (close == form.npos) return std::nullopt;
  return Place{open, form.substr(open + 1, close - open - 1)};
}

std::optional<std::string_view> value_of(std::string_view name, const Letter& letter) {
  if (name == "sender") return letter.sender;
  if (name == "recipient") return letter.recipient;
  if (name == "local") return mailbox_of(letter).local;
  if (name == "domain") return mailbox_of(letter).domain;
  return std::nullopt;
}

} // namespace

Mailbox mailbox_of(const Letter& letter) {
  const std::string_view address = letter.recipient;
  const auto at = address.rfind('@');
  if (at == address.npos) return {address, {}};
  return {address.substr(0, at), address.substr(at + 1)};
}

std::string fill_in(std::string_view form, const Letter& letter) {
  std::string text;
  std::size_t done = 0;
  while (const auto place = next_place(form, done)) {
    text += form.substr(done, place->begin - done);
    text += value_of(place->name, letter).value_or("");
    done = place->end();
  }
  return text.append(form.substr(done));
}

std::string_view unknown_place(std::string_view form) {
  std::size_t done = 0;
  while (const auto place = next_place(form, done)) {
    if (!value_of(place->name, {})) return form.substr(place->begin, place->end() - place->begin);
    done = place->end();
  }
  return {};
}

} // namespace bulkmail::transport::kinds
