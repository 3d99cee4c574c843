// What the settler records and hands back: states in the spool, log lines, the remainder; across
// crashes and full disks. The store is the real one, the disk is simulated.
#include <catch2/catch.hpp>

#include "support/settler_scene.hpp"

namespace relais::testing {
namespace {

using namespace std::chrono_literals;
using delivery::blame;
using delivery::outcome;
using delivery::verdict;
using spool::recipient_status;

const std::string content = "Subject: hello\r\n\r\nbody\r\n";

smtp::envelope envelope_to(std::vector<std::string> to, const std::string& from = "me@c.test") {
  std::vector<smtp::path> paths;
  for (const auto& one : to) paths.push_back(path_of(one));
  return {path_of(from), std::move(paths)};
}

verdict deferred(const std::string& why = "host mx said: 450 4.2.0 later") {
  return {outcome::deferred, blame::recipient, "4.2.0", why};
}
verdict refused() {
  verdict v(outcome::bounced, blame::recipient, "5.1.1",
            "host mx said: 550 5.1.1 unknown (in reply to RCPT TO command)");
  v.remote_replied = true;
  v.diagnostic = "550 5.1.1 unknown";
  return v;
}
const verdict delivered(outcome::delivered, blame::none, "2.0.0", "250 2.0.0 Ok");

delivery::attempt by_mx() {
  delivery::attempt how;
  how.relay = "mx.far.test[198.51.100.25]:25";
  how.remote_mta = "mx.far.test";
  return how;
}

TEST_CASE("a delivered message leaves the spool") {
  sim_disk disk;
  settler_scene s(disk);
  s.start();
  const auto message = s.accept(envelope_to({"a@far.test"}), content);
  const auto rest = s.settle(s.job(message), {delivered}, by_mx());
  CHECK(rest.recipients.empty());
  s.flush();
  CHECK_FALSE(s.is_stored(message->id));
  CHECK(s.log.count("to=<a@far.test>, relay=mx.far.test[198.51.100.25]:25") == 1);
  CHECK(s.log.count("dsn=2.0.0, status=sent (250 2.0.0 Ok)") == 1);
  CHECK(s.log.count("removed") == 0);  // the spool tells
  CHECK(s.queued.empty());
}

TEST_CASE("what is deferred comes back with its time and is recorded") {
  sim_disk disk;
  settler_scene s(disk);
  s.start();
  const auto message = s.accept(envelope_to({"a@far.test", "b@far.test"}), content);
  auto job = s.job(message);
  auto rest = s.settle(job, {deferred(), delivered}, by_mx());
  CHECK(rest.recipients == std::vector<std::size_t>{0});
  CHECK(rest.attempts == 1);
  CHECK(rest.next_attempt == s.world.clock.wall() + 10min);
  s.flush();
  auto known = s.stored(message->id);
  CHECK(known.recipients[0].status == recipient_status::pending);
  CHECK(known.recipients[0].attempts == 1);
  CHECK(std::chrono::abs(known.recipients[0].next_attempt - rest.next_attempt) <= 1s);
  CHECK(known.recipients[1].status == recipient_status::delivered);

  job.recipients = rest.recipients;
  job.attempts = rest.attempts;
  s.pass(10min);
  rest = s.settle(job, {deferred()}, by_mx());
  CHECK(rest.attempts == 2);
  CHECK(rest.next_attempt == s.world.clock.wall() + 1h);
}

TEST_CASE("an untried job is recorded and logged as suspended") {
  sim_disk disk;
  settler_scene s(disk);
  s.start();
  const auto message = s.accept(envelope_to({"a@far.test"}), content);
  auto job = s.job(message);
  delivery::attempt how;
  how.is_untried = true;
  auto rest = s.settle(job, {deferred("connect to mx: refused")}, how);
  CHECK(rest.attempts == 1);
  CHECK(rest.next_attempt == message->arrival + 4h);
  CHECK(s.log.count("relay=none") == 1);
  CHECK(s.log.count("status=deferred (delivery temporarily suspended: connect to mx: refused)") ==
        1);
  s.flush();
  CHECK(s.stored(message->id).recipients[0].diagnostic ==
        "delivery temporarily suspended: connect to mx: refused");
  CHECK(s.stored(message->id).recipients[0].next_attempt <= s.world.clock.wall());

  job.attempts = rest.attempts;
  s.pass(4h);
  rest = s.settle(job, {deferred("connect to mx: refused")}, how);
  CHECK(rest.attempts == 1);
  CHECK(rest.warnings == 1);
  REQUIRE(s.queued.size() == 1);
  CHECK(s.log.count("sender delay notification: " + s.queued[0]->id.text()) == 1);
  CHECK(s.content(s.queued[0]->id).find("delivery temporarily suspended") != std::string::npos);
  job.warnings = rest.warnings;
  s.pass(116h);
  rest = s.settle(job, {deferred("connect to mx: refused")}, how);
  CHECK(rest.recipients.empty());
  CHECK(s.log.count("from=<me@c.test>, status=expired, returned to sender") == 1);
  REQUIRE(s.queued.size() == 2);
  CHECK(s.content(s.queued[1]->id).find("Status: 5.4.7\r\n") != std::string::npos);
}

TEST_CASE("a report and what it reports survive a crash together or not at all") {
  unsigned with = 0, without = 0;
  for (std::uint64_t cut = 0; cut < 30; ++cut) {
    sim_disk disk;
    queue_id id;
    {
      settler_scene s(disk);
      s.start();
      const auto message = s.accept(envelope_to({"a@far.test", "b@far.test"}), content);
      id = message->id;
      disk.cut_power_after(cut);
      const auto rest = s.settle(s.job(message), {refused(), deferred()}, by_mx());
      if (disk.is_off() && s.queued.empty()) CHECK(rest.recipients.size() == 2);
    }
    disk.crash(cut);
    settler_scene s(disk);
    s.start();
    bool is_reported = false, is_pending = false;
    for (const auto& m : s.found()) {
      is_reported = is_reported || m.envelope.reverse_path.is_null();
      if (m.id == id) is_pending = m.recipients[0].status == recipient_status::pending;
    }
    CHECK(is_reported != is_pending);
    ++(is_reported ? with : without);
  }
  CHECK(with > 0);
  CHECK(without > 0);
}

TEST_CASE("a warning that was stored is not repeated behind a crash") {
  sim_disk disk;
  queue_id id;
  {
    settler_scene s(disk);
    s.start();
    const auto message = s.accept(envelope_to({"a@far.test"}), content);
    id = message->id;
    s.pass(4h);
    s.settle(s.job(message), {deferred()}, by_mx());
    CHECK(s.queued.size() == 1);
  }
  disk.crash(1);
  settler_scene s(disk);
  s.start();
  CHECK(s.found().size() == 2);
  CHECK(s.stored(id).recipients[0].warnings == 1);
}

TEST_CASE("without a report nobody has failed: the disk is full") {
  sim_disk disk;
  settler_scene s(disk);
  s.start();
  const auto message = s.accept(envelope_to({"a@far.test", "b@far.test"}), content);
  disk_fault fault;
  fault.what = disk_operation::write;
  disk.fail(fault);
  auto job = s.job(message);
  auto rest = s.settle(job, {refused(), delivered}, by_mx());
  CHECK(rest.recipients == std::vector<std::size_t>{0});
  CHECK(rest.next_attempt >= s.world.clock.wall() + 5min);
  CHECK(rest.warnings == 0);
  CHECK(s.log.count("the report could not be stored") == 1);
  CHECK(s.queued.empty());
  s.flush();
  CHECK(s.stored(message->id).recipients[0].status == recipient_status::pending);
  CHECK(s.stored(message->id).recipients[1].status == recipient_status::delivered);
  // The disk works again: now it is told.
  job.recipients = rest.recipients;
  job.attempts = rest.attempts;
  rest = s.settle(job, {refused()}, by_mx());
  CHECK(rest.recipients.empty());
  CHECK(s.queued.size() == 1);
}

TEST_CASE("a warning that could not be stored is given later") {
  sim_disk disk;
  settler_scene s(disk);
  s.start();
  const auto message = s.accept(envelope_to({"a@far.test"}), content);
  s.pass(4h);
  disk_fault fault;
  fault.what = disk_operation::write;
  disk.fail(fault);
  const auto rest = s.settle(s.job(message), {deferred()}, by_mx());
  CHECK(rest.recipients.size() == 1);
  CHECK(rest.warnings == 0);
  CHECK(s.queued.empty());
  const auto again = s.settle(s.job(message), {deferred()}, by_mx());
  CHECK(again.warnings == 1);
  CHECK(s.queued.size() == 1);
}

TEST_CASE("a clock that jumps ahead neither ends nor delays anything at once") {
  sim_disk disk;
  settler_scene s(disk);
  s.start();
  const auto message = s.accept(envelope_to({"a@far.test"}), content);
  s.settle(s.job(message), {deferred()}, by_mx());
  s.world.clock.wall_offset = 24h * 30;
  auto rest = s.settle(s.job(message), {deferred()}, by_mx());
  CHECK(rest.recipients.size() == 1);
  CHECK(s.queued.empty());
  s.pass(2h);  // twice the longest interval: it had its chance
  rest = s.settle(s.job(message), {deferred()}, by_mx());
  CHECK(rest.recipients.empty());
  CHECK(s.queued.size() == 1);
}

TEST_CASE("a route without a schedule has a sane one") {
  sim_disk disk;
  settler_scene s(disk);
  s.way.retry.intervals.clear();
  s.start();
  const auto message = s.accept(envelope_to({"a@far.test"}), content);
  CHECK(s.settle(s.job(message), {deferred()}, by_mx()).next_attempt ==
        s.world.clock.wall() + 30min);
}

}  // namespace
}  // namespace relais::testing
