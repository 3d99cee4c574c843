#include "spool/store.hpp"

#include <catch2/catch.hpp>

#include "unit/spool/spool_world.hpp"

using namespace relais;
using namespace relais::testing;
using spool::health;
using spool::recipient_status;

namespace {

struct spool_fixture {
  sim_disk disk;
  manual_runner jobs;
  recording_sink sink;
  opened_spool opened = open_spool(disk, jobs);

  spool::store& store() { return *opened.store; }
  void reopen(spool::store_options options = {}) {
    opened.store.reset();
    opened = open_spool(disk, jobs, options);
  }
  error_code append(std::shared_ptr<const spool::message> m) {
    store().append(append_of(std::move(m), 1), sink);
    jobs.run_all();
    return sink.outcomes.at(1);
  }
};

}  // namespace

TEST_CASE_METHOD(
    spool_fixture,
    "what waits together becomes durable together: one job, one directory sync, one call") {
  int directory_syncs = 0;
  disk.on_operation([&](disk_operation what, std::string_view) -> std::optional<errc> {
    directory_syncs += what == disk_operation::sync_directory;
    return {};
  });
  for (std::uint64_t i = 1; i <= 50; ++i) store().append(append_of(make_message(i, "x"), i), sink);
  CHECK(jobs.waiting() == 1);
  CHECK(sink.outcomes.empty());
  jobs.run_all();
  CHECK(directory_syncs == 1);
  CHECK(sink.calls == 1);
  CHECK(sink.outcomes.size() == 50);
  for (const auto& [token, error] : sink.outcomes) CHECK_FALSE(error);
}

TEST_CASE_METHOD(spool_fixture, "a batch larger than the limit of open files goes in several") {
  for (std::uint64_t i = 1; i <= 1000; ++i)
    store().append(append_of(make_message(i, "x"), i), sink);
  bool flushed = false;
  store().flush([&](error_code error) {
    CHECK_FALSE(error);
    CHECK(sink.outcomes.size() == 1000);
    flushed = true;
  });
  jobs.run_all();
  CHECK(flushed);
  reopen();
  CHECK(opened.found.size() == 1000);
  CHECK(opened.report.messages == 1000);
}

TEST_CASE_METHOD(spool_fixture, "a message is read back as it was, also after a restart") {
  const auto m = make_message(5, std::string("line\r\n\0\xff", 8), 2);
  CHECK(store().read(m->id).error() == errc::not_found);
  REQUIRE_FALSE(append(m));
  for (int i = 0; i < 2; ++i) {
    const auto read = store().read(m->id);
    REQUIRE(read);
    CHECK((*read)->content == m->content);
    CHECK((*read)->arrival == m->arrival);
    CHECK((*read)->envelope.forward_paths == m->envelope.forward_paths);
    reopen();
  }
  CHECK(opened.found.at(m->id).content_size == 8);
}

TEST_CASE_METHOD(spool_fixture, "a flipped bit in the content is found by read()") {
  REQUIRE_FALSE(append(make_message(5, "content")));
  const auto size = disk.content("messages/0000000000000005")->size();
  REQUIRE(disk.flip_bit("messages/0000000000000005", (size - 1) * 8));
  CHECK(store().read(queue_id{5}).error() == errc::corrupt);
  reopen();
  CHECK(opened.found.size() == 1);
}

TEST_CASE_METHOD(spool_fixture,
                 "any flipped bit before the content sets the message aside, never deletes it") {
  const auto m = make_message(5, "content");
  REQUIRE_FALSE(append(m));
  const auto file = *disk.content("messages/0000000000000005");
  for (std::uint64_t bit = 0; bit < (file.size() - 7) * 8; ++bit) {
    sim_disk other;
    other.put("messages/0000000000000005", file);
    other.put("damaged/0000000000000005", "an older one");
    REQUIRE(other.flip_bit("messages/0000000000000005", bit));
    manual_runner runner;
    const auto after = open_spool(other, runner);
    REQUIRE(after.store);
    CHECK(after.found.empty());
    CHECK(after.report.damaged.size() == 1);
    CHECK(other.content("damaged/0000000000000005") == "an older one");
    CHECK(other.content("damaged/0000000000000005.2").has_value());
  }
}

