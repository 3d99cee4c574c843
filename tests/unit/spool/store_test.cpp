// The calls of spool::store, one promise each, on a disk that works.
#include "spool/store.hpp"

#include <catch2/catch.hpp>
#include <set>

#include "unit/spool/spool_world.hpp"

using namespace relais;
using namespace relais::testing;
using spool::health;
using spool::recipient_status;

namespace {

/// Counts operations of each kind from its making on.
struct operation_counter {
  explicit operation_counter(sim_disk& d) : disk(d) {
    disk.on_operation([this](disk_operation what, std::string_view) -> std::optional<errc> {
      ++count[what];
      return {};
    });
  }
  ~operation_counter() { disk.on_operation({}); }
  operation_counter(const operation_counter&) = delete;
  operation_counter& operator=(const operation_counter&) = delete;
  sim_disk& disk;
  std::map<disk_operation, int> count;
};

spool::state_change end_of(queue_id id, recipient_status status = recipient_status::delivered) {
  return change_of(id, 0, status);
}

}  // namespace

TEST_CASE_METHOD(spool_world,
                 "what waits together becomes durable together: one job, one write, one sync, one "
                 "call per sink") {
  REQUIRE_FALSE(append(make_message(1000, "the segment is open")));
  settle_down();
  operation_counter operations(disk);
  recording_sink other;
  sink = {};
  for (std::uint64_t i = 1; i <= 20; ++i)
    store().append(append_of(make_message(i, "x"), i), i % 2 == 0 ? sink : other);
  store().settle(change_of(queue_id{1000}, 0, recipient_status::pending), 30, sink);
  CHECK(committer.waiting() == 1);
  CHECK(sink.outcomes.empty());
  committer.run_one();
  CHECK(operations.count[disk_operation::write] == 1);
  CHECK(operations.count[disk_operation::sync] == 1);
  CHECK(operations.count[disk_operation::sync_directory] == 0);
  CHECK(sink.calls == 1);
  CHECK(other.calls == 1);
  CHECK(sink.answers == 11);
  CHECK(other.answers == 10);
  for (const auto& [token, error] : sink.outcomes) CHECK_FALSE(error);
  for (const auto& [token, error] : other.outcomes) CHECK_FALSE(error);
  CHECK(store().status().batches == 2);
}

TEST_CASE_METHOD(spool_world, "nothing is answered before it is synced") {
  store().append(append_of(make_message(1, "x"), 1), sink);
  bool synced = false;
  disk.on_operation([&](disk_operation what, std::string_view) -> std::optional<errc> {
    CHECK(sink.outcomes.empty());
    synced = synced || what == disk_operation::sync;
    return {};
  });
  committer.run_one();
  CHECK(synced);
  CHECK(sink.outcomes.size() == 1);
  disk.on_operation({});
}

TEST_CASE_METHOD(spool_world, "a lone message is committed at once, without a delay") {
  store().append(append_of(make_message(1, "x"), 1), sink);
  CHECK(committer.waiting() == 1);
  CHECK(committer.delayed() == 0);
  committer.run_one();
  CHECK_FALSE(outcome(1));
}

TEST_CASE_METHOD(spool_world,
                 "a state that nobody waits for comes after the delay, or rides along") {
  REQUIRE_FALSE(append(make_message(1, "x")));
  settle_down();
  const bool rides_along = GENERATE(false, true);
  const auto before = store().status().batches;
  store().settle(change_of(queue_id{1}, 0, recipient_status::pending, 3));
  store().settle(change_of(queue_id{1}, 0, recipient_status::pending, 4));
  CHECK(committer.waiting() == 0);
  CHECK(committer.delayed() == 1);
  if (rides_along) REQUIRE_FALSE(append(make_message(2, "y")));
  if (!rides_along) CHECK(store().status().batches == before);
  committer.run_delayed();
  CHECK(store().status().batches == before + 1);
  crash(1);
  CHECK(opened.found.at(queue_id{1}).recipients[0].attempts == 4);
}

TEST_CASE_METHOD(spool_world,
                 "flush makes everything durable that was asked before, then answers") {
  bool flushed = false;
  for (std::uint64_t i = 1; i <= 300; ++i)
    store().append(append_of(make_message(i, random_octets(i, 300)), i), sink);
  store().flush([&](error_code error) {
    CHECK_FALSE(error);
    CHECK(sink.outcomes.size() == 300);
    flushed = true;
  });
  committer.run_all();
  CHECK(flushed);
  store().settle(change_of(queue_id{7}, 0, recipient_status::pending, 9));
  CHECK_FALSE(flush());
  crash(7);
  CHECK(opened.found.size() == 300);
  CHECK(opened.report.messages == 300);
  CHECK(opened.found.at(queue_id{7}).recipients[0].attempts == 9);
}

