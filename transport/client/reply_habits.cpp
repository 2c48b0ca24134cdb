#include "transport/client/reply_habits.h"

#include <algorithm>
#include <string_view>

namespace bulkmail::transport {

namespace {

std::uint64_t hash(std::uint64_t so_far, std::string_view text) { // FNV-1a
  for (const char c : text) so_far = (so_far ^ static_cast<unsigned char>(c)) * 1099511628211U;
  return so_far;
}

bool varies(std::string_view word) { return word.find_first_of("0123456789<>@=") != std::string_view::npos; }

std::uint64_t shape_of(const Reply& reply) {
  std::uint64_t shape = hash(14695981039346656037U, reply.enhanced);
  shape ^= static_cast<std::uint64_t>(reply.code);
  for (std::string_view line : reply.lines) {
    while (!line.empty()) {
      const std::string_view word = line.substr(0, line.find(' '));
      shape = hash(shape, varies(word) ? "#" : word);
      shape = hash(shape, " ");
      line.remove_prefix(std::min(line.size(), word.size() + 1));
    }
  }
  return shape == 0 ? 1 : shape;
}

} // namespace

bool ReplyHabits::Known::has(std::uint64_t shape) const {
  return std::ranges::find(shapes, shape) != shapes.end();
}

void ReplyHabits::Known::add(std::uint64_t shape) {
  shapes[next] = shape;
  next = (next + 1) % wordings;
}

ReplyHabits::Fit ReplyHabits::fit(To command, const Reply& reply) {
  const std::uint64_t shape = shape_of(reply);
  const auto of = [&](To which) -> Known& { return known_[static_cast<std::size_t>(which)]; };
  Known& own = of(command);
  const bool others_say_so =
      std::ranges::any_of(known_, [&](const Known& other) { return &other != &own && other.has(shape); });
  if (own.has(shape)) {
    const bool others_known = !of(To::rset).empty() && !of(To::mail).empty() && !of(To::rcpt).empty();
    return others_known && !others_say_so ? Fit::own : Fit::unclear;
  }
  if (others_say_so && !own.empty()) return Fit::other;
  own.add(shape);
  return Fit::unclear;
}

} // namespace bulkmail::transport
