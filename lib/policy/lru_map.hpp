// A map of bounded size: the entry that was used longest ago goes when another one needs its place.
// For counters and memories that strangers can fill. Single-threaded.
#pragma once

#include <cstddef>
#include <list>
#include <unordered_map>
#include <utility>

namespace relais::policy {

template <class Key, class Value, class Hash = std::hash<Key>>
class lru_map {
 public:
  explicit lru_map(std::size_t maximum) : maximum_(maximum == 0 ? 1 : maximum) {}

  /// Null: not there. Marks it as used. Valid until the next put() or erase().
  Value* find(const Key& key) {
    const auto at = index_.find(key);
    if (at == index_.end()) return nullptr;
    entries_.splice(entries_.begin(), entries_, at->second);
    return &at->second->second;
  }
  /// Adds or replaces.
  Value& put(const Key& key, Value value) {
    if (auto* known = find(key)) {
      *known = std::move(value);
      return *known;
    }
    if (entries_.size() == maximum_) {
      index_.erase(entries_.back().first);
      entries_.pop_back();
    }
    entries_.emplace_front(key, std::move(value));
    index_.emplace(key, entries_.begin());
    return entries_.front().second;
  }
  void erase(const Key& key) {
    const auto at = index_.find(key);
    if (at == index_.end()) return;
    entries_.erase(at->second);
    index_.erase(at);
  }
  std::size_t size() const noexcept { return entries_.size(); }
  /// From the least to the most recently used: put() in this order makes the same map.
  template <class Visit>
  void for_each(Visit visit) const {
    for (auto at = entries_.rbegin(); at != entries_.rend(); ++at) visit(at->first, at->second);
  }

 private:
  std::size_t maximum_;
  std::list<std::pair<Key, Value>> entries_;  // most recently used first
  std::unordered_map<Key, typename std::list<std::pair<Key, Value>>::iterator, Hash> index_;
};

}  // namespace relais::policy
