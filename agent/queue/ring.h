// A doubly linked ring through the elements of a Slab: joining and leaving is O(1) and allocates nothing, and the ring itself
// is the four bytes that name its first element. What is there by the hundred thousand is linked so; what is there by the
// thousand, by pointers (intrusive_list.h).
//
//   struct Job { Links<Job> links; … };
//   Ring<Job> ready;  ready.push_back(jobs, job);  ready.remove(jobs, job);
#pragma once

#include "agent/queue/slab.h"

#include <utility>

namespace bulkmail::agent {

template <class T>
struct Links {
  Ref<T> previous, next;

  [[nodiscard]] bool linked() const { return static_cast<bool>(next); }
};

template <class T> // which may still be incomplete; Items: the Slab of them
class Ring {
 public:
  [[nodiscard]] bool empty() const { return !first_; }

  [[nodiscard]] Ref<T> first() const { return first_; } // none: it is empty

  template <class Items>
  [[nodiscard]] Ref<T> after(const Items& slab, Ref<T> item) const { // none: that was the last
    const Ref<T> next = slab[item].links.next;
    return next == first_ ? Ref<T>{} : next;
  }

  template <class Items>
  void push_back(Items& slab, Ref<T> item) {
    if (empty()) {
      slab[item].links = {item, item};
      first_ = item;
      return;
    }
    const Ref<T> last = slab[first_].links.previous;
    slab[item].links = {last, first_};
    slab[last].links.next = item;
    slab[first_].links.previous = item;
  }

  template <class Items>
  void push_front(Items& slab, Ref<T> item) {
    push_back(slab, item);
    first_ = item;
  }

  template <class Items>
  void remove(Items& slab, Ref<T> item) {
    const Links<T> links = std::exchange(slab[item].links, {});
    if (links.next == item) {
      first_ = {};
      return;
    }
    slab[links.previous].links.next = links.next;
    slab[links.next].links.previous = links.previous;
    if (first_ == item) first_ = links.next;
  }

  // The first becomes the last.
  template <class Items>
  void rotate(const Items& slab) {
    first_ = slab[first_].links.next;
  }

  // All of another ring, behind what is here.
  template <class Items>
  void append(Items& slab, Ring& other) {
    const Ref<T> head = std::exchange(other.first_, {});
    if (!head) return;
    if (empty()) {
      first_ = head;
      return;
    }
    const Ref<T> last = slab[first_].links.previous, tail = slab[head].links.previous;
    slab[last].links.next = head;
    slab[head].links.previous = last;
    slab[tail].links.next = first_;
    slab[first_].links.previous = tail;
  }

 private:
  Ref<T> first_;
};

} // namespace bulkmail::agent