TEST_CASE_METHOD(spool_world, "a flush of nothing is answered") {
  CHECK_FALSE(flush());
}

TEST_CASE_METHOD(spool_world,
                 "a message is read back as it was, whole and in pieces, also after a restart") {
  const auto m = make_message(10, std::string("line\r\n\0\xff@SP1 MSG ", 18), 2);
  CHECK(store().read(m->id).error() == errc::not_found);
  CHECK(store().open_content(m->id).error() == errc::not_found);
  CHECK_FALSE(store().look_up(m->id));
  REQUIRE_FALSE(append(m));
  for (int i = 0; i < 2; ++i) {
    const auto read = store().read(m->id);
    REQUIRE(read.has_value());
    CHECK((*read)->id == m->id);
    CHECK((*read)->content == m->content);
    CHECK((*read)->arrival == m->arrival);
    CHECK((*read)->envelope.reverse_path == m->envelope.reverse_path);
    CHECK((*read)->envelope.forward_paths == m->envelope.forward_paths);
    CHECK((*read)->envelope.smtputf8);
    auto reader = store().open_content(m->id).value();
    CHECK(reader->size() == 18);
    CHECK(reader->next(5).value() == m->content.substr(0, 5));
    CHECK(reader->next(100).value() == m->content.substr(5));
    CHECK(reader->next(100).value().empty());
    const auto seen = store().look_up(m->id);
    REQUIRE(seen);
    CHECK(seen->content_size == 18);
    CHECK(seen->recipients.size() == 2);
    reopen();
  }
}

TEST_CASE_METHOD(spool_world, "an empty content is a content") {
  REQUIRE_FALSE(append(make_message(2, "")));
  CHECK((*store().read(queue_id{2}))->content.empty());
  CHECK(store().open_content(queue_id{2}).value()->next(10).value().empty());
}

