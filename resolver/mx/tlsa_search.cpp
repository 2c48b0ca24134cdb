#include "resolver/mx/tlsa_search.h"

#include "resolver/policy/dane.h"

#include <algorithm>
#include <utility>

namespace bulkmail::resolver {

TlsaSearch::TlsaSearch(const std::string& host, const std::string& canonical, std::uint16_t port)
    : port_(port) {
  bases_.push_back(host);
  if (canonical != host) bases_.push_back(canonical);
  next_base();
}

const Question* TlsaSearch::question() const { return over_ ? nullptr : &trail_->question(); }

bool TlsaSearch::answer(std::shared_ptr<const Answer> answer, Monotonic now) {
  if (!trail_->answer(std::move(answer), now)) return true;
  expires_ = std::min(expires_, trail_->expires());
  const Answer& end = trail_->end();
  if (end.kind == Answer::Kind::doubt || (end.kind == Answer::Kind::found && trail_->secure())) {
    result_ = end.kind == Answer::Kind::doubt ? Result::doubt : Result::found;
    over_ = true;
    return false;
  }
  bases_.pop_back();
  next_base();
  return !over_;
}

void TlsaSearch::next_base() {
  for (; !bases_.empty(); bases_.pop_back()) {
    if (auto name = tlsa_name(bases_.back(), port_)) {
      trail_.emplace(Question{*std::move(name), Type::tlsa});
      return;
    }
  }
  over_ = true;
}

} // namespace bulkmail::resolver
