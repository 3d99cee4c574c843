// Segments are written again and again: their number stays small, whatever stays behind in them.
#include <catch2/catch.hpp>

#include "unit/spool/spool_world.hpp"

using namespace relais;
using namespace relais::testing;
using spool::recipient_status;

namespace {

struct recycling_world : spool_world {
  std::size_t segment_files() const {
    std::size_t count = 0;
    for (const auto& name : disk.files()) count += name.starts_with("segments/") ? 1 : 0;
    return count;
  }
  void deliver(std::uint64_t id) {
    store().settle(change_of(queue_id{id}, 0, recipient_status::delivered));
  }
  /// Messages come and go, but each `stuck`-th, which stays.
  void live(std::uint64_t from, std::uint64_t to, std::uint64_t stuck, std::size_t size = 1500) {
    for (auto id = from; id <= to; ++id) {
      time.elapsed += std::chrono::milliseconds(5);
      REQUIRE_FALSE(append(make_message(id, random_octets(id, size))));
      if (id >= 3 && (stuck == 0 || (id - 2) % stuck != 0)) deliver(id - 2);
      settle_down();
      if (id % 10 == 0) maintenance.run_delayed();
      most = std::max(most, segment_files());
    }
  }
  std::size_t most = 0;
};

}  // namespace

TEST_CASE_METHOD(recycling_world,
                 "thousands of messages that come and go need a handful of segments") {
  live(1, 3000, 0);
  CHECK(store().status().octets_written > 3000u * 1500);
  CHECK(most <= 8);
  CHECK(store().status().octets_compacted < 3000u * 150);
  CHECK(warnings.empty());
  crash(1);
  CHECK(opened.found.size() <= 4);
  CHECK(opened.report.damaged.empty());
}

TEST_CASE_METHOD(recycling_world, "messages that are stuck do not pin the segments of all others") {
  live(1, 2000, 40);  // 50 stay: 75 KB of some 8 MB
  CHECK(store().status().messages >= 50);
  CHECK(store().status().octets_compacted > 0);
  CHECK(most <= 16);
  CHECK(store().status().segments_used + store().status().segments_free == segment_files());
  for (int i = 0; i < 2; ++i) {
    for (std::uint64_t id = 40; id < 2000; id += 40) {
      CAPTURE(id);
      const auto read = store().read(queue_id{id});
      if (!read) {
        WARN(read.error().message() << " lookup " << store().look_up(queue_id{id}).has_value());
      }
      REQUIRE(read.has_value());
      CHECK((*read)->content == random_octets(id, 1500));
    }
    crash(static_cast<std::uint64_t>(i));
    CHECK(opened.report.damaged.empty());
  }
}

TEST_CASE_METHOD(recycling_world, "what a message became is known although its copy was moved") {
  REQUIRE_FALSE(append(make_message(1'000'000, random_octets(7, 1500), 3)));
  REQUIRE_FALSE(settle(change_of(queue_id{1'000'000}, 1, recipient_status::delivered, 4), 1));
  spool::state_change hold;
  hold.id = queue_id{1'000'000};
  hold.hold = true;
  REQUIRE_FALSE(settle(hold, 2));
  live(1, 1500, 60);
  crash(4, GENERATE(false, true));
  const auto& found = opened.found.at(queue_id{1'000'000});
  CHECK(found.is_held);
  CHECK(found.recipients[0].attempts == 0);
  CHECK(found.recipients[1].status == recipient_status::delivered);
  CHECK(found.recipients[1].attempts == 4);
  CHECK((*store().read(queue_id{1'000'000}))->content == random_octets(7, 1500));
}

TEST_CASE_METHOD(recycling_world, "what has left stays away after its DONE record was carried on") {
  live(1, 600, 12);
  const auto before = store().status().octets_compacted;
  std::vector<std::uint64_t> gone;
  for (std::uint64_t id = 24; id < 500; id += 24) {
    deliver(id);
    gone.push_back(id);
  }
  live(601, 1500, 30);
  CHECK(store().status().octets_compacted > before);
  for (int i = 0; i < 3; ++i) {
    for (const auto id : gone) CHECK_FALSE(store().look_up(queue_id{id}));
    crash(static_cast<std::uint64_t>(i), i != 1);
    CHECK(opened.report.damaged.empty());
  }
}

TEST_CASE_METHOD(recycling_world,
                 "a reader goes on, or says so, when compaction takes its segment away") {
  const auto content = random_octets(9, 6000);
  REQUIRE_FALSE(append(make_message(1'000'000, content)));
  auto reader = store().open_content(queue_id{1'000'000}).value();
  CHECK(reader->next(1000).value() == content.substr(0, 1000));
  live(1, 1000, 50);
  CHECK(store().status().octets_compacted > 0);
  std::string rest;
  error_code error;
  for (;;) {
    const auto piece = reader->next(1000);
    if (!piece) error = piece.error();
    if (!piece || piece->empty()) break;
    rest += *piece;
  }
  CHECK((error.failed() || rest == content.substr(1000)));
  CHECK((*store().read(queue_id{1'000'000}))->content == content);
}

