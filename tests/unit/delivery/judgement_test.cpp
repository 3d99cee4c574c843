// What verdicts mean for a message: states, the next attempt, whose time is over, who is told what.
#include "delivery/judgement.hpp"

#include <catch2/catch.hpp>

using namespace relais;
using namespace relais::delivery;
using namespace std::chrono_literals;
using spool::recipient_status;

namespace {

const wall_time arrival{std::chrono::hours(500000)};

smtp::path path_of(const std::string& text) {
  return text.empty() ? smtp::path() : smtp::parse_address(text).value();
}

/// One message at some age, with everything that can matter.
struct scene {
  scene() {
    envelope.reverse_path = path_of("me@from.example");
    add("a@to.example");
    schedule.intervals = {10min, 1h};
    schedule.lifetime = 120h;
    schedule.bounce_lifetime = 24h;
    schedule.warnings = {4h, 24h};
  }
  void add(const std::string& to, smtp::dsn_notify notify = {}) {
    envelope.forward_paths.push_back(path_of(to));
    smtp::recipient_options options;
    options.notify = notify;
    envelope.recipient_options.push_back(options);
  }
  judgement at(duration age, std::vector<verdict> said) {
    auto message = std::make_shared<queue::queued_message>();
    message->id = queue_id{7};
    message->arrival = arrival;
    message->envelope = std::make_shared<const smtp::envelope>(envelope);
    queue::delivery_job job;
    job.message = message;
    for (std::size_t i = 0; i < said.size(); ++i) job.recipients.push_back(i);
    job.attempts = attempts;
    job.warnings = warnings;
    now = arrival + std::chrono::duration_cast<wall_time::duration>(age);
    const circumstances c{job, how, schedule, report, postmaster, now, ages_count, 2h};
    verdicts = std::move(said);
    return judge(c, verdicts, rng);
  }
  duration wait(const judgement& j) const { return j.next_attempt - now; }

  smtp::envelope envelope;
  policy::retry_schedule schedule;
  config::report_settings report;
  smtp::path postmaster;
  attempt how;
  std::uint32_t attempts = 0;
  std::uint8_t warnings = 0;
  bool ages_count = true;
  std::vector<verdict> verdicts;
  wall_time now;
  seeded_random rng{1};
};

verdict deferred(policy::retry_reason retry = policy::retry_reason::usual) {
  verdict v(outcome::deferred, blame::recipient, "4.2.0", "later");
  v.retry = retry;
  return v;
}
const verdict bounced(outcome::bounced, blame::recipient, "5.1.1", "no such user");
const verdict delivered(outcome::delivered, blame::none, "2.0.0", "ok");

smtp::dsn_notify notify(bool success, bool failure, bool delay, bool never = false) {
  smtp::dsn_notify n;
  n.success = success;
  n.failure = failure;
  n.delay = delay;
  n.never = never;
  return n;
}

}  // namespace

TEST_CASE("each verdict becomes a state, and the rest is tried again") {
  scene s;
  s.add("b@to.example");
  s.add("c@to.example");
  const auto j = s.at(1min, {delivered, deferred(), bounced});
  REQUIRE(j.states.size() == 3);
  CHECK(j.states[0].status == recipient_status::delivered);
  CHECK(j.states[1].status == recipient_status::pending);
  CHECK(j.states[2].status == recipient_status::bounced);
  CHECK(j.states[1].diagnostic == "later");
  CHECK(j.states[1].next_attempt == j.next_attempt);
  CHECK(j.deferred == std::vector<std::size_t>{1});
  CHECK(j.tell == std::vector{told::nothing, told::nothing, told::failed});
  CHECK(j.attempts == 1);
  CHECK(s.wait(j) == 10min);
  CHECK(j.given_up_at == arrival + 120h);
  CHECK_FALSE(j.expired);
  CHECK(j.is_new);
}

TEST_CASE("a long reason is shortened for the spool") {
  scene s;
  auto v = deferred();
  v.reason = std::string(1000, 'x');
  CHECK(s.at(1min, {v}).states[0].diagnostic.size() == 300);
}

