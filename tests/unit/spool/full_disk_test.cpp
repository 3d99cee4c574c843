// A disk that fills up: new messages are refused while there is still room for what frees it.
#include <catch2/catch.hpp>

#include "unit/spool/spool_history.hpp"

using namespace relais;
using namespace relais::testing;
using spool::health;
using spool::recipient_status;

namespace {

spool::store_options with_floors() {
  auto options = tiny_spool();
  options.minimum_free_bytes = 200'000;
  options.critical_free_bytes = 50'000;
  options.minimum_free_inodes = 20;
  options.critical_free_inodes = 5;
  return options;
}

struct full_world : spool_world {
  full_world() : spool_world(with_floors(), {1'000'000, 1000}) {}
  void look_again() {
    time.elapsed += std::chrono::seconds(5);
    (void)flush();
    settle_down();
  }
  std::uint64_t fill() {
    std::uint64_t id = 0;
    while (id < 1000 && !append(make_message(id + 1, random_octets(id + 1, 3000)))) {
      ++id;
      settle_down();
    }
    return id;
  }
};

}  // namespace

TEST_CASE_METHOD(full_world,
                 "a disk that fills up refuses messages, takes states, and recovers by itself") {
  CHECK(store().has_room(1000) == health::good);
  CHECK(store().has_room(UINT64_MAX) == health::full);
  const auto stored = fill();
  CHECK(stored > 50);
  CHECK(stored < 400);
  CHECK(outcome(stored + 1) == errc::no_space);
  CHECK(store().has_room(3000) == health::full);
  CHECK(store().status().state != health::failed);
  // Nothing of that is a failure: states and removals are recorded, and free the disk.
  for (std::uint64_t id = 1; id <= stored; ++id) {
    CAPTURE(id);
    REQUIRE_FALSE(
        settle(change_of(queue_id{id}, 0,
                         id % 10 == 0 ? recipient_status::pending : recipient_status::delivered),
               10'000 + id));
    if (id % 10 == 0) {
      settle_down();
      maintenance.run_delayed();
    }
  }
  for (int i = 0; i < 5; ++i) {
    maintenance.run_delayed();
    look_again();
  }
  CHECK(store().has_room(3000) == health::good);
  REQUIRE_FALSE(append(make_message(5000, "room again")));
  crash(3);
  CHECK(opened.found.size() == stored / 10 + 1);
  CHECK(opened.report.damaged.empty());
}

TEST_CASE_METHOD(full_world,
                 "below the hard floor not even sessions are welcome, of octets and of inodes") {
  REQUIRE_FALSE(append(make_message(1, "x")));
  settle_down();
  const auto files = disk.files().size();
  std::uint64_t used = 0;
  for (const auto& name : disk.files()) used += disk.content(name)->size();
  const bool inodes = GENERATE(false, true);
  const auto shrink = [&](std::uint64_t bytes, std::uint64_t left) {
    disk.set_capacity(inodes ? disk_limits{1'000'000'000, files + left}
                             : disk_limits{used + bytes, 1'000'000});
    look_again();
  };
  shrink(10'000'000, 500);
  CHECK(store().has_room(1) == health::good);
  shrink(100'000, 15);
  CHECK(store().has_room(100'000) == health::full);
  shrink(1'000, 3);
  CHECK(store().has_room(100'000) == health::critical);
  CHECK(store().status().state != health::failed);
  CHECK_FALSE(settle(change_of(queue_id{1}, 0, recipient_status::pending, 2), 2));
  shrink(10'000'000, 500);
  CHECK(store().has_room(1) == health::good);
  CHECK_FALSE(append(make_message(3, "x")));
}

TEST_CASE_METHOD(full_world, "what is queued counts as used") {
  std::uint64_t id = 0;
  while (store().has_room(3000) == health::good && id < 1000) {
    ++id;
    store().append(append_of(make_message(id, random_octets(id, 3000)), id), sink);
  }
  CHECK(id > 50);
  CHECK(id < 400);
}

TEST_CASE_METHOD(full_world, "a content of its own is refused when the disk is full") {
  fill();
  auto writer = store().create_large(queue_id{5000});
  const auto octets = random_octets(1, 900'000);
  CHECK((writer.has_error() || (*writer)->write(octets).failed()));
}

TEST_CASE("a disk that is nearly full at the start opens, finds all, and delivers itself free") {
  spool_world w(tiny_spool(), {1'000'000, 1000});
  for (std::uint64_t id = 1; id <= 60; ++id) {
    REQUIRE_FALSE(w.append(make_message(id, random_octets(id, 3000))));
    w.settle_down();
  }
  REQUIRE_FALSE(w.flush());
  w.end();
  std::uint64_t used = 0;
  for (const auto& name : w.disk.files()) used += w.disk.content(name)->size();
  w.disk.crash(1);
  w.disk.set_capacity({used, w.disk.files().size()});
  w.opened = open_spool(w.world(), w.options);
  REQUIRE(w.opened.store);
  CHECK(w.opened.found.size() == 60);
  w.settle_down();
  for (std::uint64_t id = 1; id <= 50; ++id) {
    CAPTURE(id);
    CHECK_FALSE(w.settle(change_of(queue_id{id}, 0, recipient_status::delivered), 1000 + id));
    w.settle_down();
    w.maintenance.run_delayed();
  }
  w.crash(2);
  CHECK(w.opened.found.size() == 10);
}

TEST_CASE("a history on a small disk breaks no promise") {
  history_kind kind;
  kind.options.minimum_free_bytes = 64 << 10;
  std::size_t acknowledged = 0;
  for (std::uint64_t seed = 1; seed <= 150; ++seed) {
    CAPTURE(seed);
    sim_disk disk({160'000 + 4096 * (seed % 50), 30});
    spool_history history(disk, seed, kind);
    history.play(150);
    (void)history.finish();
    acknowledged += history.model().acknowledged();
    auto broken = history.broken();
    if (!broken.empty()) FAIL(broken.front());
    disk.crash(seed);
    manual_runner committer, maintenance;
    manual_clock time;
    const auto after = open_spool({disk, committer, maintenance, time}, kind.options);
    broken = history.model().check(after);
    if (!broken.empty()) FAIL(broken.front());
  }
  CHECK(acknowledged > 1000);
}
