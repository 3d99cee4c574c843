// A disk that fails: nothing is acknowledged that is not durable, nothing acknowledged is lost,
// what was refused stays away, and what failed once is not tried again in the hope of success.
#include <catch2/catch.hpp>
#include <set>

#include "unit/spool/spool_history.hpp"

using namespace relais;
using namespace relais::testing;
using spool::health;
using spool::recipient_status;

namespace {

/// Sees to it that a segment whose write or sync failed is left alone until its name is gone.
class bystander {
 public:
  explicit bystander(sim_disk& disk) : disk_(disk) {}
  ~bystander() { disk_.on_operation({}); }
  bystander(const bystander&) = delete;
  bystander& operator=(const bystander&) = delete;

  /// The n-th write or sync of a segment fails.
  void fail(disk_operation what, std::uint64_t nth, errc error, std::uint64_t times = 1) {
    disk_.on_operation([this, what, nth, error, times, seen = std::uint64_t{0}](
                           disk_operation o, std::string_view name) mutable -> std::optional<errc> {
      if (!name.starts_with("segments/")) return {};
      const std::string file(name);
      if (o == disk_operation::remove) failed_.erase(file);
      if (o != disk_operation::write && o != disk_operation::sync) return {};
      if (failed_.contains(file)) touched_again.insert(file);
      if (o != what) return {};
      const auto number = seen++;
      if (number < nth || number - nth >= times) return {};
      failed_.insert(file);
      ++failures;
      return error;
    });
  }
  std::set<std::string> touched_again;
  int failures = 0;

 private:
  sim_disk& disk_;
  std::set<std::string> failed_;
};

std::uint64_t count_of(disk_operation what, std::uint64_t seed, int steps,
                       const history_kind& kind) {
  sim_disk disk;
  std::uint64_t count = 0;
  disk.on_operation([&](disk_operation o, std::string_view name) -> std::optional<errc> {
    count += o == what && name.starts_with("segments/") ? 1 : 0;
    return {};
  });
  spool_history history(disk, seed, kind);
  history.play(steps);
  (void)history.finish();
  disk.on_operation({});
  return count;
}

/// After the history: a crash, a recovery without any failure, and the promises.
std::string first_broken(sim_disk& disk, const spool_history& history, std::uint64_t seed,
                         strictness how, const spool::store_options& options) {
  if (!history.broken().empty()) return history.broken().front();
  disk.on_operation({});
  disk.crash(seed);
  manual_runner committer, maintenance;
  manual_clock time;
  auto after = open_spool({disk, committer, maintenance, time}, options);
  auto broken = history.model().check(after, how);
  if (after.store)
    for (const auto& [id, m] : after.found) history.model().check_content(*after.store, id, broken);
  return broken.empty() ? "" : broken.front();
}

}  // namespace

TEST_CASE_METHOD(spool_world,
                 "a write or sync that fails once: the batch is refused, the next one works") {
  const auto what = GENERATE(disk_operation::write, disk_operation::sync);
  const auto error = GENERATE(errc::io_error, errc::no_space);
  REQUIRE_FALSE(append(make_message(1, "before")));
  store().settle(change_of(queue_id{1}, 0, recipient_status::pending, 5));
  settle_down();
  bystander watch(disk);
  watch.fail(what, 0, error);
  store().append(append_of(make_message(2, "refused"), 2), sink);
  store().append(append_of(make_message(3, "refused"), 3), sink);
  committer.run_all();
  CHECK(outcome(2).failed());
  CHECK(outcome(3).failed());
  CHECK(watch.failures == 1);
  CHECK_FALSE(warnings.empty());
  CHECK(store().status().write_errors == 1);
  CHECK_FALSE(store().look_up(queue_id{2}));
  REQUIRE_FALSE(append(make_message(4, "after")));
  CHECK(store().has_room(1000) == health::good);
  REQUIRE_FALSE(flush());
  for (std::uint64_t i = 100; i < 160; ++i)
    REQUIRE_FALSE(append(make_message(i, random_octets(i, 2000))));
  settle_down();
  maintenance.run_delayed();
  CHECK(watch.touched_again.empty());
  CHECK((*store().read(queue_id{1}))->content == "before");
  for (int i = 0; i < 2; ++i) {
    crash(static_cast<std::uint64_t>(i));
    CHECK_FALSE(opened.found.contains(queue_id{2}));
    CHECK_FALSE(opened.found.contains(queue_id{3}));
    CHECK(opened.found.at(queue_id{1}).recipients[0].attempts == 5);
    CHECK(opened.found.contains(queue_id{4}));
    CHECK(opened.found.size() == 62);
    CHECK(opened.report.damaged.empty());
  }
}

