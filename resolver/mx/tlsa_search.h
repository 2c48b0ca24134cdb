// Looks for a mail host's TLSA records (RFC 7672 §2.2.3): at the end of its CNAMEs first, then at its own name. The first
// name that has records, usable or not, is the base domain; what an answer proves not to be there, or doesn't prove, leads on
// to the next; an answer that can't be had ends it.
#pragma once

#include "resolver/mx/trail.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace bulkmail::resolver {

class TlsaSearch {
 public:
  // Of a host whose addresses are proved: `canonical` is the name at the end of its CNAMEs.
  TlsaSearch(const std::string& host, const std::string& canonical, std::uint16_t port);

  // None: it is over.
  [[nodiscard]] const Question* question() const;
  // True: there is another question to ask.
  bool answer(std::shared_ptr<const Answer> answer, Monotonic now);

  enum class Result : std::uint8_t { none, found, doubt };

  [[nodiscard]] Result result() const { return result_; }

  [[nodiscard]] const std::string& base() const { return bases_.back(); } // found

  [[nodiscard]] const Answer& end() const { return trail_->end(); } // found, doubt

  [[nodiscard]] Monotonic expires() const { return expires_; }

 private:
  void next_base();

  std::vector<std::string> bases_; // still to be looked at, the next at the back
  std::uint16_t port_;
  std::optional<Trail> trail_; // at bases_.back()
  Result result_ = Result::none;
  bool over_ = false;
  Monotonic expires_ = Monotonic::max();
};

} // namespace bulkmail::resolver
