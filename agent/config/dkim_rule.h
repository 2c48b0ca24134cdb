// One [[dkim]] entry as it was written (docs/dkim.md), and the key that its file held.
#pragma once

#include "transport/content/dkim/canonical.h"
#include "transport/content/dkim/key.h"

#include <chrono>
#include <optional>
#include <string>
#include <vector>

namespace bulkmail::agent {

struct DkimRule {
  enum class Forms : std::uint8_t { relaxed_relaxed, relaxed_simple, simple_relaxed, simple_simple };

  std::string domain, selector, key_file;
  std::vector<std::string> match; // domains of From; empty: `domain` and what is below it
  std::vector<std::string> headers;
  Forms canonicalization = Forms::relaxed_relaxed; // of header and body
  std::optional<std::chrono::milliseconds> expire;
  std::optional<transport::DkimKey> key; // read by who sends mail, not by load_config()

  [[nodiscard]] transport::Canonical header_form() const {
    return canonicalization == Forms::relaxed_relaxed || canonicalization == Forms::relaxed_simple
               ? transport::Canonical::relaxed
               : transport::Canonical::simple;
  }

  [[nodiscard]] transport::Canonical body_form() const {
    return canonicalization == Forms::relaxed_relaxed || canonicalization == Forms::simple_relaxed
               ? transport::Canonical::relaxed
               : transport::Canonical::simple;
  }
};

} // namespace bulkmail::agent