TEST_CASE_METHOD(spool_world,
                 "a state whose batch failed is written with the next one, or refused") {
  REQUIRE_FALSE(append(make_message(1, "x")));
  settle_down();
  bystander watch(disk);
  watch.fail(disk_operation::sync, 0, errc::io_error);
  store().settle(change_of(queue_id{1}, 0, recipient_status::delivered));
  REQUIRE_FALSE(flush());
  crash(3);
  CHECK(opened.found.empty());
}

TEST_CASE("an error of any one write or sync of a segment breaks no promise") {
  const auto what = GENERATE(disk_operation::write, disk_operation::sync);
  history_kind kind;
  kind.has_restarts = false;
  for (std::uint64_t seed = 1; seed <= 6; ++seed) {
    const auto count = count_of(what, seed, 100, kind);
    CHECK(count > 5);
    for (std::uint64_t n = 0; n < count; ++n) {
      CAPTURE(seed, n, static_cast<int>(what));
      sim_disk disk;
      bystander watch(disk);
      watch.fail(what, n, errc::io_error);
      spool_history history(disk, seed, kind);
      history.play(100);
      (void)history.finish();
      CHECK(watch.touched_again.empty());
      // Only where the very first file could not be made there is no spool to speak of.
      const auto broken = first_broken(disk, history, seed * 1000 + n, {}, kind.options);
      if (!broken.empty()) FAIL(broken);
    }
  }
}

TEST_CASE("an error of any one operation breaks no promise") {
  history_kind kind;
  kind.reads_fail = true;
  kind.has_restarts = false;
  const auto error = GENERATE(errc::io_error, errc::no_space);
  for (std::uint64_t seed = 11; seed <= 14; ++seed) {
    sim_disk dry;
    {
      spool_history history(dry, seed, kind);
      history.play(60);
      (void)history.finish();
    }
    for (std::uint64_t n = 0; n < dry.operations(); ++n) {
      CAPTURE(seed, n);
      sim_disk disk;
      disk.fail_after(n, error);
      spool_history history(disk, seed, kind);
      history.play(60);
      (void)history.finish();
      const auto broken = first_broken(disk, history, seed * 1000 + n, {}, kind.options);
      if (!broken.empty()) FAIL(broken);
    }
  }
}

TEST_CASE("a short write breaks no promise, however short") {
  history_kind kind;
  kind.has_restarts = false;
  for (std::uint64_t seed = 21; seed <= 120; ++seed) {
    sim_disk disk;
    seeded_random random(seed);
    disk.fail({disk_operation::write, 2 + random.below(20), 1, errc::no_space,
               static_cast<std::size_t>(random.below(9000))});
    CAPTURE(seed);
    spool_history history(disk, seed, kind);
    history.play(60);
    (void)history.finish();
    const auto broken = first_broken(disk, history, seed, {}, kind.options);
    if (!broken.empty()) FAIL(broken);
  }
}

