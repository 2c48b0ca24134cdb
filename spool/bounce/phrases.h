// What receivers say in words, and which class it means.
#pragma once

#include "spool/bounce/bounce_class.h"

#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace bulkmail::spool {

struct Phrase {
  BounceClass meaning;
  std::string_view words; // lower case; "*" stands for anything between
};

// The first that fits counts.
[[nodiscard]] std::span<const Phrase> known_phrases();

// Lower case, one space between words; without the enhanced codes that hosts repeat in each line, without the " / " between
// lines, and without addresses, whose owners could write anything into them.
[[nodiscard]] std::string plain_words(std::string_view reply);

[[nodiscard]] std::optional<BounceClass> class_by_words(std::string_view plain);

} // namespace bulkmail::spool
