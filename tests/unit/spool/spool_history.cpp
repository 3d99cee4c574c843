#include "unit/spool/spool_history.hpp"

#include <algorithm>

namespace relais::testing {

using spool::recipient_status;

spool_history::spool_history(sim_disk& disk, std::uint64_t seed, history_kind kind,
                             std::function<void(disk_operation)> observer)
    : disk_(disk), random_(seed), kind_(std::move(kind)) {
  disk_.observe([this, observer = std::move(observer)](disk_operation what, std::string_view name) {
    if (observer) observer(what);
    if (!makes_segment(what, name)) interfere();
  });
  kind_.options.seed = random_.next();
  kind_.options.warn = [this](const std::string& sentence) { warnings_.push_back(sentence); };
  opened_ = open_spool({disk_, committer_, maintenance_, time_}, kind_.options);
}

void spool_history::complete(std::vector<spool::completion> batch) {
  if (disk_.is_off()) return;  // nobody is there to hear it
  ++calls_;
  for (const auto& c : batch) model_.answer(c.token, c.error);
}

void spool_history::play(int steps) {
  for (int i = 0; i < steps && opened_.store; ++i) {
    time_.elapsed += std::chrono::milliseconds(below(50));
    interference_ = 12;
    step();
  }
}

error_code spool_history::finish() {
  if (!opened_.store) return opened_.error;
  is_busy_ = true;
  const auto outcome = flush(true);
  run_maintenance(true);
  run_committer(true);
  opened_.store->close();
  end();
  return outcome;
}

void spool_history::end() {
  is_busy_ = true;
  uploads_.clear();
  opened_.store.reset();
  committer_.clear();
  maintenance_.clear();
}

void spool_history::step() {
  const auto what = below(100);
  if (what < 24) return append_some();
  if (what < 28) return append_report();
  if (what < 31) return begin_large();
  if (what < 36) return go_on_with_large();
  if (what < 56) return settle();
  if (what < 60) return remove_message();
  if (what < 63) return hold_or_release();
  if (what < 93) return work();
  if (what < 95) {
    (void)flush(one_in(2));
    return;
  }
  if (what < 98 || !kind_.has_restarts) return look();
  restart();
}

void spool_history::work() {
  const auto what = below(30);
  if (what < 13) {
    run_committer(false);
  } else if (what < 18) {
    run_committer(true);
  } else if (what < 25) {
    run_maintenance(false);
  } else if (what < 28) {
    run_maintenance(true);
  } else if (what < 29) {
    committer_.release_delayed();
  } else {
    maintenance_.release_delayed();
  }
}

void spool_history::run_committer(bool all) {
  committer_works_ = true;
  do {
  } while (committer_.run_one() && all);
  committer_works_ = false;
}

void spool_history::run_maintenance(bool all) {
  maintenance_works_ = true;
  do {
  } while (maintenance_.run_one() && all);
  maintenance_works_ = false;
}

/// The one thing that holds a lock across operations: another thread would wait for it.
bool spool_history::makes_segment(disk_operation what, std::string_view name) {
  if (what == disk_operation::open && name.starts_with("segments/")) {
    made_ = name;
    return true;
  }
  if (what == disk_operation::remove && name.starts_with("segments/")) return true;
  if (made_.empty()) return false;
  const bool is_last = what == disk_operation::sync_directory;
  const bool is_part = name == made_ || is_last;
  if (is_last || !is_part) made_.clear();
  return is_part;
}

/// Somebody is at the disk: the other threads go on.
void spool_history::interfere() {
  if (is_busy_ || !opened_.store || disk_.is_off() || !one_in(4)) return;
  if (--interference_ < 0) return;
  const auto what = below(6);
  if (what < 2 && !committer_works_) {
    run_committer(false);
  } else if (what == 2 && !maintenance_works_) {
    run_maintenance(false);
  } else if (what > 2) {
    is_busy_ = true;
    // Until it is enumerated nobody knows the messages of the life before.
    what == 3 || is_enumerating_ ? append_some() : settle();
    is_busy_ = false;
  }
}

std::size_t spool_history::some_size() {
  const auto limit = one_in(4) ? kind_.largest_content : kind_.largest_content / 16;
  return static_cast<std::size_t>(below(limit + 1));
}

void spool_history::append(std::size_t recipients, std::size_t size) {
  ++last_id_;
  auto m = make_message(last_id_, random_octets(last_id_, size), recipients);
  const auto token = model_.ask_append(m, m->content);
  opened_.store->append(append_of(std::move(m), token), *this);
}

void spool_history::append_some() {
  if (one_in(6)) {
    const auto count = 5 + below(20);
    for (std::uint64_t i = 0; i < count; ++i) append(1, static_cast<std::size_t>(below(20)));
    return;
  }
  append(1 + static_cast<std::size_t>(below(3)), some_size());
}

void spool_history::append_report() {
  ++last_id_;
  auto m = make_message(last_id_, random_octets(last_id_, some_size()));
  spool::append_request request;
  std::vector<spool_model::effect> effects;
  if (const auto id = some_message()) {
    auto [change, its_effects] = some_change(*id);
    request.together_with.push_back(std::move(change));
    effects = std::move(its_effects);
  }
  request.token = model_.ask_append(m, m->content, std::move(effects));
  request.content = std::move(m);
  opened_.store->append(std::move(request), *this);
}

void spool_history::begin_large() {
  auto m = make_message(++last_id_, {}, 1 + static_cast<std::size_t>(below(2)));
  auto writer = opened_.store->create_large(m->id);
  if (!writer) return;
  const auto size = static_cast<std::size_t>(below(3 * kind_.largest_content));
  auto& upload = uploads_.emplace_back();
  upload.message = std::move(m);
  upload.content = random_octets(last_id_, size);
  upload.writer = std::move(*writer);
}

/// One more piece of one upload; or its end; or it is abandoned, at any point.
void spool_history::go_on_with_large() {
  if (uploads_.empty()) return;
  const auto which = static_cast<std::ptrdiff_t>(below(uploads_.size()));
  auto& u = uploads_[static_cast<std::size_t>(which)];
  const auto size =
      std::min(u.content.size() - u.written, static_cast<std::size_t>(1 + below(12'000)));
  if (size > 0 && !one_in(8)) {
    if (!u.writer->write(std::string_view(u.content).substr(u.written, size))) {
      u.written += size;
      return;
    }
  } else if (size == 0) {
    const auto finished = u.writer->finish();
    u.writer.reset();
    if (finished && !one_in(5)) {
      u.message->large = *finished;
      const auto token = model_.ask_append(u.message, std::move(u.content));
      opened_.store->append(append_of(std::move(u.message), token), *this);
    }
  }
  uploads_.erase(uploads_.begin() + which);
}

std::optional<queue_id> spool_history::some_message() {
  const auto ids = model_.pending();
  if (ids.empty()) return {};
  // The young ones more often, as in life: some old ones stay for long.
  const auto among = one_in(3) ? ids.size() : std::min<std::size_t>(ids.size(), 8);
  return ids[ids.size() - 1 - static_cast<std::size_t>(below(among))];
}

std::pair<spool::state_change, std::vector<spool_model::effect>> spool_history::some_change(
    queue_id id) {
  spool::state_change change;
  change.id = id;
  std::vector<spool_model::effect> effects;
  const auto pending = model_.pending_recipients(id);
  const auto first = static_cast<std::size_t>(below(pending.size()));
  const auto count = one_in(3) ? pending.size() : first + 1;
  for (auto r = count == pending.size() ? 0 : first; r < count; ++r) {
    const auto status = one_in(3)   ? recipient_status::pending
                        : one_in(4) ? recipient_status::bounced
                                    : recipient_status::delivered;
    effects.push_back(model_.add_state(change, pending[r], status,
                                       static_cast<std::size_t>(one_in(9) ? below(400) : 20)));
  }
  return {std::move(change), std::move(effects)};
}

void spool_history::ask_settle(spool::state_change change,
                               std::vector<spool_model::effect> effects) {
  const bool is_lazy = !one_in(3);
  const auto token = model_.ask_settle(std::move(effects), is_lazy);
  if (is_lazy) {
    opened_.store->settle(std::move(change));
  } else {
    opened_.store->settle(std::move(change), token, *this);
  }
}

void spool_history::settle() {
  const auto id = some_message();
  if (!id) return;
  auto [change, effects] = some_change(*id);
  ask_settle(std::move(change), std::move(effects));
}

void spool_history::remove_message() {
  const auto id = some_message();
  if (!id) return;
  spool::state_change change;
  change.id = *id;
  std::vector<spool_model::effect> effects;
  for (const auto r : model_.pending_recipients(*id))
    effects.push_back(model_.add_state(change, r, recipient_status::removed, 0));
  ask_settle(std::move(change), std::move(effects));
}

void spool_history::hold_or_release() {
  const auto id = some_message();
  if (!id) return;
  spool::state_change change;
  change.id = *id;
  auto effect = model_.add_hold(change, !model_.is_held(*id));
  ask_settle(std::move(change), {effect});
}

error_code spool_history::flush(bool and_wait) {
  auto outcome = std::make_shared<error_code>(errc::busy);
  opened_.store->flush([this, outcome, token = model_.ask_flush()](error_code error) {
    *outcome = error;
    if (!disk_.is_off()) model_.answer(token, error);
  });
  if (and_wait) run_committer(true);
  return *outcome;
}

void spool_history::look() {
  const auto id = some_message();
  if (!id) return;
  for (auto& sentence : model_.check(*id, opened_.store->look_up(*id)))
    broken_.push_back("look_up: " + sentence);
  if (kind_.reads_fail) return;
  is_busy_ = true;
  model_.check_content(*opened_.store, *id, broken_);
  is_busy_ = false;
}

void spool_history::restart() {
  const auto how = below(4);
  if (how == 0) {
    (void)finish();
  } else {
    // The end comes in the middle of something, or not.
    disk_.cut_power_after(below(10));
    is_busy_ = one_in(2);
    if (one_in(2)) run_maintenance(true);
    if (one_in(2)) run_committer(true);
    disk_.cut_power_after(0);
    end();
    how == 1 ? disk_.restart() : disk_.crash(random_.next());
  }
  open_again();
}

void spool_history::open_again() {
  kind_.options.seed = random_.next();  // two lives with the same salts would believe each other
  opened_ = open_only({disk_, committer_, maintenance_, time_}, kind_.options);
  if (!opened_.store) {
    broken_.push_back("closed: " + opened_.error.message() + ", " + opened_.why);
    return;
  }
  // The daemon listens while it still enumerates.
  strictness how;
  how.fresh_from = queue_id{last_id_ + 1};
  for (auto fresh = below(4); fresh > 0; --fresh) {
    append(1, some_size());
    if (one_in(2)) run_committer(false);
  }
  if (one_in(3)) begin_large();
  if (one_in(2)) go_on_with_large();
  is_busy_ = false;
  is_enumerating_ = true;
  opened_.enumerate();
  is_enumerating_ = false;
  is_busy_ = true;
  for (auto& sentence : model_.check(opened_, how)) broken_.push_back("restart: " + sentence);
  model_.adopt(opened_, how.fresh_from);
  is_busy_ = false;
  if (opened_.error) end();
}

}  // namespace relais::testing
