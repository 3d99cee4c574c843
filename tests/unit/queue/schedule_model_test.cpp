// Random operations on the schedule and on its naive model, thousands of histories.
#include "unit/queue/schedule_model.hpp"

#include <algorithm>
#include <catch2/catch.hpp>

namespace relais::testing {
namespace {

using namespace std::chrono_literals;
using state = queue::job_view::state;

class history {
 public:
  explicit history(std::uint64_t seed) : random_(seed) {
    for (const auto* domain : {"a.example", "b.example", "primary.example", "other.example"})
      hops_.push_back(scene_.hop(domain));
  }

  void step() {
    scene_.woken.clear();
    switch (random_.below(24)) {
      case 0:
      case 1:
      case 2:
      case 3:
      case 4:
      case 5: add(); break;
      case 6:
      case 7:
      case 8: take(false); break;
      case 9:
      case 10: take(true); break;
      case 11:
      case 12:
      case 13:
      case 14: give_back(); break;
      case 15:
      case 16:
      case 17: change_state(); break;
      case 18:
      case 19:
      case 20: advance(); break;
      case 21: change_spool(); break;
      case 22: operate(); break;
      case 23:
        if (auto* d = scene_.scheduler.find(any_hop())) scene_.scheduler.release(*d);
        break;
    }
    settle();
    compare();
  }

 private:
  const policy::next_hop& any_hop() { return hops_.at(random_.below(hops_.size())); }
  duration some_time() {
    constexpr std::array times{1s, 10s, 600s, 600s, 3600s, 7200s, 18000s, 40000s, 200000s};
    return times.at(random_.below(times.size())) - std::chrono::milliseconds(random_.below(999));
  }
  std::optional<queue_id> any_job(bool in_hand) {
    std::vector<queue_id> some;
    for (const auto& [id, job] : model_.jobs)
      if ((job.state == state::in_hand) == in_hand) some.push_back(id);
    if (some.empty()) return {};
    return some.at(random_.below(some.size()));
  }

  void add() {
    model_job job;
    job.hop = any_hop();
    job.id = scene_.message(1 + random_.below(3), random_.below(8) == 0 ? "" : "a@s.example");
    auto fresh = random_.below(3) == 0 ? scene_.hot(job.id) : scene_.cold(job.id);
    job.recipients = fresh.recipients;
    job.message = fresh.message;
    job.is_report = fresh.is_report;
    job.flow = static_cast<unsigned>(random_.below(4));
    fresh.sender_hash = hash_of_flow(job.flow);
    job.lane = random_.below(3);
    fresh.priority = static_cast<std::int8_t>(3 * (1 - static_cast<int>(job.lane)));
    fresh.attempts = job.attempts = static_cast<std::uint32_t>(random_.below(4));
    fresh.warnings = static_cast<std::uint8_t>(random_.below(2));
    job.warnings = fresh.warnings;
    const auto due = random_.below(2) == 0 ? -1s : some_time();
    fresh.due = scene_.wall_in(due);
    model_.add(job, scene_.in(std::max<duration>(due, 0s)));
    scene_.scheduler.add(job.hop, std::move(fresh));
  }

  void take(bool overdue) {
    auto* d = scene_.scheduler.find(any_hop());
    if (d == nullptr) return;
    const auto hop = d->hop;
    const auto expected = overdue ? model_.take_overdue(hop) : model_.take(hop);
    auto taken = overdue ? scene_.scheduler.take_overdue(*d) : scene_.scheduler.take(*d);
    REQUIRE(taken.has_value() == expected.has_value());
    if (!taken) return;
    REQUIRE(taken->message->id == expected->id);
    REQUIRE(taken->recipients == expected->recipients);
    REQUIRE(taken->attempts == expected->attempts);
    REQUIRE(taken->warnings == expected->warnings);
    if (expected->message) REQUIRE(taken->message == expected->message);
    if (expected->state == state::ready) REQUIRE(taken->ready_since == expected->at);
    in_hand_.emplace(expected->id, std::move(*taken));
  }

  void give_back() {
    const auto id = any_job(true);
    if (!id) return;
    auto job = std::move(in_hand_.extract(*id).mapped());
    auto& known = model_.jobs.at(*id);
    auto& d = *scene_.scheduler.find(known.hop);
    const auto what = random_.below(4);
    if (what < 2) {
      job.attempts = known.attempts = known.attempts + static_cast<std::uint32_t>(random_.below(2));
      if (job.recipients.size() > 1 && random_.below(2) == 0) {
        job.recipients.pop_back();
        known.recipients = job.recipients;
      }
      if (scene_.scheduler.deadline(d, job) <= scene_.clock.now()) ++job.warnings, ++known.warnings;
    }
    if (what == 0) {
      const auto due = scene_.in(random_.below(4) == 0 ? 0s : some_time());
      model_.postpone(*id, due);
      scene_.scheduler.postpone(d, std::move(job), due);
    } else if (what == 1) {
      auto until = scene_.scheduler.deadline(d, job);
      REQUIRE(until == model_.deadline(known));
      if (random_.below(3) == 0) until = std::min(until, scene_.in(some_time()));
      model_.stall(*id, until);
      scene_.scheduler.stall(d, std::move(job), until);
    } else if (what == 2) {
      known.message = job.message;
      known.at = job.ready_since;
      model_.put_back(*id);
      scene_.scheduler.put_back(d, std::move(job));
    } else {
      model_.finished(*id);
      scene_.scheduler.finished(d, job);
    }
  }