TEST_CASE("errors everywhere at random never lose what was acknowledged") {
  history_kind kind;
  kind.reads_fail = true;
  kind.has_restarts = false;
  std::size_t acknowledged = 0;
  for (std::uint64_t seed = 1; seed <= 400; ++seed) {
    CAPTURE(seed);
    sim_disk disk;
    spool_history history(disk, seed, kind);
    seeded_random random(seed);
    disk.on_operation([&](disk_operation, std::string_view) -> std::optional<errc> {
      if (random.below(25) == 0) return errc::io_error;
      return {};
    });
    history.play(60);
    (void)history.finish();
    acknowledged += history.model().acknowledged();
    const auto broken = first_broken(disk, history, seed, {false, false, {}}, kind.options);
    if (!broken.empty()) FAIL(broken);
  }
  CHECK(acknowledged > 1000);
}

TEST_CASE_METHOD(spool_world, "a disk that fails for ever: the spool fails for good, and says so") {
  const auto what = GENERATE(disk_operation::write, disk_operation::sync);
  REQUIRE_FALSE(append(make_message(1, "before")));
  settle_down();
  disk.fail({what, 0, UINT64_MAX});
  CHECK(append(make_message(2, "x")).failed());
  CHECK(append(make_message(3, "x")).failed());
  CHECK(store().has_room(1) == health::failed);
  CHECK(store().status().state == health::failed);
  const auto operations = disk.operations();
  for (std::uint64_t i = 10; i < 20; ++i) CHECK(append(make_message(i, "x")).failed());
  CHECK(settle(change_of(queue_id{1}, 0, recipient_status::delivered), 99).failed());
  CHECK(flush().failed());
  CHECK(disk.operations() - operations < 40);  // no write is tried any more
  CHECK_FALSE(warnings.empty());
  CHECK((*store().read(queue_id{1}))->content == "before");
  store().close();
  crash(1);
  CHECK(opened.found.size() >= 1);
  CHECK((*store().read(queue_id{1}))->content == "before");
}

TEST_CASE_METHOD(
    spool_world,
    "a file system that became read-only refuses everything, and the spool still reads") {
  REQUIRE_FALSE(append(make_message(1, "before")));
  for (const auto what : {disk_operation::write, disk_operation::sync, disk_operation::allocate,
                          disk_operation::remove, disk_operation::rename})
    disk.fail({what, 0, UINT64_MAX, errc::read_only, 0});
  CHECK(append(make_message(2, "x")).failed());
  CHECK(append(make_message(3, "x")).failed());
  CHECK(store().has_room(1) == health::failed);
  CHECK((*store().read(queue_id{1}))->content == "before");
  crash(1);
  CHECK(opened.found.size() == 1);
}

TEST_CASE_METHOD(spool_world, "a spool whose directory vanishes takes nothing any more") {
  REQUIRE_FALSE(append(make_message(1, "before")));
  settle_down();
  disk.vanish(GENERATE(false, true));
  time.elapsed += std::chrono::seconds(2);
  CHECK(append(make_message(2, "into nothing")).failed());
  CHECK(store().has_room(1) == health::failed);
  CHECK(flush().failed());
  CHECK_FALSE(warnings.empty());
}

TEST_CASE_METHOD(spool_world,
                 "a segment that was removed behind our back is noticed before much is lost") {
  REQUIRE_FALSE(append(make_message(1, "before")));
  settle_down();
  for (const auto& name : disk.files())
    if (name.starts_with("segments/")) disk.take_away(name);
  time.elapsed += std::chrono::seconds(2);
  CHECK(append(make_message(2, "into nothing")).failed());
  CHECK_FALSE(warnings.empty());
}

TEST_CASE_METHOD(spool_world,
                 "a message whose disk cannot be read is not lost, and is not there in part") {
  REQUIRE_FALSE(append(make_message(2, "content")));
  REQUIRE_FALSE(append(make_message(3, "content")));
  disk.fail({disk_operation::read, 0, UINT64_MAX});
  CHECK(store().read(queue_id{2}).error() == errc::io_error);
  auto reader = store().open_content(queue_id{3});
  CHECK((reader.has_error() || (*reader)->next(100).has_error()));
  disk.crash(1);
  reopen();
  CHECK(opened.found.size() == 2);
}
