// Many records of one kind, in chunks: stable addresses, names of 32 bits (handles), nothing
// allocated per record. A million of them cost their own size and one bit each.
#pragma once

#include <algorithm>
#include <bitset>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <new>
#include <utility>
#include <vector>

namespace relais::queue {

using handle = std::uint32_t;
inline constexpr handle no_handle = std::numeric_limits<handle>::max();

template <class T>
class slab {
 public:
  slab() = default;
  ~slab() {
    for (handle h = 0; h < end(); ++h)
      if (contains(h)) (*this)[h].~T();
  }
  slab(const slab&) = delete;
  slab& operator=(const slab&) = delete;

  template <class... Arguments>
  handle make(Arguments&&... arguments) {
    if (free_ == no_handle) grow();
    const auto made = free_;
    void* place = cell(made);
    free_ = *std::launder(static_cast<handle*>(place));
    ::new (place) T(std::forward<Arguments>(arguments)...);
    chunks_[made / per_chunk]->used.set(made % per_chunk);
    ++size_;
    return made;
  }
  void erase(handle h) noexcept {
    (*this)[h].~T();
    ::new (cell(h)) handle(free_);
    free_ = h;
    chunks_[h / per_chunk]->used.reset(h % per_chunk);
    if (--size_ == 0) clear();
  }

  T& operator[](handle h) noexcept { return *std::launder(static_cast<T*>(cell(h))); }
  const T& operator[](handle h) const noexcept {
    return *std::launder(static_cast<const T*>(cell(h)));
  }
  bool contains(handle h) const noexcept {
    return h < end() && chunks_[h / per_chunk]->used.test(h % per_chunk);
  }
  /// Behind the last handle that was ever given.
  handle end() const noexcept { return static_cast<handle>(chunks_.size() * per_chunk); }
  std::size_t size() const noexcept { return size_; }
  std::uint64_t memory() const noexcept {
    return chunks_.size() * sizeof(chunk) + chunks_.capacity() * sizeof(chunks_[0]);
  }

 private:
  static constexpr handle per_chunk = 1024;
  static_assert(sizeof(T) >= sizeof(handle) && alignof(T) >= alignof(handle));
  struct chunk {
    alignas(T) std::byte cells[sizeof(T) * per_chunk];
    std::bitset<per_chunk> used;
  };

  void* cell(handle h) const noexcept {
    return chunks_[h / per_chunk]->cells + sizeof(T) * (h % per_chunk);
  }
  void grow() {
    const auto first = end();
    chunks_.emplace_back(new chunk);  // the cells need no value
    // The lowest handle comes first: what is made together lies together.
    for (handle h = first + per_chunk; h-- > first;) {
      ::new (cell(h)) handle(free_);
      free_ = h;
    }
  }
  /// Behind a flood the memory goes back.
  void clear() noexcept {
    chunks_.clear();
    chunks_.shrink_to_fit();
    free_ = no_handle;
  }

  std::vector<std::unique_ptr<chunk>> chunks_;
  handle free_ = no_handle;
  std::size_t size_ = 0;
};

}  // namespace relais::queue
