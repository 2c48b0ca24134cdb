// A doubly linked list through its elements: joining and leaving is O(1), costs no allocation, and an element
// can leave without knowing which list it is in. The queues of the scheduler are made of it.
//
//   struct Job : Link<> { … };
//   List<Job> ready;  ready.push_back(job);  job.unlink();
//
// An element is in at most one list per tag, and must leave before it dies.
#pragma once

#include <cstddef>

namespace bulkmail::agent {

template <class T, class Tag>
class List;

template <class Tag = void>
class Link {
 public:
  Link() = default;
  Link(const Link&) = delete;
  Link& operator=(const Link&) = delete;

  [[nodiscard]] bool linked() const { return next_ != nullptr; }

  void unlink() {
    if (!linked()) return;
    previous_->next_ = next_;
    next_->previous_ = previous_;
    previous_ = next_ = nullptr;
  }

 private:
  template <class, class>
  friend class List;
  Link* previous_ = nullptr;
  Link* next_ = nullptr;
};

template <class T, class Tag = void>
class List {
 public:
  List() { end_.previous_ = end_.next_ = &end_; }

  List(const List&) = delete;
  List& operator=(const List&) = delete;

  [[nodiscard]] bool empty() const { return end_.next_ == &end_; }

  [[nodiscard]] T& front() const { return *static_cast<T*>(end_.next_); }

  [[nodiscard]] T& back() const { return *static_cast<T*>(end_.previous_); }

  // The element behind this one, or null: to walk a list while elements leave it.
  [[nodiscard]] T* after(T& item) const {
    Link<Tag>* next = static_cast<Link<Tag>&>(item).next_;
    return next == &end_ ? nullptr : static_cast<T*>(next);
  }

  // The one in front of it.
  [[nodiscard]] T* before(T& item) const {
    Link<Tag>* previous = static_cast<Link<Tag>&>(item).previous_;
    return previous == &end_ ? nullptr : static_cast<T*>(previous);
  }

  [[nodiscard]] T* first() const { return empty() ? nullptr : &front(); }

  void push_back(T& item) { insert(*end_.previous_, item); }

  void push_front(T& item) { insert(end_, item); }

 private:
  static void insert(Link<Tag>& before, Link<Tag>& item) {
    item.previous_ = &before;
    item.next_ = before.next_;
    before.next_->previous_ = &item;
    before.next_ = &item;
  }

  Link<Tag> end_;
};

} // namespace bulkmail::agent
