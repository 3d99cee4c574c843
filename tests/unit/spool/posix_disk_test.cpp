// The real file system, in a temporary directory.
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <future>
#include <thread>

#include "unit/spool/spool_world.hpp"

using namespace relais;
using namespace relais::testing;
using spool::open_disk;
using spool::open_mode;
using spool::recipient_status;

namespace {

struct temporary_directory {
  temporary_directory() {
    char name[] = "/tmp/relais-spool-XXXXXX";
    REQUIRE(::mkdtemp(name) != nullptr);
    path = name;
  }
  ~temporary_directory() { std::filesystem::remove_all(path); }
  std::string path;
  std::string root() const { return path + "/spool"; }
};

mode_t mode_of(const std::string& path) {
  struct stat status{};
  REQUIRE(::lstat(path.c_str(), &status) == 0);
  return status.st_mode & 07777;
}

/// Waits for completions on the thread that asks.
class waiting_sink final : public spool::completion_sink {
 public:
  void complete(std::vector<spool::completion> batch) override {
    for (const auto& c : batch) failures_ += c.error ? 1 : 0;
    done_ += batch.size();
    done_.notify_all();
  }
  void wait_for(std::size_t count) {
    for (auto now = done_.load(); now < count; now = done_.load()) done_.wait(now);
  }
  std::size_t failures() const { return failures_; }

 private:
  std::atomic<std::size_t> done_{0};
  std::atomic<std::size_t> failures_{0};
};

}  // namespace

TEST_CASE_METHOD(temporary_directory, "the root is created for us alone, if its parent exists") {
  CHECK(open_disk(path + "/no/spool").error() == errc::not_found);
  auto disk = open_disk(root() + "/");
  REQUIRE(disk);
  CHECK(mode_of(root()) == 0700);
  CHECK(mode_of(root() + "/lock") == 0600);
  REQUIRE_FALSE((*disk)->make_directory("folder"));
  REQUIRE_FALSE((*disk)->make_directory("folder"));
  CHECK(mode_of(root() + "/folder") == 0700);
  REQUIRE((*disk)->open("folder/file", open_mode::create_new));
  CHECK(mode_of(root() + "/folder/file") == 0600);
  CHECK((*disk)->open("folder/file", open_mode::create_new).error() == errc::exists);
  CHECK((*disk)->open("folder/none", open_mode::read).error() == errc::not_found);
  CHECK((*disk)->open("none/file", open_mode::create_new).error() == errc::not_found);
}

TEST_CASE_METHOD(temporary_directory,
                 "a root that others may enter, a link, or a file is refused") {
  std::filesystem::create_directory(root());
  for (const mode_t mode : {0755u, 0770u, 0701u, 0740u}) {
    REQUIRE(::chmod(root().c_str(), mode) == 0);
    CHECK(open_disk(root()).error() == errc::permission);
  }
  REQUIRE(::chmod(root().c_str(), 0700) == 0);
  CHECK(open_disk(root()));
  REQUIRE(::symlink(root().c_str(), (path + "/link").c_str()) == 0);
  CHECK(open_disk(path + "/link").error() == errc::permission);
  CHECK(open_disk(path + "/link/").error() == errc::permission);
  CHECK(open_disk(root() + "/lock").error() == errc::permission);
}

TEST_CASE_METHOD(temporary_directory, "a root of another owner is refused") {
  if (::geteuid() != 0) return;
  std::filesystem::create_directory(root());
  REQUIRE(::chmod(root().c_str(), 0700) == 0);
  REQUIRE(::chown(root().c_str(), 65534, 65534) == 0);
  CHECK(open_disk(root()).error() == errc::permission);
}

TEST_CASE_METHOD(temporary_directory, "a second opener is told that the spool is busy") {
  {
    auto first = open_disk(root());
    REQUIRE(first);
    CHECK(open_disk(root()).error() == errc::busy);
  }
  CHECK(open_disk(root()));
}

