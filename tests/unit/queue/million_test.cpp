// The size for which the schedule is made: a million jobs for a hundred thousand destinations, most
// of them dead. What it costs in memory, counted by the allocator, and in steps.
#include <malloc.h>

#include <catch2/catch.hpp>
#include <chrono>
#include <cmath>
#include <ctime>
#include <iostream>

#include "unit/queue/schedule_scene.hpp"

namespace relais::queue {
namespace {

using namespace std::chrono_literals;
using testing::schedule_scene;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool counts_memory = false;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
constexpr bool counts_memory = false;
#else
constexpr bool counts_memory = true;
#endif
#else
constexpr bool counts_memory = true;
#endif

/// Octets that malloc has given out, with what it adds.
double allocated() {
  const auto now = mallinfo2();
  return static_cast<double>(now.uordblks + now.hblkhd);
}

struct million_scene : schedule_scene {
  /// As the spool remembers them.
  void add(int count, int domains, std::uint32_t attempts, duration due) {
    const auto ms = std::chrono::floor<std::chrono::milliseconds>(clock.wall().time_since_epoch());
    for (int i = 0; i < count; ++i) {
      new_job job;
      job.id.value = (static_cast<std::uint64_t>(ms.count()) << 16) + static_cast<unsigned>(i);
      job.recipients = {0};
      job.attempts = attempts;
      job.sender_hash = static_cast<std::uint32_t>(i) * 2654435761u;
      job.due = wall_in(due);
      policy::next_hop to = any_;
      to.domain = "domain-" + std::to_string(i % domains) + ".example";
      scheduler.add(to, std::move(job));
    }
  }

 private:
  policy::next_hop any_ = hop("x.example");
};

TEST_CASE("a million jobs for a hundred thousand dead destinations") {
  constexpr int count = 1'000'000, domains = 100'000;
  million_scene s;
  std::vector<destination*> dead;
  s.scheduler.on_ready([&](destination& d) { dead.push_back(&d); });
  const auto before = allocated();
  s.add(count, domains, 1, 0s);
  REQUIRE(dead.size() == count);
  dead.clear();
  s.scheduler.visit_destinations([&](const destination& d) {
    dead.push_back(const_cast<destination*>(&d));  // NOLINT: the test is its owner
  });
  REQUIRE(dead.size() == domains);
  for (auto* d : dead) {
    s.scheduler.down(*d, s.in(10min), "connect to mx.domain.example[192.0.2.1]:25: timed out");
    CHECK_FALSE(s.scheduler.take_overdue(*d));
  }
  std::vector<destination*>().swap(dead);
  s.advance(0s);
  std::size_t stalled = 0;
  s.scheduler.visit_destinations([&](const destination& d) { stalled += d.stalled(); });
  CHECK(stalled == count);
  CHECK(s.store.look_ups == 0);
  const auto per_job = (allocated() - before) / count;
  const auto claimed = static_cast<double>(s.scheduler.memory()) / count;
  std::cout << "memory: " << per_job << " octets per job with a tenth of a dead destination, "
            << claimed << " by its own account\n";
  if (counts_memory) {
    CHECK(per_job <= 80);
    CHECK(claimed == Approx(per_job).epsilon(0.03));
  }
  // One interval: each destination says once that its probe is due, and gives one job.
  const auto rings = s.alarms.rings;
  s.advance(10min);
  CHECK(dead.size() == domains);
  CHECK(s.alarms.rings - rings <= domains / 4096 + 2);
  // All of it goes, and the memory with it.
  for (auto* d : dead) {
    CHECK_FALSE(s.scheduler.take(*d));  // nothing is in the spool: the jobs are dropped
    s.scheduler.up(*d);
    s.scheduler.release(*d);
  }
  CHECK(s.store.look_ups == count);
  CHECK(s.scheduler.jobs() == 0);
  std::vector<destination*>().swap(dead);
  CHECK(s.scheduler.memory() < 1'500'000);  // the buckets of the table
}

TEST_CASE("a million jobs for one destination") {
  constexpr int count = 1'000'000;
  million_scene s;
  s.scheduler.on_ready(nullptr);
  const auto before = allocated();
  s.add(count, 1, 1, 1h);
  const auto per_job = (allocated() - before) / count;
  std::cout << "memory: " << per_job << " octets per job of one destination\n";
  if (counts_memory) CHECK(per_job <= 50);
  // Due all at once, and yet in pieces.
  const auto rings = s.alarms.rings;
  s.advance(1h);
  CHECK(s.alarms.rings - rings >= count / 4096);
  auto& d = s.at("domain-0.example");
  CHECK(d.ready() == count);
  s.scheduler.down(d, s.in(10min), "x");
  std::size_t pieces = 0;
  for (; d.has_overdue(); ++pieces) {
    CHECK_FALSE(s.scheduler.take_overdue(d));
    s.advance(0s);
  }
  CHECK(pieces >= count / 4096);
  CHECK(d.stalled() == count);
  s.scheduler.up(d);
  CHECK(d.ready() <= 1024);
  CHECK(d.ready() + d.stalled() == count);
  CHECK(s.store.look_ups == 0);
}

// Figures for people; run by name.
TEST_CASE("what a step costs", "[.measure]") {
  constexpr int count = 1'000'000, domains = 100'000;
  const auto report = [&](const char* what, std::clock_t since) {
    const auto took = static_cast<double>(std::clock() - since) / CLOCKS_PER_SEC;
    std::cout << "  " << what << ": " << std::lround(took * 1e9 / count) << " ns of CPU per job\n";
  };
  for (const bool is_one : {false, true}) {
    million_scene s;
    s.scheduler.on_ready(nullptr);
    spool::stored_message known;
    known.envelope.forward_paths.push_back(smtp::parse_address("b@r.example").value());
    known.envelope.reverse_path = smtp::parse_address("a@s.example").value();
    known.recipients.resize(1);
    std::cout << (is_one ? "one destination\n" : "100,000 destinations\n");
    auto since = std::clock();
    s.add(count, is_one ? 1 : domains, 1, 0s);
    report("add", since);
    std::vector<destination*> all;
    s.scheduler.visit_destinations([&](const destination& d) {
      all.push_back(const_cast<destination*>(&d));  // NOLINT: the test is its owner
    });
    for (int i = 0; i < count; ++i) {
      known.id.value = (static_cast<std::uint64_t>(std::chrono::floor<std::chrono::milliseconds>(
                                                       s.clock.wall().time_since_epoch())
                                                       .count())
                        << 16) +
                       static_cast<unsigned>(i);
      s.store.all.emplace_hint(s.store.all.end(), known.id, known);
    }
    std::vector<delivery_job> taken;
    taken.reserve(count);
    since = std::clock();
    for (auto* d : all)
      while (auto job = s.scheduler.take(*d)) taken.push_back(std::move(*job));
    report("take with a look at a std::map as the spool", since);
    since = std::clock();
    for (std::size_t i = 0; i < taken.size(); ++i)
      s.scheduler.postpone(*all[i * all.size() / taken.size()], std::move(taken[i]),
                           s.in(std::chrono::seconds(1 + (i * 7919) % 3600)));
    report("postpone", since);
    since = std::clock();
    s.advance(2h);
    report("become due", since);
  }
}

}  // namespace
}  // namespace relais::queue