TEST_CASE("the next attempt follows the reason, and is made when somebody must be told") {
  scene s;
  s.attempts = 3;
  CHECK(s.wait(s.at(1h, {deferred()})) == 1h);
  CHECK(s.wait(s.at(1h, {deferred(policy::retry_reason::greylisted)})) == 10min);
  s.add("b@to.example");
  CHECK(s.wait(s.at(1h, {deferred(policy::retry_reason::lost_content), deferred()})) == 1h);
  s.attempts = 0;
  s.schedule.intervals = {1min};
  CHECK(s.wait(s.at(1h, {deferred(), deferred(policy::retry_reason::lost_content)})) == 10min);
  s.schedule.intervals = {1h};
  CHECK(s.wait(s.at(3h + 30min, {deferred()})) == 30min);  // the warning at four hours
  CHECK(s.wait(s.at(3h + 55min, {deferred(policy::retry_reason::lost_content)})) == 10min);
  s.warnings = 1;
  CHECK(s.wait(s.at(4h, {deferred()})) == 1h);
  CHECK(s.wait(s.at(119h + 59min, {deferred()})) == 1min);
}

TEST_CASE("the sender is told of a delay once behind each age") {
  struct row {
    duration age;
    unsigned told_before, told_then;
    bool is_told;
  };
  const auto r = GENERATE(values<row>({
      {1h, 0, 0, false},
      {4h - 1us, 0, 0, false},
      {4h, 0, 1, true},
      {5h, 1, 1, false},
      {24h, 1, 2, true},
      {30h, 0, 2, true},  // both at once: one report
      {30h, 2, 2, false},
      {30h, 5, 5, false},  // the configuration had more of them
  }));
  scene s;
  s.warnings = static_cast<std::uint8_t>(r.told_before);
  const auto j = s.at(r.age, {deferred()});
  CHECK(j.warnings == r.told_then);
  CHECK(j.states[0].warnings == r.told_then);
  CHECK(j.tell[0] == (r.is_told ? told::delayed : told::nothing));
}

TEST_CASE("NOTIFY decides who is told what") {
  struct row {
    std::string name;
    smtp::dsn_notify asked;
    told of_success, of_delay, of_failure;
  };
  const auto r = GENERATE(values<row>({
      {"unspecified", {}, told::nothing, told::delayed, told::failed},
      {"NEVER", notify(false, false, false, true), told::nothing, told::nothing, told::nothing},
      {"SUCCESS", notify(true, false, false), told::relayed, told::nothing, told::nothing},
      {"FAILURE", notify(false, true, false), told::nothing, told::nothing, told::failed},
      {"DELAY", notify(false, false, true), told::nothing, told::delayed, told::nothing},
      {"all", notify(true, true, true), told::relayed, told::delayed, told::failed},
  }));
  DYNAMIC_SECTION(r.name) {
    scene s;
    s.envelope.recipient_options[0].notify = r.asked;
    CHECK(s.at(5h, {delivered}).tell[0] == r.of_success);
    CHECK(s.at(5h, {deferred()}).tell[0] == r.of_delay);
    CHECK(s.at(5h, {bounced}).tell[0] == r.of_failure);
    s.how.peer_reports = true;
    CHECK(s.at(5h, {delivered}).tell[0] == told::nothing);
    s.report.failed = false;
    CHECK(s.at(5h, {bounced}).tell[0] == told::nothing);
    CHECK(s.at(5h, {deferred()}).tell[0] == r.of_delay);
  }
}

TEST_CASE("at the end of its lifetime what is deferred has failed") {
  scene s;
  s.add("b@to.example");
  const auto j = s.at(120h, {deferred(), delivered});
  CHECK(j.expired);
  CHECK(s.verdicts[0].what == outcome::bounced);
  CHECK(s.verdicts[0].status == "5.4.7");
  CHECK(s.verdicts[0].reason == "later");
  CHECK(j.states[0].status == recipient_status::bounced);
  CHECK(j.tell[0] == told::failed);
  CHECK(j.deferred.empty());
  CHECK_FALSE(s.at(120h - 1us, {deferred(), delivered}).expired);
  CHECK_FALSE(s.at(200h, {delivered, delivered}).expired);
}

TEST_CASE("an untried job says so once and counts no further attempts") {
  scene s;
  s.how.is_untried = true;
  auto j = s.at(1min, {deferred()});
  CHECK(j.attempts == 1);
  CHECK(j.is_new);
  CHECK(j.next_attempt == arrival + 4h);
  CHECK(j.states[0].next_attempt == s.now);  // behind a restart it is tried
  s.attempts = 7;
  j = s.at(1h, {deferred()});
  CHECK(j.attempts == 7);
  CHECK_FALSE(j.is_new);
  CHECK(j.tell[0] == told::nothing);
  j = s.at(4h, {deferred()});
  CHECK(j.is_new);
  CHECK(j.tell[0] == told::delayed);
  CHECK(j.next_attempt == arrival + 24h);
  s.warnings = 2;
  j = s.at(30h, {deferred()});
  CHECK(j.next_attempt == arrival + 120h);
  j = s.at(120h, {deferred()});
  CHECK(j.is_new);
  CHECK(j.expired);
  CHECK(j.attempts == 7);
  CHECK(j.tell[0] == told::failed);
}