  void change_state() {
    const auto& hop = any_hop();
    auto* d = scene_.scheduler.find(hop);
    const auto what = random_.below(8);
    const auto until = scene_.in(some_time());
    if (what == 0) {
      model_.suspend(hop);
      scene_.scheduler.suspend(hop);
    } else if (d == nullptr) {
      scene_.scheduler.resume(hop);
    } else if (what < 4) {
      model_.down(hop, until);
      scene_.scheduler.down(*d, until, "down");
    } else if (what == 4) {
      model_.pause(hop, until);
      scene_.scheduler.pause(*d, until, "paused");
    } else if (what == 5) {
      model_.resume(hop);
      scene_.scheduler.resume(hop);
    } else {
      model_.up(hop);
      scene_.scheduler.up(*d);
    }
  }

  void advance() {
    const auto end = scene_.in(random_.below(8) == 0 ? 40h : some_time());
    for (auto next = model_.next_event(); next && *next <= end; next = model_.next_event()) {
      const auto by = std::max<duration>(*next - scene_.clock.now(), 0s);
      scene_.clock.elapsed += by;
      model_.pass_time();
      scene_.clock.elapsed -= by;
      scene_.advance(by);
    }
    scene_.advance(end - scene_.clock.now());
  }

  void change_spool() {
    if (scene_.store.all.empty()) return;
    auto any = scene_.store.all.begin();
    std::advance(any, static_cast<int>(random_.below(scene_.store.all.size())));
    const auto what = random_.below(3);
    if (what == 0) any->second.is_held = !any->second.is_held;
    if (what == 1) any->second.recipients.front().status = spool::recipient_status::delivered;
    if (what == 2 && !any_in_hand(any->first)) scene_.store.all.erase(any);
  }
  bool any_in_hand(queue_id id) const { return in_hand_.contains(id); }

  void operate() {
    const auto id = any_job(random_.below(3) == 0);
    if (!id) return;
    const std::unordered_set<queue_id> ids{*id};
    const bool hurries = random_.below(2) == 0;
    if (hurries)
      model_.hurry(*id);
    else
      model_.withdraw(*id);
    const auto piece = 1 + random_.below(300);
    std::uint32_t at = 0;
    do {
      at = hurries ? scene_.scheduler.hurry(at, piece, &ids)
                   : scene_.scheduler.withdraw(at, piece, ids);
    } while (at != 0);
  }

  /// What is to be done soon is done now; and who has something to do has been told.
  void settle() {
    model_.pass_time();
    scene_.advance(0s);
    for (const auto& name : scene_.woken) told_.insert(name);
    for (const auto& hop : hops_) {
      const auto* d = scene_.scheduler.find(hop);
      const bool is_busy = d != nullptr && (d->has_work(scene_.clock.now()) || d->has_overdue());
      if (!is_busy)
        told_.erase(scene_.name(hop));
      else
        REQUIRE(told_.contains(scene_.name(hop)));
    }
  }

  void compare() {
    REQUIRE(scene_.scheduler.jobs() == model_.jobs.size());
    std::size_t seen = 0;
    std::uint32_t at = 0;
    do {
      at = scene_.scheduler.visit(at, 700, [&](const queue::job_view& job) {
        ++seen;
        const auto& known = model_.jobs.at(job.id);
        REQUIRE(job.hop == known.hop);
        REQUIRE(job.is == known.state);
        if (job.is != state::in_hand) REQUIRE(job.due == known.at);
        if (job.is != state::in_hand) REQUIRE(job.attempts == known.attempts);
        REQUIRE(scene_.scheduler.is_withdrawn(job.id) == known.is_withdrawn);
      });
    } while (at != 0);
    REQUIRE(seen == model_.jobs.size());
    for (auto& [hop, known] : model_.destinations) {
      const auto* d = scene_.scheduler.find(hop);
      if (d == nullptr) {
        const bool is_idle = std::ranges::none_of(
            model_.jobs, [&h = hop](const auto& j) { return j.second.hop == h; });
        REQUIRE(is_idle);
        REQUIRE(known.state != queue::destination_state::suspended);
        if (known.state != queue::destination_state::open)
          REQUIRE(known.until <= scene_.clock.now());
        known = model_destination();
        continue;
      }
      REQUIRE(d->state() == known.state);
      REQUIRE(d->failures() == known.failures);
      if (known.state != queue::destination_state::open) REQUIRE(d->until() == known.until);
      REQUIRE(d->ready() == model_.count(hop, state::ready));
      REQUIRE(d->waiting() == model_.count(hop, state::waiting));
      REQUIRE(d->stalled() == model_.count(hop, state::stalled));
      REQUIRE(d->in_hand() == model_.count(hop, state::in_hand));
      REQUIRE(d->has_work(scene_.clock.now()) == model_.has_work(hop));
      REQUIRE(d->has_overdue() == model_.has_overdue(hop));
    }
  }

  schedule_scene scene_;
  schedule_model model_{scene_};
  seeded_random random_;
  std::vector<policy::next_hop> hops_;
  std::map<queue_id, queue::delivery_job> in_hand_;
  std::set<std::string> told_;
};

TEST_CASE("schedule: random histories agree with a naive model") {
  for (std::uint64_t seed = 1; seed <= 1000; ++seed) {
    INFO("seed " << seed);
    history h(seed);
    for (int step = 0; step < 150; ++step) {
      INFO("step " << step);
      h.step();
    }
  }
}

}  // namespace
}  // namespace relais::testing
