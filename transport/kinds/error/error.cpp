#include "transport/kinds/error/error.h"

#include "transport/reply.h"
#include "transport/verdict.h"

#include <fmt/format.h>

namespace bulkmail::transport::kinds {
namespace {

class Error final : public Delivery {
 public:
  Error(std::string status, std::string text) : status_(std::move(status)), text_(std::move(text)) {}

  [[nodiscard]] std::string site() const override { return fmt::format("error:{} {}", status_, text_); }

  [[nodiscard]] std::uint32_t recipients() const override { return 1'000'000; }

  [[nodiscard]] std::optional<Opening> opening(const Letter& /*letter*/) const override {
    return std::nullopt;
  }

  [[nodiscard]] spool::Outcome outcome(const Letter& /*letter*/, const Ending& /*ending*/,
                                       Wall now) const override {
    return local_outcome(spool::Action::failed, spool::Source::policy, status_, text_, now);
  }

 private:
  std::string status_, text_;
};

} // namespace

Kind::Made make_error(const Options& options) {
  const auto* status = find_option<std::string>(options, "status");
  const auto* text = find_option<std::string>(options, "text");
  if (status != nullptr && (!status->starts_with('5') || leading_status(*status) != *status))
    return std::unexpected(fmt::format("status \"{}\" is none of class 5, such as \"5.7.1\"", *status));
  return std::make_shared<const Error>(status == nullptr ? "5.1.2" : *status,
                                       text == nullptr ? "mail to this domain is not accepted" : *text);
}

} // namespace bulkmail::transport::kinds