TEST_CASE_METHOD(temporary_directory, "links and pipes inside the spool are not followed") {
  auto disk = open_disk(root()).value();
  REQUIRE_FALSE(disk->make_directory("folder"));
  REQUIRE(::symlink("/etc/hostname", (root() + "/folder/link").c_str()) == 0);
  CHECK(disk->open("folder/link", open_mode::read).error() == errc::permission);
  REQUIRE(::symlink("/tmp", (root() + "/outside").c_str()) == 0);
  CHECK(disk->open("outside/x", open_mode::create_new).has_error());
  CHECK(disk->list("outside").has_error());
  CHECK(disk->make_directory("outside").failed());
  REQUIRE(::mkfifo((root() + "/folder/pipe").c_str(), 0600) == 0);
  CHECK(disk->open("folder/pipe", open_mode::read).error() == errc::permission);
}

TEST_CASE_METHOD(temporary_directory,
                 "files are written in parts, read back, renamed, listed and removed") {
  auto disk = open_disk(root()).value();
  REQUIRE_FALSE(disk->make_directory("a"));
  REQUIRE_FALSE(disk->make_directory("b"));
  const auto file = disk->open("a/x", open_mode::create_new).value();
  const std::string large(3 << 20, 'l');
  std::vector<std::string_view> parts(100, "ab");
  parts.emplace_back();
  parts.push_back(large);
  REQUIRE_FALSE(file->write_at(0, parts));
  REQUIRE_FALSE(file->sync());
  CHECK(*file->size() == 200 + large.size());
  CHECK(*file->read_at(198, 4) == "abll");
  CHECK(file->read_at(200, SIZE_MAX)->size() == large.size());
  CHECK(file->read_at(1 << 30, 10)->empty());
  REQUIRE_FALSE(disk->rename("a/x", "b/y"));
  REQUIRE_FALSE(disk->sync_directory("b"));
  REQUIRE_FALSE(disk->sync_directory("."));
  CHECK(disk->list("a")->empty());
  CHECK(*disk->list("b") == std::vector<std::string>{"y"});
  REQUIRE_FALSE(disk->remove("b/y"));
  CHECK(disk->remove("b/y") == errc::not_found);
  CHECK(disk->space()->bytes > 0);
  CHECK(disk->space()->inodes > 0);
}

