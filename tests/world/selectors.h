// What the selectors of a `when` entry are made of: numbers ("2-5") and text patterns ("bad-*").
#pragma once

#include "tests/world/fields.h"

#include <limits>

namespace bulkmail::world {

// A set of numbers; the empty set of a selector that wasn't given holds for all.
class Numbers {
 public:
  Numbers() = default;
  static Numbers read(const Json& value, const std::string& path); // 3, "2-5", "4-", or a list of these

  [[nodiscard]] bool given() const { return !ranges_.empty(); }

  [[nodiscard]] bool hold(std::uint64_t number) const;

 private:
  struct Range {
    std::uint64_t first, last;
  };

  std::vector<Range> ranges_;
};

// A list of exact texts or prefixes with `*`, compared without case.
class Patterns {
 public:
  Patterns() = default;
  static Patterns read(const Json& value, const std::string& path);

  [[nodiscard]] bool given() const { return !patterns_.empty(); }

  [[nodiscard]] bool hold(std::string_view lower_text) const;

 private:
  struct Pattern {
    std::string text;
    bool prefix;
  };

  std::vector<Pattern> patterns_;
};

// A span of the world's own time.
struct Span {
  milliseconds from{0}, until = milliseconds::max();

  [[nodiscard]] bool holds(milliseconds elapsed) const { return elapsed >= from && elapsed < until; }

  static Span read(Fields& fields);
};

} // namespace bulkmail::world