TEST_CASE_METHOD(spool_world,
                 "deferrals survive a crash, the newest counts; what is finished leaves") {
  REQUIRE_FALSE(append(make_message(5, "x", 2)));
  store().settle(change_of(queue_id{5}, 0, recipient_status::pending, 1, "451 first"));
  store().settle(change_of(queue_id{5}, 1, recipient_status::delivered, 1, "250 ok"));
  REQUIRE_FALSE(flush());
  store().settle(change_of(queue_id{5}, 0, recipient_status::pending, 2, "451 second"));
  REQUIRE_FALSE(flush());
  CHECK(store().look_up(queue_id{5})->recipients[0].diagnostic == "451 second");
  crash(5);
  const auto& found = opened.found.at(queue_id{5});
  CHECK(found.recipients[0].attempts == 2);
  CHECK(found.recipients[0].diagnostic == "451 second");
  CHECK(found.recipients[0].next_attempt == wall_time(std::chrono::seconds(1'800'001'002)));
  CHECK(found.recipients[1].status == recipient_status::delivered);
  REQUIRE_FALSE(settle(change_of(queue_id{5}, 0, recipient_status::bounced), 7));
  CHECK_FALSE(store().look_up(queue_id{5}));
  CHECK(store().read(queue_id{5}).error() == errc::not_found);
  CHECK(store().status().messages == 0);
  CHECK(store().status().live_octets == 0);
  crash(6);
  CHECK(opened.found.empty());
}

TEST_CASE_METHOD(spool_world,
                 "of two states of one recipient the later call wins, whatever it came with") {
  REQUIRE_FALSE(append(make_message(5, "x")));
  auto report = append_of(make_message(6, "report"), 2);
  report.together_with.push_back(change_of(queue_id{5}, 0, recipient_status::pending, 1));
  auto late = append_of(make_message(7, "report"), 4);
  late.together_with.push_back(change_of(queue_id{5}, 0, recipient_status::pending, 4));
  const int order = GENERATE(0, 1, 2);
  if (order == 0) {
    store().append(std::move(report), sink);
    store().settle(change_of(queue_id{5}, 0, recipient_status::pending, 9));
  } else if (order == 1) {
    store().settle(change_of(queue_id{5}, 0, recipient_status::pending, 2), 3, sink);
    store().settle(change_of(queue_id{5}, 0, recipient_status::pending, 9));
    store().append(append_of(make_message(8, "x"), 8), sink);
  } else {
    store().append(std::move(report), sink);
    store().settle(change_of(queue_id{5}, 0, recipient_status::pending, 3));
    late.together_with[0].entries[0].state.attempts = 9;
    store().append(std::move(late), sink);
  }
  REQUIRE_FALSE(flush());
  CHECK(store().look_up(queue_id{5})->recipients[0].attempts == 9);
  crash(2);
  CHECK(opened.found.at(queue_id{5}).recipients[0].attempts == 9);
}

TEST_CASE_METHOD(spool_world, "a report and the end of its original come together") {
  REQUIRE_FALSE(append(make_message(5, "x", 2)));
  auto report = append_of(make_message(6, "report"), 2);
  report.together_with.push_back(change_of(queue_id{5}, 0, recipient_status::bounced));
  report.together_with.push_back(change_of(queue_id{5}, 1, recipient_status::bounced));
  store().append(std::move(report), sink);
  committer.run_all();
  REQUIRE_FALSE(outcome(2));
  if (GENERATE(false, true)) {
    REQUIRE_FALSE(flush());
    CHECK_FALSE(store().look_up(queue_id{5}));
  }
  crash(2);
  CHECK_FALSE(opened.found.contains(queue_id{5}));
  CHECK(opened.found.contains(queue_id{6}));
}

TEST_CASE_METHOD(spool_world,
                 "a report of a message that has left meanwhile is stored all the same") {
  auto report = append_of(make_message(6, "report"), 2);
  report.together_with.push_back(change_of(queue_id{5}, 0, recipient_status::bounced));
  store().append(std::move(report), sink);
  committer.run_all();
  CHECK_FALSE(outcome(2));
  CHECK(store().look_up(queue_id{6}));
}

TEST_CASE_METHOD(spool_world, "hold and release survive, apart from states") {
  REQUIRE_FALSE(append(make_message(5, "x")));
  spool::state_change hold;
  hold.id = queue_id{5};
  hold.hold = true;
  REQUIRE_FALSE(settle(hold, 1));
  REQUIRE_FALSE(settle(change_of(queue_id{5}, 0, recipient_status::pending, 1), 2));
  CHECK(store().look_up(queue_id{5})->is_held);
  crash(1);
  CHECK(opened.found.at(queue_id{5}).is_held);
  CHECK(opened.found.at(queue_id{5}).recipients[0].attempts == 1);
  hold.hold = false;
  store().settle(hold);
  REQUIRE_FALSE(flush());
  crash(1);
  CHECK_FALSE(opened.found.at(queue_id{5}).is_held);
}

TEST_CASE_METHOD(spool_world, "another next hop survives until it is taken back") {
  REQUIRE_FALSE(append(make_message(5, "x", 20)));  // enough recipients for deltas
  spool::state_change elsewhere;
  elsewhere.id = queue_id{5};
  elsewhere.next_hop = "[other.test]:587";
  REQUIRE_FALSE(settle(elsewhere, 1));
  REQUIRE_FALSE(settle(change_of(queue_id{5}, 3, recipient_status::pending, 1), 2));
  CHECK(store().look_up(queue_id{5})->next_hop == "[other.test]:587");
  crash(1);
  CHECK(opened.found.at(queue_id{5}).next_hop == "[other.test]:587");
  reopen();
  CHECK(opened.found.at(queue_id{5}).next_hop == "[other.test]:587");
  elsewhere.next_hop = "";
  REQUIRE_FALSE(settle(elsewhere, 3));
  crash(1);
  CHECK(opened.found.at(queue_id{5}).next_hop.empty());
}

TEST_CASE_METHOD(spool_world, "operators see every message that is in the spool, once") {
  for (std::uint64_t id = 1; id <= 600; ++id) REQUIRE_FALSE(append(make_message(id, "x")));
  REQUIRE_FALSE(settle(end_of(queue_id{7}), 1000));
  std::set<queue_id> seen;
  for (std::size_t part = 0; part < spool::store::parts; ++part)
    for (const auto& m : store().messages(part)) CHECK(seen.insert(m.id).second);
  CHECK(seen.size() == 599);
  CHECK_FALSE(seen.contains(queue_id{7}));
}

TEST_CASE_METHOD(spool_world, "who has left is told once, when that is durable") {
  std::vector<queue_id> left;
  options.left = [&](std::vector<queue_id> ids) {
    left.insert(left.end(), ids.begin(), ids.end());
  };
  reopen();
  REQUIRE_FALSE(append(make_message(5, "x", 2)));
  REQUIRE_FALSE(append(make_message(6, "x")));
  store().settle(change_of(queue_id{5}, 0, recipient_status::delivered));
  store().settle(end_of(queue_id{6}));
  CHECK(left.empty());
  REQUIRE_FALSE(flush());
  CHECK(left == std::vector<queue_id>{queue_id{6}});
  REQUIRE_FALSE(settle(change_of(queue_id{5}, 1, recipient_status::bounced), 3));
  CHECK(settle(end_of(queue_id{6}), 4) == errc::not_found);
  CHECK(left == std::vector<queue_id>{queue_id{6}, queue_id{5}});
}

TEST_CASE_METHOD(spool_world, "requests that make no sense are refused, not stored") {
  CHECK(append(make_message(5, "x", 0)) == errc::syntax);
  REQUIRE_FALSE(append(make_message(6, "x")));
  CHECK(append(make_message(6, "y")) == errc::exists);
  store().append(append_of(make_message(7, "first"), 70), sink);
  store().append(append_of(make_message(7, "second"), 71), sink);
  committer.run_all();
  CHECK_FALSE(outcome(70));
  CHECK(outcome(71) == errc::exists);
  CHECK(append(make_message(8, std::string(40 << 10, 'x'))).failed());
  CHECK(settle(end_of(queue_id{99}), 3) == errc::not_found);
  CHECK(settle(change_of(queue_id{6}, 9, recipient_status::delivered), 4) == errc::not_found);
  store().settle(end_of(queue_id{99}));
  REQUIRE_FALSE(settle(end_of(queue_id{6}), 5));
  CHECK(settle(end_of(queue_id{6}), 6) == errc::not_found);
  reopen();
  REQUIRE(opened.found.size() == 1);
  CHECK((*store().read(queue_id{7}))->content == "first");
}

TEST_CASE_METHOD(spool_world,
                 "before enumerate, messages of this start are taken and have states") {
  REQUIRE_FALSE(append(make_message(5, "old")));
  REQUIRE_FALSE(flush());
  end();
  opened = open_only(world(), options);
  REQUIRE(opened.store);
  CHECK(opened.highest_id >= queue_id{5});
  REQUIRE_FALSE(append(make_message(6, "new", 2)));
  CHECK_FALSE(settle(change_of(queue_id{6}, 0, recipient_status::pending, 3), 1));
  CHECK(store().look_up(queue_id{6})->recipients[0].attempts == 3);
  CHECK((*store().read(queue_id{6}))->content == "new");
  opened.enumerate();
  CHECK(opened.found.size() == 1);
  CHECK(opened.found.contains(queue_id{5}));
  CHECK_FALSE(settle(end_of(queue_id{5}), 2));
  crash(4);
  REQUIRE(opened.found.size() == 1);
  CHECK(opened.found.at(queue_id{6}).recipients[0].attempts == 3);
}

TEST_CASE_METHOD(spool_world, "a message of this start that leaves before enumerate stays away") {
  REQUIRE_FALSE(append(make_message(5, "old")));
  end();
  opened = open_only(world(), options);
  REQUIRE_FALSE(append(make_message(6, "new")));
  REQUIRE_FALSE(settle(end_of(queue_id{6}), 1));
  opened.enumerate();
  CHECK(opened.found.size() == 1);
  crash(4);
  CHECK(opened.found.size() == 1);
}

TEST_CASE_METHOD(spool_world, "no id is given twice, even when its message left long ago") {
  REQUIRE_FALSE(append(make_message(0x123456, "x")));
  REQUIRE_FALSE(settle(end_of(queue_id{0x123456}), 1));
  for (std::uint64_t i = 1; i <= 100; ++i) {
    REQUIRE_FALSE(append(make_message(i, random_octets(i, 2000))));
    REQUIRE_FALSE(settle(end_of(queue_id{i}), 1000 + i));
    settle_down();
  }
  if (GENERATE(false, true)) store().close();
  crash(1, GENERATE(false, true));
  CHECK(opened.highest_id == queue_id{0x123456});
}

TEST_CASE_METHOD(spool_world, "a job that runs after the store is gone does nothing") {
  REQUIRE_FALSE(append(make_message(4, "x")));
  store().settle(change_of(queue_id{4}, 0, recipient_status::pending));
  store().append(append_of(make_message(5, "x"), 1), sink);
  opened.store.reset();
  const auto operations = disk.operations();
  committer.run_delayed();
  maintenance.run_delayed();
  CHECK_FALSE(sink.outcomes.contains(1));
  CHECK(disk.operations() == operations);
}

TEST_CASE_METHOD(spool_world, "a clean end leaves a checkpoint, and the next start uses it") {
  for (std::uint64_t i = 1; i <= 30; ++i)
    REQUIRE_FALSE(append(make_message(i, random_octets(i, 3000))));
  for (std::uint64_t i = 1; i <= 25; ++i) store().settle(end_of(queue_id{i}));
  REQUIRE_FALSE(flush());
  store().close();
  CHECK(store().status().checkpoints > 0);
  reopen();
  CHECK(opened.report.from_checkpoint);
  CHECK(opened.found.size() == 5);
  end();
  remove_checkpoints(disk);
  opened = open_spool(world(), options);
  CHECK_FALSE(opened.report.from_checkpoint);
  CHECK(opened.found.size() == 5);
  CHECK(warnings.empty());
}
