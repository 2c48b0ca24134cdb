// What a host says to which command, as far as this session heard it: whether a reply can be told from those to other
// commands. Hosts and middle boxes that lose a reply, or say one twice, shift all that follow; where many transactions are
// unanswered at once and every reply is a 250, this and their number alone show it.
//
// Replies are compared without what varies from one to the next: numbers, addresses, queue ids.
#pragma once

#include "transport/reply.h"

#include <array>
#include <cstddef>
#include <cstdint>

namespace bulkmail::transport {

class ReplyHabits {
 public:
  enum class To : std::uint8_t { rset, mail, rcpt, end_of_data, chunk };

  enum class Fit : std::uint8_t {
    own, // what the host said to that command before, and to RSET, MAIL and RCPT, which it has answered, it did not
    unclear, // new, or the same for several
    other,   // what it says to another command, and not to this one
  };

  // A 2yz reply to that command.
  [[nodiscard]] Fit fit(To command, const Reply& reply);

 private:
  // Hosts have a few wordings for one command; the oldest is forgotten.
  static constexpr std::size_t wordings = 4;
  static constexpr std::size_t commands = 5;

  struct Known {
    std::array<std::uint64_t, wordings> shapes{}; // 0: none
    std::size_t next = 0;

    [[nodiscard]] bool has(std::uint64_t shape) const;
    void add(std::uint64_t shape);

    [[nodiscard]] bool empty() const { return shapes[0] == 0; }
  };

  std::array<Known, commands> known_;
};

} // namespace bulkmail::transport