TEST_CASE("compaction stays within its rate") {
  auto options = tiny_spool();
  options.compaction_rate = 4000;
  spool_world w(options);
  std::uint64_t id = 0;
  for (; id < 400; ++id) {
    REQUIRE_FALSE(w.append(make_message(id + 1, random_octets(id, 1500))));
    if (id % 20 != 0) w.store().settle(change_of(queue_id{id + 1}, 0, recipient_status::delivered));
    w.settle_down();
  }
  REQUIRE_FALSE(w.flush());
  for (int second = 0; second < 10; ++second) {
    const auto before = w.store().status().octets_compacted;
    for (int i = 0; i < 10; ++i) {
      w.time.elapsed += std::chrono::milliseconds(100);
      w.maintenance.run_delayed();
      w.settle_down();
    }
    // One message more than the rate, as a message is not split.
    CHECK(w.store().status().octets_compacted - before <= 4000 + 2 * 2048);
  }
  CHECK(w.store().status().octets_compacted > 0);
}

TEST_CASE("what is written besides the log is little") {
  auto options = tiny_spool();
  options.segment_size = 1 << 20;
  options.checkpoint_after = 2 << 20;
  options.compaction_slack = 8 << 20;
  spool_world w(options);
  w.settle_down();
  const auto before = w.store().status().octets_written;
  for (std::uint64_t id = 1; id <= 2000; ++id) {
    // With its header, a DONE record and the commit it fills one block.
    REQUIRE_FALSE(w.append(make_message(id, random_octets(id, 3300))));
    w.store().settle(change_of(queue_id{id}, 0, recipient_status::delivered));
    w.settle_down();
  }
  CHECK(w.store().status().checkpoints > 1);
  CHECK(w.store().status().octets_written - before < 2000u * 4096 * 12 / 10);
}

TEST_CASE("a message that leaves while a checkpoint is written stays away") {
  auto options = tiny_spool();
  options.compaction_slack = 1 << 30;
  spool_world w(options);
  REQUIRE_FALSE(w.append(make_message(1, random_octets(1, 1000))));
  REQUIRE_FALSE(w.append(make_message(2, "it stays, and its segment with it")));
  w.settle_down();
  // While the first part of the checkpoint is written, the log goes on into a new segment, and
  // there it says that 1 has left.
  bool has_left = false;
  w.disk.observe([&](disk_operation what, std::string_view name) {
    if (what != disk_operation::write || !name.starts_with("checkpoint") || has_left) return;
    has_left = true;
    for (std::uint64_t id = 10; id < 20; ++id)
      CHECK_FALSE(w.append(make_message(id, random_octets(id, 3000))));
    CHECK_FALSE(w.settle(change_of(queue_id{1}, 0, recipient_status::delivered), 100));
  });
  w.store().close();
  w.disk.observe({});
  REQUIRE(has_left);
  w.crash(1);
  CHECK(w.opened.report.from_checkpoint);
  CHECK_FALSE(w.opened.found.contains(queue_id{1}));
  // Everything leaves that is in the segments with that DONE record; they are written again.
  for (std::uint64_t id = 10; id < 60; ++id) {
    if (id >= 20) REQUIRE_FALSE(w.append(make_message(id, random_octets(id, 3000))));
    REQUIRE_FALSE(w.settle(change_of(queue_id{id}, 0, recipient_status::delivered), 200 + id));
    w.settle_down();
  }
  w.crash(2, false);
  CHECK_FALSE(w.opened.report.from_checkpoint);
  CHECK(w.opened.found.size() == 1);
  CHECK(w.opened.found.contains(queue_id{2}));
}

TEST_CASE("states that fill more than a segment are not carried round for ever") {
  auto options = tiny_spool();
  options.segment_size = 16 << 10;
  spool_world w(options);
  for (std::uint64_t id = 1; id <= 300; ++id) {
    REQUIRE_FALSE(w.append(make_message(id, "x")));
    w.settle_down();
  }
  for (std::uint32_t attempt = 1; attempt <= 3; ++attempt) {
    for (std::uint64_t id = 1; id <= 300; ++id)
      w.store().settle(change_of(queue_id{id}, 0, recipient_status::pending, attempt));
    REQUIRE_FALSE(w.flush());
  }
  int steps = 0;
  while (w.maintenance.run_one() && steps < 5000) ++steps;
  CHECK(steps < 5000);
  const auto before = w.store().status().octets_written;
  REQUIRE_FALSE(w.append(make_message(1000, "x")));
  for (steps = 0; w.maintenance.run_one() && steps < 5000;) ++steps;
  CHECK(steps < 5000);
  CHECK(w.store().status().octets_written - before < 20 * options.segment_size);
  w.crash(1);
  CHECK(w.opened.found.size() == 301);
  CHECK(w.opened.found.at(queue_id{7}).recipients[0].attempts == 3);
}
