// What the codes of a reply mean where its words say nothing (RFC 3463 and the registry of enhanced codes it opened;
// RFC 5321 §4.2.3).
#pragma once

#include "spool/bounce/bounce_class.h"

#include <optional>
#include <span>
#include <string_view>

namespace bulkmail::spool {

struct CodeMeaning {
  std::string_view
      subject_detail; // "1.1" of "5.1.1"; "4." stands for every detail of subject 4 that isn't named
  BounceClass meaning;
};

[[nodiscard]] std::span<const CodeMeaning> known_codes();

[[nodiscard]] std::optional<BounceClass> class_by_enhanced_code(std::string_view status); // "5.1.1"
[[nodiscard]] std::optional<BounceClass> class_by_reply_code(int code);                   // 550

} // namespace bulkmail::spool
