// The simulated disk itself: the crash tests prove as much as it is unkind.
#include "support/sim_disk.hpp"

#include <catch2/catch.hpp>
#include <set>

using namespace relais;
using namespace relais::testing;
using spool::open_mode;

namespace {

error_code write(spool::file& f, std::uint64_t offset, std::string_view octets) {
  return f.write_at(offset, std::span(&octets, 1));
}

std::unique_ptr<spool::file> make_durable(sim_disk& disk, std::string_view name,
                                          const std::string& content) {
  auto f = disk.open(name, open_mode::create_new).value();
  REQUIRE_FALSE(write(*f, 0, content));
  REQUIRE_FALSE(f->sync());
  REQUIRE_FALSE(disk.sync_directory("."));
  return f;
}

/// What the file may hold after a crash.
std::set<std::string> outcomes(const sim_disk& disk, std::string_view name) {
  std::set<std::string> all;
  for (std::uint64_t seed = 0; seed < 400; ++seed)
    all.insert(disk.crashed_copy(seed)->content(name).value_or("(none)"));
  return all;
}

}  // namespace

TEST_CASE("simulated disk: what is synced survives, whatever the seed") {
  sim_disk disk;
  const auto f = make_durable(disk, "a", "synced");
  CHECK(outcomes(disk, "a") == std::set<std::string>{"synced"});
  REQUIRE_FALSE(disk.remove("a"));
  CHECK(outcomes(disk, "a") == std::set<std::string>{"synced", "(none)"});
  REQUIRE_FALSE(disk.sync_directory("."));
  CHECK(outcomes(disk, "a") == std::set<std::string>{"(none)"});
  CHECK_FALSE(f->has_name());
}

TEST_CASE("simulated disk: a sector is old or new, each for itself; sizes may be lost") {
  sim_disk disk;
  const auto f = make_durable(disk, "a", std::string(1536, 'o'));
  REQUIRE_FALSE(write(*f, 0, std::string(1536, 'n')));
  std::set<std::string> expected;
  for (int mask = 0; mask < 8; ++mask) {
    std::string content;
    for (int s = 0; s < 3; ++s) content += std::string(512, (mask >> s & 1) != 0 ? 'n' : 'o');
    expected.insert(content);
  }
  CHECK(outcomes(disk, "a") == expected);
  REQUIRE_FALSE(f->sync());
  CHECK(outcomes(disk, "a").size() == 1);
  REQUIRE_FALSE(f->allocate(4096));
  CHECK(*f->size() == 4096);
  const auto sizes = outcomes(disk, "a");
  CHECK(sizes.begin()->size() == 1536);
  CHECK(sizes.rbegin()->size() == 4096);
  CHECK(sizes.contains(std::string(1536, 'n') + std::string(2560, '\0')));
}

TEST_CASE(
    "simulated disk: a name may be lost without its directory's sync, its content without its "
    "own") {
  sim_disk disk;
  auto f = disk.open("a", open_mode::create_new).value();
  REQUIRE_FALSE(write(*f, 0, "x"));
  REQUIRE_FALSE(f->sync());
  CHECK(outcomes(disk, "a") == std::set<std::string>{"x", "(none)"});
  f = disk.open("b", open_mode::create_new).value();
  REQUIRE_FALSE(write(*f, 0, "x"));
  REQUIRE_FALSE(disk.sync_directory("."));
  CHECK(outcomes(disk, "b") == std::set<std::string>{"x", "", std::string(1, '\0')});
}

TEST_CASE("simulated disk: of a rename in one directory the file never vanishes") {
  sim_disk disk;
  make_durable(disk, "new", "content");
  make_durable(disk, "old", "before");
  REQUIRE_FALSE(disk.rename("new", "old"));
  std::set<std::string> seen;
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    const auto copy = disk.crashed_copy(seed);
    const auto was_lost = copy->content("old") == "before";
    if (was_lost) CHECK(copy->content("new") == "content");
    seen.insert(was_lost ? "lost" : "kept");
  }
  CHECK(seen.size() == 2);
  REQUIRE_FALSE(disk.sync_directory("."));
  CHECK(outcomes(disk, "old") == std::set<std::string>{"content"});
  CHECK(outcomes(disk, "new") == std::set<std::string>{"(none)"});
}

TEST_CASE("simulated disk: what a failed sync gave up is not made durable by the next one") {
  sim_disk disk;
  const auto f = make_durable(disk, "a", std::string(512, 'o'));
  REQUIRE_FALSE(write(*f, 0, std::string(512, 'n')));
  disk.fail({disk_operation::sync});
  CHECK(f->sync() == errc::io_error);
  CHECK_FALSE(f->sync());
  CHECK(disk.content("a") == std::string(512, 'n'));
  CHECK(outcomes(disk, "a") == std::set<std::string>{std::string(512, 'n'), std::string(512, 'o')});
  REQUIRE_FALSE(write(*f, 0, std::string(512, 'N')));
  REQUIRE_FALSE(f->sync());
  CHECK(outcomes(disk, "a") == std::set<std::string>{std::string(512, 'N')});
}

