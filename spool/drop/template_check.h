// Judges a template before it is taken: can its content be filled in for each of its recipients? The spool knows no MIME, so
// whoever has the claimer made says who does.
#pragma once

#include "spool/envelope.h"

#include <optional>
#include <string>
#include <string_view>

namespace bulkmail::spool {

class TemplateCheck {
 public:
  struct Refusal {
    std::string code;
    std::string text;
    std::optional<std::size_t> recipient; // whom it is about, if it isn't the content itself
  };

  virtual ~TemplateCheck() = default;

  [[nodiscard]] virtual std::size_t most_octets() const = 0; // of content; more is refused unread
  // `content` as in the file. May be called from any thread, by one at a time.
  [[nodiscard]] virtual std::optional<Refusal> refuses(const Envelope& envelope, std::string_view content,
                                                       bool dot_stuffed) const = 0;
};

} // namespace bulkmail::spool
