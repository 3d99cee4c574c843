// Jobs that go back into the schedule. See the header of engine.hpp.
#include <algorithm>

#include "base/error.hpp"
#include "delivery/engine_tenure.hpp"

namespace relais::delivery {

using queue::destination;
using queue::destination_state;

verdict engine::unreadable(queue_id id, error_code why) {
  verdict v(outcome::deferred, blame::message, "4.3.0",
            "the stored message cannot be read: " + why.message());
  events_.emit(events::notice{"qmgr", true, id.text() + ": " + v.reason});
  return v;
}

// `for_destination`: the message itself is not to blame. `is_lost`: it may have been delivered, so
// nobody gets it before its time, the fallback neither (RFC 1047).
void engine::come_back(destination& to, parcel& p, remainder rest, bool for_destination,
                       bool is_lost) {
  auto job = std::move(p.job);
  const bool is_untried = p.how.is_untried;
  p.clear();
  if (rest.recipients.empty()) return scheduler_.finished(to, job);
  job.recipients = std::move(rest.recipients);
  job.attempts = rest.attempts;
  job.warnings = rest.warnings;
  const auto due = scheduler_.due_at(rest.next_attempt);
  if (!is_lost && scheduler_.wants_fallback(to, job)) {
    take_fallback(to, std::move(job));
  } else if (!for_destination || to.state() == destination_state::open) {
    scheduler_.postpone(to, std::move(job), due);
  } else {
    const auto deadline = is_untried ? due : scheduler_.deadline(to, job);
    scheduler_.stall(to, std::move(job), deadline);
  }
}

void engine::put_back(destination& to, parcel& p) {
  auto job = std::move(p.job);
  p.clear();
  scheduler_.put_back(to, std::move(job));
}

void engine::later(destination& to, parcel& p, duration wait) {
  auto job = std::move(p.job);
  p.clear();
  scheduler_.postpone(to, std::move(job), world_.clock.now() + wait);
}

void engine::take_fallback(destination& to, queue::delivery_job job) {
  const auto sentence =
      job.message->id.text() + ": from now on by the fallback of " + routes_.at(to.hop).name;
  events_.emit(events::notice{"qmgr", false, sentence});
  dispatcher_.to_fallback(to, std::move(job));
}

}  // namespace relais::delivery
