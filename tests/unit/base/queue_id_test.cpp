#include "base/queue_id.hpp"

#include <catch2/catch.hpp>
#include <set>
#include <string>
#include <thread>
#include <vector>

using namespace relais;
using namespace std::chrono_literals;

TEST_CASE("queue ids are sixteen hex digits") {
  CHECK(queue_id{0}.text() == "0000000000000000");
  CHECK(queue_id{0x19abcdef01234567}.text() == "19ABCDEF01234567");
  CHECK(queue_id{UINT64_MAX}.text() == "FFFFFFFFFFFFFFFF");
  CHECK(queue_id::parse("19abcdEF01234567") == queue_id{0x19abcdef01234567});
  for (const auto* bad :
       {"", "1", "19ABCDEF0123456", "19ABCDEF012345678", "-9ABCDEF01234567", "+9ABCDEF01234567",
        " 9ABCDEF01234567", "19ABCDEF0123456G", "0x19ABCDEF012345", "19ABCDEF0123456 "}) {
    INFO(bad);
    CHECK_FALSE(queue_id::parse(bad));
  }
}

TEST_CASE("queue ids begin with the time") {
  queue_id_source ids;
  CHECK(ids.next(wall_time{1ms}).value == 0x10000);
  CHECK(ids.next(wall_time{1ms}).value == 0x10001);
  CHECK(ids.next(wall_time{2ms}).value == 0x20000);
}

TEST_CASE("queue ids grow when the clock stands still or jumps back") {
  queue_id_source ids;
  auto last = ids.next(wall_time{1h});
  for (const auto now :
       {wall_time{1h}, wall_time{30min}, wall_time{-1h}, wall_time{1h}, wall_time{2h}}) {
    const auto id = ids.next(now);
    CHECK(id > last);
    last = id;
  }
}

TEST_CASE("queue ids stay above those of the spool") {
  queue_id_source ids;
  ids.raise(queue_id{1ull << 60});
  CHECK(ids.next(wall_time{1ms}).value == (1ull << 60) + 1);
  ids.raise(queue_id{5});  // lower: nothing changes
  CHECK(ids.next(wall_time{1ms}).value == (1ull << 60) + 2);
}

TEST_CASE("queue ids of several threads are unique") {
  queue_id_source ids;
  std::vector<std::vector<std::uint64_t>> made(4);
  {
    std::vector<std::jthread> threads;
    for (auto& mine : made) {
      threads.emplace_back([&ids, &mine] {
        for (int i = 0; i < 5000; ++i) mine.push_back(ids.next(wall_time{1h}).value);
      });
    }
  }
  std::set<std::uint64_t> all;
  for (const auto& mine : made) all.insert(mine.begin(), mine.end());
  CHECK(all.size() == 20000);
}
