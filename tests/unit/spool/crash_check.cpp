#include "unit/spool/crash_check.hpp"

namespace relais::testing {

using spool::recipient_status;

/// A process that recovers the spool of one disk.
struct crash_check::life {
  life(sim_disk& d, const spool::store_options& options) : disk(d) {
    opened = open_spool({disk, committer, maintenance, time}, options);
  }
  void work() {
    while (committer.waiting() + maintenance.waiting() > 0) {
      committer.run_all();
      maintenance.run_all();
    }
  }
  sim_disk& disk;
  manual_runner committer;
  manual_runner maintenance;
  manual_clock time;
  recording_sink sink;
  opened_spool opened;
};

crash_check::crash_check(const sim_disk& disk, const spool_model& model,
                         spool::store_options options)
    : disk_(disk), model_(model), options_(std::move(options)) {
  options_.fault = spool::known_fault::none;
  options_.warn = {};
}

void crash_check::add(const std::vector<std::string>& sentences, const char* when) {
  for (const auto& s : sentences) broken_.push_back(s + when);
}

bool crash_check::crash_now(std::uint64_t seed) {
  ++crashes_;
  const auto before = broken_.size();
  seeded_random choice(seed);
  const auto disk = disk_.crashed_copy(choice.next());
  if (choice.below(4) == 0) crash_during_recovery(*disk, choice);
  std::string said;
  {
    life first(*disk, options_);
    add(model_.check(first.opened), "");
    if (!first.opened.store || first.opened.error) return false;
    for (const auto& [id, m] : first.opened.found)
      model_.check_content(*first.opened.store, id, broken_);
    said = fingerprint(first.opened);
    from_checkpoint_ += first.opened.report.from_checkpoint ? 1 : 0;
    messages_found_ += first.opened.found.size();
    if (choice.below(2) == 0) first.work();
  }
  if (choice.below(3) == 0) {
    disk->crash(choice.next());
    compare(*disk, said, ", at the second recovery");
  }
  if (choice.below(2) == 0) {
    for (const auto& name : disk->files())
      if (name.starts_with("checkpoint")) disk->take_away(name);
    compare(*disk, said, ", at a full scan");
    ++scans_;
  }
  if (choice.below(6) == 0) use(*disk, choice);
  return broken_.size() == before;
}

void crash_check::crash_during_recovery(sim_disk& disk, random& choice) const {
  disk.cut_power_after(choice.below(60));
  {
    life cut(disk, options_);
    if (choice.below(2) == 0) cut.work();
  }
  disk.crash(choice.next());
}

void crash_check::compare(sim_disk& disk, const std::string& said, const char* what) {
  life again(disk, options_);
  add(model_.check(again.opened), what);
  if (again.opened.store && fingerprint(again.opened) != said)
    broken_.push_back(std::string("differs: what is found") + what);
}

/// After recovery the spool takes a message, ends another, and finds both facts again.
void crash_check::use(sim_disk& disk, random& choice) {
  const queue_id fresh{1'000'000};
  std::optional<queue_id> ended;
  {
    life now(disk, options_);
    auto& store = *now.opened.store;
    store.append(append_of(make_message(fresh.value, "a new life"), 1), now.sink);
    if (!now.opened.found.empty()) {
      const auto& [id, m] = *now.opened.found.begin();
      ended = id;
      spool::state_change change;
      change.id = id;
      for (std::uint32_t r = 0; r < m.recipients.size(); ++r) {
        auto one = change_of(id, r, recipient_status::delivered, 900);
        change.entries.push_back(one.entries[0]);
      }
      store.settle(std::move(change), 2, now.sink);
    }
    now.work();
    store.flush([](error_code) {});
    now.work();
    if (now.sink.outcomes.size() != (ended ? 2u : 1u)) broken_.push_back("unanswered, after use");
    for (const auto& [token, error] : now.sink.outcomes)
      if (error) broken_.push_back("useless: " + error.message());
    if (choice.below(2) == 0) store.close();
  }
  disk.crash(choice.next());
  const life after(disk, options_);
  if (!after.opened.found.contains(fresh)) broken_.push_back("lost what came after a recovery");
  if (ended && after.opened.found.contains(*ended))
    broken_.push_back("resurrected " + ended->text() + ", after use");
}

}  // namespace relais::testing
