// Memory to read into. Its octets have no value before: to zero them would touch pages that a small
// message never needs, 64 KiB for each.
#pragma once

#include <cstddef>
#include <memory>

namespace relais {

class raw_buffer {
 public:
  /// What was in it is lost, unless the size is the same.
  void resize(std::size_t octets) {
    if (octets == size_) return;
    octets_.reset();
    octets_ = std::make_unique_for_overwrite<char[]>(octets);
    size_ = octets;
  }
  void release() noexcept {
    octets_.reset();
    size_ = 0;
  }
  char* data() noexcept { return octets_.get(); }
  std::size_t size() const noexcept { return size_; }

 private:
  std::unique_ptr<char[]> octets_;
  std::size_t size_ = 0;
};

}  // namespace relais
