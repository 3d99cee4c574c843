// The octets of one simulated file, in pages that copies share until one of them is written to: a
// disk of a few hundred KiB is copied at every crash point of a history, and a segment of 64 MiB
// that holds little takes little memory. What was never written reads as zeros. And what of such a
// file is on stable storage, by sectors.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/random.hpp"

namespace relais::testing {

class paged_octets {
 public:
  static constexpr std::size_t sector = 512;  ///< what a device writes as a whole or not at all
  static constexpr std::size_t page = 4096;

  std::size_t size() const noexcept { return size_; }

  /// New octets are zeros.
  void resize(std::size_t size) {
    if (size < size_ && size % page != 0 && pages_[size / page])
      std::memset(own(size / page) + size % page, 0, page - size % page);
    pages_.resize((size + page - 1) / page);
    size_ = size;
  }

  std::string read(std::size_t offset, std::size_t length) const {
    if (offset >= size_) return {};
    std::string octets(std::min(length, size_ - offset), '\0');
    for (std::size_t done = 0; done < octets.size();) {
      const auto at = offset + done;
      const auto part = std::min(page - at % page, octets.size() - done);
      if (pages_[at / page])
        std::memcpy(&octets[done], pages_[at / page]->data() + at % page, part);
      done += part;
    }
    return octets;
  }

  void write(std::size_t offset, std::string_view octets) {
    if (offset + octets.size() > size_) resize(offset + octets.size());
    for (std::size_t done = 0; done < octets.size();) {
      const auto at = offset + done;
      const auto part = std::min(page - at % page, octets.size() - done);
      std::memcpy(own(at / page) + at % page, octets.data() + done, part);
      done += part;
    }
  }

  /// Both reach that far.
  void copy_page_of(const paged_octets& from, std::size_t sector_in_it) {
    const auto index = sector_in_it * sector / page;
    pages_[index] = from.pages_[index];
  }
  void copy_sector(const paged_octets& from, std::size_t number) {
    const auto index = number * sector / page;
    if (pages_[index] == from.pages_[index]) return;
    auto* target = own(index) + number * sector % page;
    if (from.pages_[index]) {
      std::memcpy(target, from.pages_[index]->data() + number * sector % page, sector);
    } else {
      std::memset(target, 0, sector);
    }
  }

 private:
  using page_octets = std::array<char, page>;

  char* own(std::size_t index) {
    auto& p = pages_[index];
    if (!p) {
      p = std::make_shared<page_octets>();
      p->fill('\0');
    } else if (p.use_count() > 1) {
      p = std::make_shared<page_octets>(*p);
    }
    return p->data();
  }

  std::vector<std::shared_ptr<page_octets>> pages_;
  std::size_t size_ = 0;
};

class sim_content {
 public:
  const paged_octets& seen() const noexcept { return seen_; }
  std::size_t size() const noexcept { return seen_.size(); }

  void write(std::size_t offset, std::string_view octets) {
    seen_.write(offset, octets);
    is_dirty_.resize((seen_.size() + paged_octets::sector - 1) / paged_octets::sector);
    for (auto s = offset / paged_octets::sector; s * paged_octets::sector < offset + octets.size();
         ++s) {
      if (!is_dirty_[s]) order_.push_back(s);
      is_dirty_[s] = true;
      dropped_.erase(s);  // written again: a later sync may save it
    }
  }

  void extend(std::size_t size) {
    if (size > seen_.size()) seen_.resize(size);
  }

  void sync() {
    durable_.resize(seen_.size());
    for (const auto s : order_) {
      if (dropped_.empty()) {
        durable_.copy_page_of(seen_, s);
      } else {
        durable_.copy_sector(seen_, s);
      }
    }
    forget_dirty();
  }

  /// As Linux does: the data stays readable, and no later sync makes it durable.
  void sync_failed() {
    dropped_.insert(order_.begin(), order_.end());
    forget_dirty();
  }

  /// On stable storage, too.
  void flip_bit(std::uint64_t bit) {
    for (auto* octets : {&seen_, &durable_}) {
      const auto at = static_cast<std::size_t>(bit / 8);
      auto octet = octets->read(at, 1);
      if (octet.empty()) continue;
      octet[0] = static_cast<char>(static_cast<unsigned char>(octet[0]) ^ (1u << (bit % 8)));
      octets->write(at, octet);
    }
  }

  /// What a crash left: each sector written since the last sync is old or new, in one of several
  /// moods, so that the extremes occur, too: none, all, the first ones written, one, all but one,
  /// or any; the size is old, new or between, at the end of a sector.
  sim_content after_crash(random& choice) const {
    std::vector<std::size_t> unsure = order_;
    unsure.insert(unsure.end(), dropped_.begin(), dropped_.end());
    const auto mood = choice.below(7);
    const auto one = choice.below(unsure.size() + 1);
    const auto is_new = [&](std::size_t i) {
      switch (mood) {
        case 0: return false;
        case 1: return true;
        case 2: return i < one;
        case 3: return i == one;
        case 4: return i != one;
        default: return choice.below(2) == 0;
      }
    };
    const auto low = std::min(durable_.size(), seen_.size());
    const auto high = std::max(durable_.size(), seen_.size());
    auto size = mood == 0 ? low : high;
    if (mood > 1 && choice.below(2) == 0) {
      size = (low + choice.below(high - low + 1)) / paged_octets::sector * paged_octets::sector;
      size = std::max(size, low);
    }
    sim_content settled;
    settled.seen_ = durable_;
    settled.seen_.resize(high);
    for (std::size_t i = 0; i < unsure.size(); ++i)
      if (is_new(i)) settled.seen_.copy_sector(seen_, unsure[i]);
    settled.seen_.resize(size);
    settled.durable_ = settled.seen_;
    return settled;
  }

 private:
  void forget_dirty() {
    for (const auto s : order_) is_dirty_[s] = false;
    order_.clear();
  }

  paged_octets seen_;               ///< as a reader sees it
  paged_octets durable_;            ///< as it is on stable storage
  std::vector<std::size_t> order_;  ///< dirty sectors, in the order of their first write
  std::vector<bool> is_dirty_;      ///< by sector
  std::set<std::size_t> dropped_;   ///< sectors that a failed sync gave up
};

}  // namespace relais::testing
