// A leftist heap threaded through the records of a slab: every operation is O(log n) at worst (not
// only on average: a worker that stops for a million steps stops its sessions), any record can be
// taken out, and an empty heap is one handle. A record T has heap_links as `links`, a `rank()` with
// `set_rank()`, and `is_before(const T&)`, a total order.
#pragma once

#include <utility>

#include "queue/slab.hpp"

namespace relais::queue {

struct heap_links {
  handle left = no_handle, right = no_handle, up = no_handle;
};

template <class T>
class leftist_heap {
 public:
  explicit leftist_heap(slab<T>& records) : records_(records) {}

  void push(handle& root, handle added) {
    records_[added].links = heap_links();
    records_[added].set_rank(1);
    root = merge(root, added);
  }
  handle pop(handle& root) {
    const auto first = root;
    erase(root, first);
    return first;
  }
  void erase(handle& root, handle gone) {
    const auto links = records_[gone].links;
    const auto rest = merge(links.left, links.right);
    if (rest != no_handle) records_[rest].links.up = links.up;
    if (links.up == no_handle) {
      root = rest;
      return;
    }
    auto& parent = records_[links.up].links;
    (parent.left == gone ? parent.left : parent.right) = rest;
    // A rank that changes grows by one with each step up, so there are O(log n) steps.
    for (auto h = links.up; h != no_handle && settle(h); h = records_[h].links.up) {
    }
  }

 private:
  unsigned rank(handle h) const { return h == no_handle ? 0 : records_[h].rank(); }

  /// Left is never the shorter side; true: the rank is another one now.
  bool settle(handle h) {
    auto& record = records_[h];
    if (rank(record.links.left) < rank(record.links.right))
      std::swap(record.links.left, record.links.right);
    const auto now = rank(record.links.right) + 1;
    if (now == record.rank()) return false;
    record.set_rank(now);
    return true;
  }
  /// As deep as both right sides are long: 2 log n.
  handle merge(handle a, handle b) {
    if (a == no_handle) return b;
    if (b == no_handle) return a;
    if (records_[b].is_before(records_[a])) std::swap(a, b);
    auto& record = records_[a];
    record.links.right = merge(record.links.right, b);
    records_[record.links.right].links.up = a;
    settle(a);
    return a;
  }

  slab<T>& records_;
};

}  // namespace relais::queue