TEST_CASE("an untried job is never due at once again") {
  scene s;
  s.how.is_untried = true;
  s.attempts = 1;
  for (const auto age : {-1h, 0h, 3h, 4h, 24h, 119h}) CHECK(s.wait(s.at(age, {deferred()})) >= 1s);
  s.ages_count = false;
  for (const auto age : {-1h, 0h, 4h, 500h}) {
    CHECK(s.wait(s.at(age, {deferred()})) >= 1s);
    CHECK(s.wait(s.at(age, {deferred()})) <= 2h);
  }
  s.envelope.by = smtp::deliver_by{arrival + 1h, true, false};
  CHECK(s.wait(s.at(500h, {deferred()})) >= 1s);
}

TEST_CASE("behind a jump of the clock no age counts") {
  scene s;
  s.ages_count = false;
  s.envelope.by = smtp::deliver_by{arrival + 1h, true, false};
  const auto j = s.at(1000h, {deferred()});
  CHECK_FALSE(j.expired);
  CHECK(j.warnings == 0);
  CHECK(j.tell[0] == told::nothing);
  CHECK(s.wait(j) == 10min);
  CHECK_FALSE(j.given_up_at);
}

TEST_CASE("a message that was held for later is as old as its release") {
  scene s;
  s.envelope.hold_until = arrival + 100h;
  CHECK_FALSE(s.at(121h, {deferred()}).expired);
  CHECK(s.at(104h, {deferred()}).tell[0] == told::delayed);
  CHECK(s.at(103h, {deferred()}).tell[0] == told::nothing);
  CHECK(s.at(220h, {deferred()}).expired);
}

TEST_CASE("DELIVERBY with R ends the message, with N the sender is told") {
  scene s;
  s.envelope.by = smtp::deliver_by{arrival + 1h, true, false};
  auto j = s.at(55min, {deferred()});
  CHECK_FALSE(j.expired);
  CHECK(s.wait(j) == 5min);
  CHECK(j.given_up_at == arrival + 1h);
  j = s.at(1h, {deferred()});
  CHECK(j.expired);
  CHECK(j.tell[0] == told::failed);

  s.envelope.by->is_return = false;
  j = s.at(55min, {deferred()});
  CHECK(j.tell[0] == told::nothing);
  CHECK(s.wait(j) == 5min);
  j = s.at(1h, {deferred()});
  CHECK_FALSE(j.expired);
  CHECK(j.tell[0] == told::delayed);
  CHECK(j.warnings == 1);
  s.warnings = 1;
  CHECK(s.at(2h, {deferred()}).tell[0] == told::nothing);
  CHECK(s.at(4h, {deferred()}).warnings == 2);
  s.envelope.recipient_options[0].notify = notify(false, true, false);
  s.warnings = 0;
  CHECK(s.at(1h, {deferred()}).tell[0] == told::nothing);
}

TEST_CASE("DELIVERBY with T tells of the relaying") {
  scene s;
  s.envelope.by = smtp::deliver_by{arrival + 1h, false, true};
  CHECK(s.at(1min, {delivered}).tell[0] == told::relayed);
  s.how.peer_reports = true;
  CHECK(s.at(1min, {delivered}).tell[0] == told::nothing);
  s.how.peer_reports = false;
  s.envelope.recipient_options[0].notify = notify(false, false, false, true);
  CHECK(s.at(1min, {delivered}).tell[0] == told::nothing);
}

TEST_CASE("nothing is told about a report but to the postmaster") {
  scene s;
  s.envelope.reverse_path = {};
  CHECK(s.at(1min, {bounced}).tell[0] == told::nothing);
  CHECK(s.at(23h, {deferred()}).tell[0] == told::nothing);
  CHECK(s.at(24h, {deferred()}).expired);
  CHECK(s.at(24h, {deferred()}).tell[0] == told::nothing);
  s.postmaster = path_of("postmaster@here.example");
  CHECK(s.at(1min, {bounced}).tell[0] == told::failed);
  CHECK(s.at(24h, {deferred()}).tell[0] == told::failed);
  CHECK(s.at(23h, {deferred()}).tell[0] == told::nothing);
  CHECK(s.at(1min, {delivered}).tell[0] == told::nothing);
  // On the way to him already: no loop.
  s.envelope.forward_paths[0] = path_of("postmaster@HERE.example");
  CHECK(s.at(1min, {bounced}).tell[0] == told::nothing);
}