TEST_CASE("simulated disk: a failing write does the part that it is told to do") {
  sim_disk disk;
  const auto f = make_durable(disk, "a", std::string(8, 'o'));
  disk.fail({disk_operation::write, 1, 1, errc::no_space, 3});
  REQUIRE_FALSE(write(*f, 0, "n"));
  CHECK(write(*f, 1, "nnnn") == errc::no_space);
  CHECK(disk.content("a") == "nnnnoooo");
  REQUIRE_FALSE(write(*f, 1, "mmmm"));
  disk.fail({disk_operation::write, 0, UINT64_MAX, errc::read_only, 0});
  for (int i = 0; i < 3; ++i) CHECK(write(*f, 0, "x") == errc::read_only);
  CHECK(disk.content("a") == "nmmmmooo");
}

TEST_CASE("simulated disk: without room nothing grows, what was allocated can be written") {
  sim_disk disk({8192, 2});
  const auto f = make_durable(disk, "a", "");
  REQUIRE_FALSE(f->allocate(8192));
  CHECK(disk.space()->bytes == 0);
  REQUIRE_FALSE(write(*f, 8000, std::string(192, 'x')));
  CHECK(write(*f, 8000, std::string(193, 'x')) == errc::no_space);
  CHECK(f->allocate(8193) == errc::no_space);
  REQUIRE(disk.open("b", open_mode::create_new));
  CHECK(disk.open("c", open_mode::create_new).error() == errc::no_space);
}

TEST_CASE("simulated disk: without power nothing changes, and what was open is lost") {
  sim_disk disk;
  const auto f = make_durable(disk, "a", "before");
  disk.cut_power_after(1);
  REQUIRE_FALSE(write(*f, 0, "B"));
  CHECK_FALSE(disk.is_off());
  CHECK(write(*f, 0, "X") == errc::io_error);
  CHECK(disk.is_off());
  CHECK(f->sync() == errc::io_error);
  CHECK(disk.remove("a") == errc::io_error);
  disk.crash(1);
  CHECK_FALSE(disk.is_off());
  CHECK(f->read_at(0, 10).has_error());
  CHECK_FALSE(f->has_name());
  CHECK((disk.content("a") == "before" || disk.content("a") == "Before"));
}

TEST_CASE("simulated disk: when only the process ends, what is not synced is in the cache") {
  sim_disk disk;
  const auto f = make_durable(disk, "a", "synced");
  REQUIRE_FALSE(write(*f, 0, "SYNCED"));
  disk.cut_power_after(0);
  CHECK(write(*f, 0, "x") == errc::io_error);
  disk.restart();
  CHECK(disk.content("a") == "SYNCED");
  CHECK(f->sync() == errc::io_error);
  CHECK(outcomes(disk, "a").size() == 2);
  REQUIRE_FALSE(disk.open("a", open_mode::read_write).value()->sync());
  CHECK(outcomes(disk, "a").size() == 1);
}

TEST_CASE("simulated disk: the observer sees the disk before each change, and may use it") {
  sim_disk disk;
  std::vector<disk_operation> seen;
  disk.observe([&](disk_operation what, std::string_view) {
    seen.push_back(what);
    CHECK(disk.crashed_copy(1)->files().size() <= 1);
    CHECK(disk.list(".").has_value());
  });
  const auto f = make_durable(disk, "a", "x");
  REQUIRE(f->read_at(0, 1));
  REQUIRE(disk.open("a", open_mode::read_write));
  CHECK((seen == std::vector{disk_operation::open, disk_operation::write, disk_operation::sync,
                             disk_operation::sync_directory, disk_operation::read}));
  disk.observe({});
}

TEST_CASE("simulated disk: a directory that vanishes is not found, and its files have no name") {
  sim_disk disk;
  const auto f = make_durable(disk, "a", "x");
  CHECK_FALSE(disk.verify());
  CHECK(f->has_name());
  disk.vanish(GENERATE(false, true));
  CHECK(disk.verify() == errc::not_found);
  if (f->has_name()) return;
  CHECK(disk.open("b", open_mode::create_new).error() == errc::not_found);
  CHECK_FALSE(write(*f, 0, "y"));
}

TEST_CASE("simulated disk: folders are listed, and hold their own files") {
  sim_disk disk;
  REQUIRE_FALSE(disk.make_directory("large"));
  REQUIRE_FALSE(disk.make_directory("large/5f"));
  CHECK(disk.make_directory("none/5f") == errc::not_found);
  REQUIRE(disk.open("large/5f/x", open_mode::create_new));
  CHECK(disk.list(".").value() == std::vector<std::string>{"large"});
  CHECK(disk.list("large").value() == std::vector<std::string>{"5f"});
  CHECK(disk.list("large/5f").value() == std::vector<std::string>{"x"});
  CHECK(disk.list("none").error() == errc::not_found);
  CHECK(disk.files() == std::vector<std::string>{"large/5f/x"});
  CHECK(disk.open("large", open_mode::read).error() == errc::permission);
}

TEST_CASE("simulated disk: a flipped bit is there after a crash, too") {
  sim_disk disk;
  disk.put("folder/a", std::string(5000, '\0'));
  REQUIRE(disk.flip_bit("folder/a", 4999 * 8));
  CHECK_FALSE(disk.flip_bit("folder/a", 5000 * 8));
  disk.crash(3);
  CHECK(disk.content("folder/a") == std::string(4999, '\0') + '\1');
}
