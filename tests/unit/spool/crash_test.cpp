// Short random histories of a spool, cut at every single change of the disk, with every un-synced
// sector, size and name kept or lost by seed; then recovery, and the promises are checked
// (crash_check.hpp). RELAIS_CRASH_HISTORIES=N plays N times as many.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdlib>

#include "unit/spool/crash_check.hpp"
#include "unit/spool/spool_history.hpp"

using namespace relais;
using namespace relais::testing;

namespace {

// Under a sanitizer everything takes many times as long.
#if defined(__SANITIZE_ADDRESS__)
constexpr std::uint64_t share = 6;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
constexpr std::uint64_t share = 6;
#else
constexpr std::uint64_t share = 1;
#endif
#else
constexpr std::uint64_t share = 1;
#endif

std::uint64_t patience() {
  const auto* times = std::getenv("RELAIS_CRASH_HISTORIES");
  return times == nullptr ? 1 : std::max(1ul, std::strtoul(times, nullptr, 10));
}

struct totals {
  std::uint64_t crashes = 0;
  std::uint64_t from_checkpoint = 0;
  std::uint64_t scans = 0;
  std::uint64_t messages = 0;
  std::uint64_t acknowledged = 0;
  spool::store_status most;  ///< of each figure, the highest of any history
};

void add(totals& sum, const crash_check& check, const spool_history& history) {
  sum.crashes += check.crashes();
  sum.from_checkpoint += check.from_checkpoint();
  sum.scans += check.scans();
  sum.messages += check.messages_found();
  sum.acknowledged += history.model().acknowledged();
}

/// Plays one history and crashes before each change of the disk, or one in `density` of them. The
/// first broken promise, or "".
std::string play(std::uint64_t seed, int steps, const history_kind& kind, totals& sum,
                 std::uint64_t density = 1) {
  sim_disk disk;
  std::vector<std::string> broken;
  spool_history* playing = nullptr;
  std::unique_ptr<crash_check> check;
  std::uint64_t point = 0;
  seeded_random sample(seed);
  const auto crash_here = [&](disk_operation what) {
    if (what == disk_operation::read || playing == nullptr || disk.is_off()) return;
    ++point;
    if (!broken.empty() || sample.below(density) != 0) return;
    if (check->crash_now(seed * 100'000 + point)) return;
    broken = check->broken();
    broken.front() += " (change " + std::to_string(point) + ")";
  };
  spool_history history(disk, seed, kind, crash_here);
  check = std::make_unique<crash_check>(disk, history.model(), kind.options);
  playing = &history;
  history.play(steps);
  if (const auto* store = history.store()) {
    const auto status = store->status();
    sum.most.checkpoints = std::max(sum.most.checkpoints, status.checkpoints);
    sum.most.octets_compacted = std::max(sum.most.octets_compacted, status.octets_compacted);
    sum.most.octets_written = std::max(sum.most.octets_written, status.octets_written);
  }
  (void)history.finish();
  if (broken.empty() && !check->crash_now(seed)) broken = check->broken();
  add(sum, *check, history);
  if (broken.empty()) broken = history.broken();
  return broken.empty() ? "" : broken.front();
}

}  // namespace

TEST_CASE("a crash at any change of the disk breaks no promise: many short histories") {
  totals sum;
  for (std::uint64_t seed = 1; seed <= 1500 * patience() / share; ++seed) {
    const auto broken = play(seed, 10 + static_cast<int>(seed % 30), {}, sum);
    CAPTURE(seed);
    if (!broken.empty()) FAIL(broken);
  }
  CHECK(sum.crashes > 20'000 / share);
  CHECK(sum.messages > 20'000 / share);
}

TEST_CASE("a crash at any change of the disk breaks no promise: long histories") {
  totals sum;
  for (std::uint64_t seed = 1; seed <= 150 * patience() / share; ++seed) {
    const auto broken = play(1'000'000 + seed, 200, {}, sum, 3);
    CAPTURE(seed);
    if (!broken.empty()) FAIL(broken);
  }
  // It all happened: or the crashes proved little.
  CHECK(sum.crashes > 6'000 / share);
  CHECK(sum.from_checkpoint > 1'000 / share);
  CHECK(sum.scans > 1'000 / share);
  CHECK(sum.acknowledged > 10'000 / share);
  CHECK(sum.most.checkpoints > 1);
  CHECK(sum.most.octets_compacted > 0);
}

TEST_CASE("a crash at any change of the disk breaks no promise: many tiny messages, few restarts") {
  totals sum;
  history_kind kind;
  kind.has_restarts = false;
  kind.largest_content = 600;
  kind.options.checkpoint_after = 32 << 10;
  for (std::uint64_t seed = 1; seed <= 200 * patience() / share; ++seed) {
    const auto broken = play(2'000'000 + seed, 120, kind, sum, 2);
    CAPTURE(seed);
    if (!broken.empty()) FAIL(broken);
  }
  CHECK(sum.most.octets_compacted > 0);
}

// A test that cannot fail proves nothing: each of these ways to be wrong must be found.
TEST_CASE("the crash model finds planted bugs") {
  const auto [fault, kind_of_harm] = GENERATE(table<spool::known_fault, std::vector<std::string>>({
      {spool::known_fault::acknowledge_before_sync, {"lost"}},
      // A file without a name takes messages with it, or their ends.
      {spool::known_fault::no_directory_sync,
       {"lost", "unreadable", "damage:", "resurrected", "back:", "differs:"}},
      {spool::known_fault::recycled_tail_stays_valid,
       {"lost", "resurrected", "invented", "back:", "differs:", "damage:", "twice:", "half"}},
  }));
  history_kind kind;
  kind.options.fault = fault;
  totals sum;
  std::string broken;
  std::uint64_t seed = 0;
  while (broken.empty() && seed < 200) broken = play(3'000'000 + ++seed, 100, kind, sum, 3);
  CAPTURE(static_cast<int>(fault), seed, broken);
  REQUIRE_FALSE(broken.empty());
  // It is the fault that was found: without it the same history breaks nothing.
  kind.options.fault = spool::known_fault::none;
  CHECK(play(3'000'000 + seed, 100, kind, sum, 3).empty());
  CHECK(std::ranges::any_of(kind_of_harm, [&](const std::string& word) {
    return broken.find(word) != std::string::npos;
  }));
}
