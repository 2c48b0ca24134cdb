// How many sessions a Site may have at the moment: one until it has answered, then one more for each
// transaction it completes, up to the configured limit; down to what it holds when it refuses one, and from
// there up again slowly: one more for as many completed transactions as it has places.
#pragma once

#include <cstdint>

namespace bulkmail::agent {

class Window {
 public:
  explicit Window(std::uint32_t limit);

  [[nodiscard]] std::uint32_t size() const { return size_; }

  [[nodiscard]] bool proven() const { return proven_; } // a session was established since the last outage

  void established();                        // a session reached `ready`
  void completed();                          // a transaction was answered
  void refused(std::uint32_t live_sessions); // 421 or a failed connect while others live
  void outage();                             // no session left and none to be had: from the start again
  void set_limit(std::uint32_t limit);

 private:
  std::uint32_t limit_;
  std::uint32_t size_ = 1;
  std::uint32_t credit_ = 0; // transactions completed since the last growth, while cautious
  bool cautious_ = false;    // it has refused: what it takes is known, so grow by probing
  bool proven_ = false;
};

} // namespace bulkmail::agent
