// All domains that the queue knows, by name, and which of them are to be asked for.
//
// A domain that nothing waits for any more is kept for a while if it has a route: mail to it tends to follow.
#pragma once

#include "agent/queue/domain_queue.h"
#include "agent/queue/sorting.h"
#include "agent/queue/table.h"

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace bulkmail::agent {

class Domains {
 public:
  [[nodiscard]] DomainQueue& operator[](Ref<DomainQueue> ref) { return slab_[ref]; }

  // For a group of recipients, whose text it takes. One without a canonical form is hopeless.
  [[nodiscard]] DomainQueue& find_or_make(SortedRecipients::Group& group);
  [[nodiscard]] DomainQueue* find(std::string_view canonical);

  void want(DomainQueue& domain);     // to be asked for
  void withdraw(DomainQueue& domain); // it need not be, if it was not yet

  [[nodiscard]] bool anything_wanted() const { return !wanted_.empty(); }

  [[nodiscard]] std::optional<std::string> next_wanted(); // it is `asking` then

  void rest(DomainQueue& domain); // routed, and nothing needs it now
  void wake(DomainQueue& domain); // something will
  // One whose rest is over, as its route is or as they are too many: the caller takes it out of its lane and
  // erases it.
  [[nodiscard]] DomainQueue* overripe(Monotonic now) const;
  void erase(DomainQueue& domain);

  template <class Visit>
  void each(Visit visit) {
    for (auto ref = slab_.first(); ref; ref = slab_.after(ref)) visit(slab_[ref]);
  }

 private:
  // A site's worth of popular domains; each costs a few hundred bytes.
  static constexpr std::size_t max_resting = 10'000;

  Slab<DomainQueue> slab_;
  Table<DomainQueue> by_name_;
  List<DomainQueue, OfQuestions> wanted_;
  List<DomainQueue> resting_; // longest first
  std::size_t resting_count_ = 0;
};

} // namespace bulkmail::agent
