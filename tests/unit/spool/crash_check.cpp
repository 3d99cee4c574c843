#include "unit/spool/crash_check.hpp"

#include <set>

namespace relais::testing {

using spool::recipient_status;

/// A process that recovers the spool of one disk.
struct crash_check::life {
  life(sim_disk& d, spool::store_options options, std::uint64_t seed) : disk(d) {
    options.seed = seed;
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
    life first(*disk, options_, choice.next());
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
    remove_checkpoints(*disk);
    compare(*disk, said, ", at a full scan");
    ++scans_;
  }
  if (choice.below(6) == 0) use(*disk, choice);
  return broken_.size() == before;
}

void crash_check::crash_during_recovery(sim_disk& disk, random& choice) const {
  disk.cut_power_after(choice.below(60));
  {
    life cut(disk, options_, choice.next());
    if (choice.below(2) == 0) cut.work();
  }
  disk.crash(choice.next());
}

void crash_check::compare(sim_disk& disk, const std::string& said, const char* what) {
  life again(disk, options_, crashes_ + 0x5eed);
  add(model_.check(again.opened), what);
  if (again.opened.store && fingerprint(again.opened) != said)
    broken_.push_back(std::string("differs: what is found") + what);
}

namespace {

spool::state_change end_of(queue_id id, std::size_t recipients) {
  spool::state_change change;
  change.id = id;
  for (std::uint32_t r = 0; r < recipients; ++r)
    change.entries.push_back(change_of(id, r, recipient_status::delivered, 900).entries[0]);
  return change;
}

}  // namespace

/// After recovery the spool goes on: messages come and leave, segments are freed and written again.
/// Then the power goes once more, and what is there is exactly what is left.
void crash_check::use(sim_disk& disk, random& choice) {
  std::set<queue_id> expected;
  {
    life now(disk, options_, choice.next());
    auto& store = *now.opened.store;
    std::uint64_t asked = 0;
    for (const auto& [id, m] : now.opened.found) {
      if (choice.below(2) == 0) {
        store.settle(end_of(id, m.recipients.size()), ++asked, now.sink);
      } else {
        expected.insert(id);
      }
    }
    for (std::uint64_t fresh = 1'000'000; fresh < 1'000'012; ++fresh) {
      const auto size = static_cast<std::size_t>(choice.below(6000));
      store.append(append_of(make_message(fresh, random_octets(fresh, size)), ++asked), now.sink);
      now.work();
      if (choice.below(3) != 0) {
        store.settle(end_of(queue_id{fresh}, 1), ++asked, now.sink);
      } else {
        expected.insert(queue_id{fresh});
      }
    }
    store.flush([](error_code) {});
    now.work();
    if (now.sink.outcomes.size() != asked) broken_.push_back("unanswered, after use");
    for (const auto& [token, error] : now.sink.outcomes)
      if (error) broken_.push_back("useless: " + error.message());
    if (choice.below(2) == 0) store.close();
  }
  disk.crash(choice.next());
  if (choice.below(2) == 0) remove_checkpoints(disk);
  life after(disk, options_, choice.next());
  if (!after.opened.store) return broken_.push_back("closed, after use");
  for (const auto& [id, m] : after.opened.found) {
    if (!expected.contains(id)) broken_.push_back("resurrected " + id.text() + ", after use");
    if (id.value < 1'000'000) model_.check_content(*after.opened.store, id, broken_);
  }
  for (const auto id : expected)
    if (!after.opened.found.contains(id)) broken_.push_back("lost " + id.text() + ", after use");
  for (const auto& sentence : after.opened.report.damaged)
    broken_.push_back("damage: " + sentence + ", after use");
}

}  // namespace relais::testing
