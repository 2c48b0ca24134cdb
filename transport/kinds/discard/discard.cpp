#include "transport/kinds/discard/discard.h"

#include "transport/verdict.h"

namespace bulkmail::transport::kinds {
namespace {

class Discard final : public Delivery {
 public:
  [[nodiscard]] std::string site() const override { return "discard"; }

  [[nodiscard]] std::uint32_t recipients() const override { return 1'000'000; }

  [[nodiscard]] std::optional<Opening> opening(const Letter& /*letter*/) const override {
    return std::nullopt;
  }

  [[nodiscard]] spool::Outcome outcome(const Letter& /*letter*/, const Ending& /*ending*/,
                                       Wall now) const override {
    return local_outcome(spool::Action::delivered, spool::Source::local, "2.0.0",
                         "discarded, as a route says", now);
  }
};

} // namespace

Kind::Made make_discard(const Options& /*options*/) { return std::make_shared<const Discard>(); }

} // namespace bulkmail::transport::kinds