TEST_CASE_METHOD(
    spool_fixture,
    "deferrals survive a restart, the newest counts, and finished messages leave no file") {
  REQUIRE_FALSE(append(make_message(5, "x", 2)));
  store().settle(change_of(queue_id{5}, 0, recipient_status::pending, 1, "451 first"));
  store().settle(change_of(queue_id{5}, 1, recipient_status::delivered, 1, "250 ok"));
  jobs.run_all();
  store().settle(change_of(queue_id{5}, 0, recipient_status::pending, 2, "451 second"));
  jobs.run_all();
  reopen();
  const auto& found = opened.found.at(queue_id{5});
  CHECK(found.recipients[0].attempts == 2);
  CHECK(found.recipients[0].diagnostic == "451 second");
  CHECK(found.recipients[0].next_attempt == wall_time(std::chrono::seconds(1'800'001'000)));
  CHECK(found.recipients[1].status == recipient_status::delivered);
  store().settle(change_of(queue_id{5}, 0, recipient_status::bounced), 7, sink);
  jobs.run_all();
  CHECK_FALSE(sink.outcomes.at(7));
  CHECK(disk.list("messages")->empty());
  CHECK(disk.list("states")->empty());
  CHECK(disk.list("incoming")->empty());
  reopen();
  CHECK(opened.found.empty());
}

TEST_CASE_METHOD(spool_fixture,
                 "a message retried for days does not grow its state file without end") {
  REQUIRE_FALSE(append(make_message(5, "x")));
  for (std::uint32_t i = 1; i <= 2000; ++i) {
    store().settle(change_of(queue_id{5}, 0, recipient_status::pending, i, std::string(300, 'd')));
    jobs.run_all();
  }
  CHECK(disk.content("states/0000000000000005")->size() < 70'000);
  reopen();
  CHECK(opened.found.at(queue_id{5}).recipients[0].attempts == 2000);
}

TEST_CASE_METHOD(spool_fixture,
                 "of two states of one recipient the later call wins, whatever it came with") {
  REQUIRE_FALSE(append(make_message(5, "x")));
  auto report = append_of(make_message(6, "report"), 2);
  report.together_with.push_back(change_of(queue_id{5}, 0, recipient_status::pending, 1));
  store().append(std::move(report), sink);
  store().settle(change_of(queue_id{5}, 0, recipient_status::pending, 2));
  jobs.run_all();
  reopen();
  CHECK(opened.found.at(queue_id{5}).recipients[0].attempts == 2);
}

TEST_CASE_METHOD(
    spool_fixture,
    "a report and the end of its original come together; if the report fails, nothing changes") {
  REQUIRE_FALSE(append(make_message(5, "x")));
  for (const bool fails : {true, false}) {
    if (fails)
      disk.on_operation([](disk_operation what, std::string_view) -> std::optional<errc> {
        if (what == disk_operation::rename) return errc::io_error;
        return {};
      });
    auto report = append_of(make_message(6, "report"), 2);
    report.together_with.push_back(change_of(queue_id{5}, 0, recipient_status::bounced));
    store().append(std::move(report), sink);
    jobs.run_all();
    disk.on_operation({});
    CHECK(sink.outcomes.at(2).failed() == fails);
    reopen();
    CHECK(opened.found.contains(queue_id{5}) == fails);
    CHECK(opened.found.contains(queue_id{6}) != fails);
  }
}

TEST_CASE_METHOD(spool_fixture, "requests that make no sense are refused, not stored") {
  auto nobody = make_message(5, "x", 0);
  CHECK(append(nobody) == errc::syntax);
  REQUIRE_FALSE(append(make_message(6, "x")));
  CHECK(append(make_message(6, "y")) == errc::exists);
  store().settle(change_of(queue_id{99}, 0, recipient_status::delivered), 3, sink);
  store().settle(change_of(queue_id{6}, 9, recipient_status::delivered), 4, sink);
  jobs.run_all();
  CHECK(sink.outcomes.at(3) == errc::not_found);
  CHECK(sink.outcomes.at(4) == errc::not_found);
  reopen();
  CHECK((*store().read(queue_id{6}))->content == "x");
}

TEST_CASE("a disk below its floor refuses messages, recovers by itself, and still takes states") {
  sim_disk disk({200'000, 1000});
  manual_runner jobs;
  recording_sink sink;
  auto opened = open_spool(disk, jobs, {100'000, 10});
  CHECK(opened.store->has_room(1000) == health::good);
  CHECK(opened.store->has_room(150'000) == health::full);
  CHECK(opened.store->has_room(UINT64_MAX) == health::full);
  opened.store->append(append_of(make_message(1, std::string(60'000, 'x')), 1), sink);
  CHECK(opened.store->has_room(60'000) == health::full);  // what is queued counts
  jobs.run_all();
  CHECK_FALSE(sink.outcomes.at(1));
  opened.store->append(append_of(make_message(2, std::string(60'000, 'x')), 2), sink);
  jobs.run_all();
  CHECK(sink.outcomes.at(2) == errc::no_space);
  opened.store->settle(change_of(queue_id{1}, 0, recipient_status::delivered), 3, sink);
  jobs.run_all();
  CHECK_FALSE(sink.outcomes.at(3));
  CHECK(opened.store->has_room(60'000) == health::full);  // the figure is old, but asking renews it
  CHECK(jobs.waiting() == 1);
  jobs.run_all();
  CHECK(opened.store->has_room(60'000) == health::good);
  disk.set_capacity({200'000, 5});
  opened.store->append(append_of(make_message(4, "x"), 4), sink);
  jobs.run_all();
  CHECK(sink.outcomes.at(4) == errc::no_space);
}

TEST_CASE_METHOD(spool_fixture,
                 "after a failed directory sync nothing is accepted any more, and what was refused "
                 "does not come back") {
  disk.on_operation([](disk_operation what, std::string_view name) -> std::optional<errc> {
    if (what == disk_operation::sync_directory && name == "messages") return errc::io_error;
    return {};
  });
  CHECK(append(make_message(5, "x")) == errc::io_error);
  disk.on_operation({});
  CHECK(store().has_room(1) == health::failed);
  CHECK(append(make_message(6, "x")) == errc::io_error);
  opened.store.reset();
  for (std::uint64_t seed = 1; seed < 50; ++seed) {
    auto copy_jobs = manual_runner();
    disk.crash(seed);
    const auto after = open_spool(disk, copy_jobs);
    CHECK(after.found.empty());
  }
}

TEST_CASE_METHOD(spool_fixture,
                 "a file whose sync failed is not synced again, its message is refused and gone") {
  int syncs = 0;
  disk.on_operation([&](disk_operation what, std::string_view) -> std::optional<errc> {
    if (what != disk_operation::sync) return {};
    ++syncs;
    return errc::io_error;
  });
  CHECK(append(make_message(5, "x")) == errc::io_error);
  CHECK(syncs == 1);
  CHECK(disk.list("incoming")->empty());
  disk.on_operation({});
  CHECK_FALSE(append(make_message(5, "x")));
}

TEST_CASE_METHOD(spool_fixture, "a spool of another version is refused and stays as it is") {
  const auto [name, content] = GENERATE(values<std::pair<std::string, std::string>>(
      {{"messages/0000000000000007", "relais-message 2\nsomething new"},
       {"states/0000000000000005", "relais-states 2\nsomething new"}}));
  REQUIRE_FALSE(append(make_message(5, "x")));
  disk.put(name, content);
  disk.put("incoming/leftover.message", "x");
  reopen();
  CHECK(opened.error == errc::corrupt);
  REQUIRE(opened.report.damaged.size() == 1);
  CHECK(opened.report.damaged[0].find("another version of relais") != std::string::npos);
  CHECK(disk.content(name) == content);
  CHECK(disk.content("incoming/leftover.message") == "x");
  CHECK(disk.content("messages/0000000000000005").has_value());
}

TEST_CASE_METHOD(spool_fixture,
                 "recovery removes what is incomplete or orphaned and sets aside what is foreign") {
  REQUIRE_FALSE(append(make_message(5, "x")));
  disk.put("incoming/0000000000000009.message", "half");
  disk.put("incoming/0000000000000005.states", "half");
  disk.put("states/0000000000000009", "relais-states 1\n");
  disk.put("states/0000000000000005", "nonsense");
  disk.put("messages/readme.txt", "hello");
  disk.put("messages/000000000000000a", "lower case is not ours");
  reopen();
  REQUIRE(opened.store);
  CHECK(opened.found.size() == 1);
  CHECK(opened.report.messages == 1);
  CHECK(opened.report.incomplete == 1);
  CHECK(opened.report.damaged.size() == 3);
  CHECK(disk.list("incoming")->empty());
  CHECK(disk.list("states")->empty());
  CHECK(disk.content("damaged/readme.txt") == "hello");
  CHECK(disk.content("damaged/0000000000000005.states") == "nonsense");
}

TEST_CASE_METHOD(spool_fixture,
                 "a message that cannot be read today is left in place with its states") {
  REQUIRE_FALSE(append(make_message(5, "x", 2)));
  store().settle(change_of(queue_id{5}, 0, recipient_status::delivered));
  jobs.run_all();
  const auto what =
      GENERATE(std::string("messages/0000000000000005"), std::string("states/0000000000000005"));
  disk.on_operation([what](disk_operation op, std::string_view name) -> std::optional<errc> {
    if (op == disk_operation::read && name == what) return errc::io_error;
    return {};
  });
  reopen();
  REQUIRE(opened.store);
  CHECK(opened.found.empty());
  CHECK(opened.report.damaged.size() == 1);
  CHECK(append(make_message(5, "y")) == errc::exists);
  disk.on_operation({});
  reopen();
  CHECK(opened.found.at(queue_id{5}).recipients[0].status == recipient_status::delivered);
}

TEST_CASE_METHOD(spool_fixture, "a job that runs after the store is gone does nothing") {
  store().append(append_of(make_message(5, "x"), 1), sink);
  opened.store.reset();
  jobs.run_all();
  CHECK(sink.outcomes.empty());
}
