// Group commit on a disk whose sync takes long: those who were just answered get the time to join
// the next batch; nobody else ever waits.
#include <catch2/catch.hpp>

#include "unit/spool/spool_world.hpp"

using namespace relais;
using namespace relais::testing;
using namespace std::chrono_literals;

namespace {

struct slow_world : spool_world {
  slow_world() {
    disk.on_operation([this](disk_operation what, std::string_view) -> std::optional<errc> {
      if (what != disk_operation::sync) return {};
      time.elapsed += 2ms;
      for (; coming > 0; --coming) ask();
      return {};
    });
  }
  void ask() {
    ++last;
    store().append(append_of(make_message(last, "x"), last), sink);
  }
  std::size_t answered() const { return sink.outcomes.size(); }

  std::uint64_t last = 0;
  int coming = 0;  ///< that many ask while the next batch is synced
};

}  // namespace

TEST_CASE_METHOD(slow_world, "two halves of a crowd meet in one batch on a slow disk") {
  for (int i = 0; i < 10; ++i) ask();
  coming = 2;
  committer.run_all();
  CHECK(answered() == 10);
  CHECK(committer.waiting() == 0);  // the two wait a moment for the ten
  for (int i = 0; i < 7; ++i) ask();
  CHECK(committer.waiting() == 0);
  const auto batches = store().status().batches;
  for (int i = 0; i < 3; ++i) ask();
  CHECK(committer.waiting() == 1);
  committer.run_all();
  CHECK(answered() == 22);
  CHECK(store().status().batches == batches + 1);
}

TEST_CASE_METHOD(slow_world, "who waits for a crowd that does not come is served after the pause") {
  for (int i = 0; i < 10; ++i) ask();
  coming = 2;
  committer.run_all();
  CHECK(answered() == 10);
  committer.run_delayed();
  CHECK(answered() == 12);
}

TEST_CASE_METHOD(slow_world, "a lone client never waits, however slow the disk") {
  for (std::size_t i = 1; i <= 5; ++i) {
    ask();
    CHECK(committer.waiting() == 1);
    committer.run_all();
    CHECK(answered() == i);
  }
}

TEST_CASE_METHOD(slow_world, "a flush does not wait for company") {
  for (int i = 0; i < 10; ++i) ask();
  coming = 2;
  committer.run_all();
  CHECK_FALSE(flush());
  CHECK(answered() == 12);
}