TEST_CASE_METHOD(temporary_directory,
                 "room that was allocated is there, reads as zeros, and keeps what was written") {
  auto disk = open_disk(root()).value();
  const auto file = disk->open("x", open_mode::create_new).value();
  const std::string_view part = "kept";
  REQUIRE_FALSE(file->write_at(0, std::span(&part, 1)));
  REQUIRE_FALSE(file->allocate(100'000));
  CHECK(file->size().value() == 100'000);
  CHECK(file->read_at(0, 6).value() == std::string("kept\0\0", 6));
  struct stat status{};
  REQUIRE(::stat((root() + "/x").c_str(), &status) == 0);
  CHECK(status.st_blocks * 512 >= 100'000);
  REQUIRE_FALSE(file->allocate(10));
  CHECK(file->size().value() == 100'000);
  CHECK(file->allocate(UINT64_MAX / 4).failed());
}

TEST_CASE_METHOD(temporary_directory, "a file knows whether it still has a name") {
  auto disk = open_disk(root()).value();
  const auto file = disk->open("x", open_mode::create_new).value();
  CHECK(file->has_name());
  REQUIRE_FALSE(disk->rename("x", "y"));
  CHECK(file->has_name());
  REQUIRE(::unlink((root() + "/y").c_str()) == 0);
  CHECK_FALSE(file->has_name());
}

TEST_CASE_METHOD(temporary_directory,
                 "a directory that was removed, renamed away or replaced is not found any more") {
  auto disk = open_disk(root() + "/").value();
  CHECK_FALSE(disk->verify());
  const int what = GENERATE(0, 1, 2);
  if (what == 0) {
    std::filesystem::remove_all(root());
  } else {
    std::filesystem::rename(root(), path + "/away");
    if (what == 2) {
      std::filesystem::create_directory(root());
      REQUIRE(::chmod(root().c_str(), 0700) == 0);
    }
  }
  CHECK(disk->verify() == errc::not_found);
}

TEST_CASE_METHOD(temporary_directory,
                 "a spool on a real disk finds everything again, many threads at once") {
  constexpr std::uint64_t per_thread = 60;
  const system_clocks time;
  auto options = tiny_spool();
  options.segment_size = 1 << 20;
  {
    auto disk = open_disk(root()).value();
    waiting_sink sink;
    auto maintenance = spool::make_thread_runner();
    auto jobs = spool::make_thread_runner();
    auto opened = open_spool({*disk, *jobs, *maintenance, time}, options);
    REQUIRE(opened.store);
    std::vector<std::thread> workers;
    for (std::uint64_t t = 0; t < 4; ++t)
      workers.emplace_back([&, t] {
        for (std::uint64_t i = 0; i < per_thread; ++i) {
          const auto id = 1 + t * per_thread + i;
          opened.store->append(
              append_of(make_message(id, "content of " + std::to_string(id), 2), id), sink);
          (void)opened.store->has_room(100);
          (void)opened.store->read(queue_id{id});
          (void)opened.store->look_up(queue_id{id});
          (void)opened.store->status();
        }
      });
    for (auto& w : workers) w.join();
    sink.wait_for(4 * per_thread);
    CHECK(sink.failures() == 0);
    for (std::uint64_t id = 1; id <= 20; ++id) {
      opened.store->settle(change_of(queue_id{id}, 0, recipient_status::delivered));
      if (id <= 10) opened.store->settle(change_of(queue_id{id}, 1, recipient_status::delivered));
    }
    std::promise<error_code> flushed;
    opened.store->flush([&](error_code error) { flushed.set_value(error); });
    CHECK_FALSE(flushed.get_future().get());
    jobs.reset();
    maintenance.reset();
  }
  auto disk = open_disk(root()).value();
  auto maintenance = spool::make_thread_runner();
  auto jobs = spool::make_thread_runner();
  auto opened = open_spool({*disk, *jobs, *maintenance, time}, options);
  REQUIRE(opened.store);
  CHECK(opened.found.size() == 4 * per_thread - 10);
  CHECK(opened.report.damaged.empty());
  for (const auto& [id, m] : opened.found) {
    CHECK((*opened.store->read(id))->content == "content of " + std::to_string(id.value));
    CHECK((m.recipients[0].status == recipient_status::delivered) == (id.value <= 20));
  }
  jobs.reset();
  maintenance.reset();
}

TEST_CASE("the thread runner does what is queued before it goes, in order") {
  std::vector<int> order;
  {
    auto jobs = spool::make_thread_runner();
    for (int i = 0; i < 100; ++i) jobs->run([&order, i] { order.push_back(i); });
  }
  REQUIRE(order.size() == 100);
  CHECK(std::is_sorted(order.begin(), order.end()));
}

TEST_CASE("the thread runner does what is delayed in its turn, and drops it at the end") {
  std::promise<void> ran;
  std::atomic<bool> dropped{true};
  {
    auto jobs = spool::make_thread_runner();
    jobs->run_after(std::chrono::hours(24), [&] { dropped = false; });
    jobs->run_after(std::chrono::milliseconds(1), [&] { ran.set_value(); });
    ran.get_future().get();
  }
  CHECK(dropped);
}

TEST_CASE("a job may give the next one") {
  std::promise<int> done;
  auto jobs = spool::make_thread_runner();
  jobs->run([&] {
    jobs->run_after(std::chrono::milliseconds(0), [&] { jobs->run([&] { done.set_value(3); }); });
  });
  CHECK(done.get_future().get() == 3);
}
