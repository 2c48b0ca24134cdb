#include "agent/queue/terms.h"

#include <fmt/format.h>

#include <iterator>
#include <string>
#include <string_view>

namespace bulkmail::agent {
namespace {

// Fields with their lengths: no two terms give the same text.
class Text {
 public:
  void add(std::string_view field) {
    fmt::format_to(std::back_inserter(text_), "{}:", field.size());
    text_ += field;
  }

  void add(std::uint64_t number) { fmt::format_to(std::back_inserter(text_), "{};", number); }

  [[nodiscard]] const std::string& text() const { return text_; }

 private:
  std::string text_ = "terms ";
};

} // namespace

std::shared_ptr<const Terms> agreed(Terms terms) {
  Text text;
  text.add(static_cast<std::uint64_t>(terms.sessions));
  text.add(terms.port);
  text.add(terms.socket);
  text.add(terms.recipients);
  text.add(terms.delivery ? terms.delivery->site() : "");
  text.add(static_cast<std::uint64_t>(terms.tls));
  text.add(std::uint64_t{terms.implicit_tls});
  text.add(std::uint64_t{terms.sts != nullptr});
  if (terms.sts) {
    text.add(static_cast<std::uint64_t>(terms.sts->mode));
    text.add(terms.sts->mx.size());
    for (const auto& host : terms.sts->mx) text.add(host);
  }
  text.add(std::uint64_t{terms.credentials != nullptr});
  if (terms.credentials) {
    text.add(terms.credentials->username);
    text.add(terms.credentials->password);
    text.add(terms.credentials->token);
    text.add(std::uint64_t{terms.credentials->without_tls});
    for (const auto mechanism : terms.credentials->allowed) text.add(static_cast<std::uint64_t>(mechanism));
  }
  terms.key = resolver::SiteKey::of(text.text());
  return std::make_shared<const Terms>(std::move(terms));
}

const std::shared_ptr<const Terms>& standard_terms() {
  static const std::shared_ptr<const Terms> standard = agreed({});
  return standard;
}

} // namespace bulkmail::agent
