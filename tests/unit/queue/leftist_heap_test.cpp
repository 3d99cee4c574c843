// The heap of the schedule against a sorted set, and its promise: O(log n) at worst.
#include "queue/leftist_heap.hpp"

#include <catch2/catch.hpp>
#include <set>

#include "base/random.hpp"

namespace relais::queue {
namespace {

std::size_t comparisons = 0;

struct item {
  int key = 0;
  unsigned rank_ = 0;
  heap_links links;
  explicit item(int k) : key(k) {}
  unsigned rank() const { return rank_; }
  void set_rank(unsigned now) { rank_ = now; }
  bool is_before(const item& other) const {
    ++comparisons;
    return key < other.key;
  }
};

TEST_CASE("leftist heap: random operations agree with a sorted set") {
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    seeded_random random(seed);
    slab<item> items;
    leftist_heap<item> heap(items);
    handle root = no_handle;
    std::set<std::pair<int, handle>> model;
    for (int step = 0; step < 400; ++step) {
      const auto what = random.below(5);
      if (what < 3 || model.empty()) {
        const auto key = step * 1000 + static_cast<int>(random.below(3) * 700'000);
        const auto added = items.make(key);
        heap.push(root, added);
        model.emplace(key, added);
      } else if (what == 3) {
        const auto first = heap.pop(root);
        REQUIRE(first == model.begin()->second);
        model.erase(model.begin());
        items.erase(first);
      } else {
        auto any = model.begin();
        std::advance(any, static_cast<int>(random.below(model.size())));
        heap.erase(root, any->second);
        items.erase(any->second);
        model.erase(any);
      }
      REQUIRE((root == no_handle) == model.empty());
      if (root != no_handle) REQUIRE(items[root].key == model.begin()->first);
      REQUIRE(items.size() == model.size());
    }
  }
}

TEST_CASE("leftist heap: no single operation takes more than 2 log n comparisons") {
  constexpr int count = 1 << 16;
  const auto worst_of = [](auto key_of) {
    slab<item> items;
    leftist_heap<item> heap(items);
    handle root = no_handle;
    std::size_t worst = 0;
    const auto counted = [&](auto&& operation) {
      comparisons = 0;
      operation();
      worst = std::max(worst, comparisons);
    };
    for (int i = 0; i < count; ++i) {
      const auto added = items.make(key_of(i));
      counted([&] { heap.push(root, added); });
    }
    for (handle h = 7; h < count; h += 3) counted([&] { heap.erase(root, h); });
    while (root != no_handle) counted([&] { heap.pop(root); });
    return worst;
  };
  CHECK(worst_of([](int i) { return i; }) <= 32);
  CHECK(worst_of([](int i) { return -i; }) <= 32);
  CHECK(worst_of([](int i) { return (i * 7919) % count; }) <= 32);
  CHECK(worst_of([](int) { return 1; }) <= 32);
}

TEST_CASE("slab: what is empty again gives its memory back") {
  slab<item> items;
  std::vector<handle> all;
  for (int i = 0; i < 5000; ++i) all.push_back(items.make(i));
  const auto* const address = &items[all[17]];
  CHECK(items.memory() >= 5000 * sizeof(item));
  for (int i = 0; i < 5000; ++i) all.push_back(items.make(i));
  CHECK(&items[all[17]] == address);
  CHECK(items[all[17]].key == 17);
  for (const auto h : all) items.erase(h);
  CHECK(items.size() == 0);
  CHECK(items.memory() == 0);
  CHECK_FALSE(items.contains(all[17]));
  CHECK(items[items.make(3)].key == 3);
}

}  // namespace
}  // namespace relais::queue
