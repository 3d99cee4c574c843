#include "spool/committer.hpp"

#include <algorithm>
#include <chrono>

#include "base/error.hpp"

namespace relais::spool {
namespace {

/// More states than that do not wait for company.
constexpr std::size_t most_lazy = 4096;
constexpr auto check_interval = std::chrono::seconds(1);
/// A disk that fails again and again is not believed for ever.
constexpr std::uint64_t most_write_errors = 16;
constexpr std::size_t most_likely = 1024;
constexpr auto slow_commit = std::chrono::microseconds(500);
constexpr int pause_share = 16;

std::uint64_t octets_of(const append_request& request) noexcept {
  return request.content->content.size() + block_size;
}

}  // namespace

// --- the queue

template <class Add>
committer::wake committer::enqueue(bool is_urgent, Add add) {
  const std::lock_guard lock(mutex_);
  add();
  if (job_waits_) return wake::none;
  if (is_urgent && queue_.flushes.empty() && queue_.appends.size() < expected_) {
    return std::exchange(pause_waits_, true) ? wake::none : wake::soon;
  }
  if (is_urgent || queue_.changes.size() > most_lazy) {
    job_waits_ = true;
    return wake::now;
  }
  return std::exchange(timer_waits_, true) ? wake::none : wake::later;
}

committer::wake committer::submit(queued_append append) {
  state_.queued_octets += octets_of(append.request);
  return enqueue(true, [&] {
    append.order = ++last_order_;
    queue_.appends.push_back(std::move(append));
  });
}

committer::wake committer::submit(queued_change change) {
  return enqueue(change.sink != nullptr, [&] {
    change.order = ++last_order_;
    queue_.changes.push_back(std::move(change));
  });
}

committer::wake committer::submit(flush_handler done) {
  return enqueue(true, [&] { queue_.flushes.push_back(std::move(done)); });
}

bool committer::begin_delayed(wake which) {
  const std::lock_guard lock(mutex_);
  if (which == wake::soon) {
    pause_waits_ = false;
    expected_ = 0;
  } else {
    timer_waits_ = false;
  }
  if (job_waits_ || queue_.empty()) return false;
  return job_waits_ = true;
}

/// Whoever was answered comes back at once, and would wait for a whole batch of the others, who
/// came while it was written: two halves that never meet, and two syncs where one would do. Where a
/// commit is slow, a pause that is short beside it lets them meet. A lone client never waits.
std::size_t committer::worth_a_pause(std::size_t queued) const noexcept {
  const auto all = batch_appends_ + queued;
  if (all < 2 || turn_time_ < slow_commit || queued * 4 >= all * 3) return 0;
  return all * 9 / 10;
}

committer::wake committer::next() {
  const std::lock_guard lock(mutex_);
  // What was kept for later waits for the timer.
  const bool waits =
      std::ranges::any_of(queue_.changes, [](const queued_change& c) { return c.sink != nullptr; });
  expected_ = worth_a_pause(queue_.appends.size());
  pause_ = turn_time_.count() / pause_share;
  if (!queue_.appends.empty() || !queue_.flushes.empty() || (waits && !keeps_for_later_)) {
    job_waits_ = expected_ == 0 || !queue_.flushes.empty();
    if (job_waits_) return wake::now;
    return std::exchange(pause_waits_, true) ? wake::none : wake::soon;
  }
  job_waits_ = false;
  if (queue_.changes.empty()) return wake::none;
  return std::exchange(timer_waits_, true) ? wake::none : wake::later;
}

/// The vectors change places with those of the last turn, whose memory is used again.
void committer::take() {
  taken_.clear();
  const std::lock_guard lock(mutex_);
  keeps_for_later_ = false;
  std::swap(queue_, taken_);
}

void committer::keep_for_later(waiting& w) {
  if (w.changes.empty()) return;
  const std::lock_guard lock(mutex_);
  keeps_for_later_ = true;
  w.changes.insert(w.changes.end(), std::make_move_iterator(queue_.changes.begin()),
                   std::make_move_iterator(queue_.changes.end()));
  queue_.changes = std::move(w.changes);
}

/// Like a lazy change of a caller.
void committer::put_later(queued_change change) {
  const std::lock_guard lock(mutex_);
  change.order = ++last_order_;
  queue_.changes.push_back(std::move(change));
}

// --- a turn of work

void committer::work() {
  take();
  auto& w = taken_;
  state_.look_at_space();
  check_directory();
  if (!state_.has_failed) refuse_unfit(w);
  batch_appends_ = w.appends.size();
  const auto began = state_.world.time.now();
  error_code error;
  while (!state_.has_failed && !error &&
         (w.has_appends() || !w.changes.empty() || !withdrawals_.empty())) {
    error = commit_some(w);
  }
  turn_time_ = state_.world.time.now() - began;
  if (state_.has_failed) {
    error = errc::io_error;
    give_up(w, error);
  }
  answers_.deliver();
  keep_for_later(w);
  for (const auto& done : w.flushes) done(error);
}

void committer::check_directory() {
  const auto now = state_.world.time.now();
  const bool is_due = !last_check_ || now - *last_check_ >= check_interval;
  if (state_.has_failed || (!is_due && writer_.is_open())) return;
  last_check_ = now;
  const auto gone = state_.world.storage.verify();
  if (gone != errc::not_found && writer_.has_name()) return;
  state_.has_failed = true;
  state_.warn(
      "the spool's directory or the file being written is gone: nothing is accepted any more, "
      "restart relaisd when it is back");
}

void committer::refuse_unfit(waiting& w) {
  if (w.appends.empty()) return;
  refused_.assign(w.appends.size(), {});
  {
    const std::lock_guard lock(state_.mutex);
    for (std::size_t i = 0; i < w.appends.size(); ++i) refused_[i] = refusal(w.appends[i]);
  }
  refuse_repeated(w);
  if (std::ranges::none_of(refused_, [](const error_code& e) { return e.failed(); })) return;
  for (std::size_t i = 0; i < w.appends.size(); ++i)
    if (refused_[i]) answer(w.appends[i], refused_[i]);
  // The answered ones have no request any more.
  std::erase_if(w.appends, [](const queued_append& a) { return a.request.content == nullptr; });
}

/// Of two messages with one id the first one stays.
void committer::refuse_repeated(const waiting& w) {
  const auto id_of = [&](std::size_t i) { return w.appends[i].request.content->id; };
  bool ascending = true;
  for (std::size_t i = 1; i < w.appends.size() && ascending; ++i)
    ascending = id_of(i - 1) < id_of(i);
  if (ascending) return;  // as ids are given; a few come late
  by_id_.resize(w.appends.size());
  for (std::size_t i = 0; i < by_id_.size(); ++i) by_id_[i] = {id_of(i), i};
  std::ranges::sort(by_id_);
  for (std::size_t i = 1; i < by_id_.size(); ++i) {
    auto& refused = refused_[by_id_[i].second];
    if (by_id_[i].first == by_id_[i - 1].first && !refused) refused = errc::exists;
  }
}

/// Mutex held.
error_code committer::refusal(const queued_append& a) {
  if (a.text.empty()) return errc::syntax;
  const auto octets = octets_of(a.request);
  const auto record = record_header_size + a.text.size() + a.request.content->content.size();
  if (record + block_size + batch::overhead > state_.options.segment_size) return errc::no_space;
  if (!state_.would_fit(octets)) return errc::no_space;
  return state_.index.find(a.request.content->id) != nullptr ? error_code(errc::exists)
                                                             : error_code();
}

void committer::answer(queued_append& a, error_code error) {
  state_.queued_octets -= octets_of(a.request);
  answers_.add(a.sink, a.request.token, error);
  if (error && a.request.content->large) {
    const std::lock_guard lock(state_.mutex);
    // Unless the id is that of another message, which has the file.
    if (error != errc::exists) state_.large_to_remove.push_back(a.request.content->id);
    state_.maintenance_due = true;
  }
  a.request = {};
}

void committer::refuse_appends(waiting& w, error_code why) {
  for (; w.has_appends(); ++w.next_append) answer(w.appends[w.next_append], why);
}

void committer::give_up(waiting& w, error_code why) {
  refuse_appends(w, why);
  for (auto& c : w.changes) answers_.add(c.sink, c.token, why);
  w.changes.clear();
  withdrawals_.clear();
}

void committer::fail(error_code why) {
  const auto number = writer_.target().number();
  writer_.fail(why);
  for (const auto& placed : appends_) {
    withdrawals_.emplace_back(placed.append->request.content->id, number);
    answer(*placed.append, why);
  }
  // The batch may be found whole by a later start all the same. What was to be stored together with
  // the refused must not count then: newer states say what held before.
  for (const auto& g : groups_) {
    if (!g.is_tied || !g.is_written) continue;
    queued_change before;
    before.change.id = g.id;
    before.is_restoring = true;
    put_later(std::move(before));
  }
  {
    const std::lock_guard lock(state_.mutex);
    state_.sequence_in_flight = 0;
    for (const auto& [entry, change] : leavers_) entry->is_leaving = false;
  }
  state_.is_doubtful = true;
  if (++failures_in_a_row_ < 2 && state_.write_errors < most_write_errors) return;
  state_.has_failed = true;
  state_.warn("the spool's disk has failed: nothing can be recorded any more (" + why.message() +
              ")");
}

// --- answers

void committer::answers::add(completion_sink* sink, std::uint64_t token, error_code error) {
  if (sink == nullptr) return;
  auto at = std::ranges::find(batches_, sink,
                              &std::pair<completion_sink*, std::vector<completion>>::first);
  if (at == batches_.end()) {
    at = batches_.insert(at, {sink, {}});
    at->second.reserve(likely_);
  }
  at->second.push_back({token, error});
}

void committer::answers::deliver() {
  for (auto& [sink, batch] : batches_) {
    likely_ = std::min(batch.size(), most_likely);
    sink->complete(std::move(batch));
  }
  batches_.clear();
}

}  // namespace relais::spool
