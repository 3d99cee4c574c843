// Answers that stay true for a while, by a digest of what was asked. Bounded: one that is full
// is emptied and begins anew.
#pragma once

#include <string>
#include <unordered_map>

#include "auth/backend.hpp"
#include "base/clock.hpp"

namespace relais::auth {

class answer_cache {
 public:
  explicit answer_cache(std::size_t capacity) : capacity_(capacity) {}

  /// Null: nothing is known. Valid until the next keep().
  const verdict* find(const std::string& key, steady_time now) const {
    const auto found = known_.find(key);
    return found == known_.end() || now >= found->second.until ? nullptr : &found->second.said;
  }

  void keep(const std::string& key, const verdict& said, steady_time until) {
    if (known_.size() >= capacity_) known_.clear();
    known_[key] = {said, until};
  }

 private:
  struct entry {
    verdict said;
    steady_time until;
  };
  std::size_t capacity_;
  std::unordered_map<std::string, entry> known_;
};

}  // namespace relais::auth
