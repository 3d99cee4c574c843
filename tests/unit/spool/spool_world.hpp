// A spool on a simulated disk, driven by hand: the runners do their jobs when the test says so, the
// clock stands still until it is moved, the sink remembers every completion.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/error.hpp"
#include "spool/store.hpp"
#include "support/sim_disk.hpp"

namespace relais::testing {

class manual_runner final : public spool::runner {
 public:
  void run(std::function<void()> job) override { jobs_.push_back(std::move(job)); }
  /// Delayed jobs wait until release_delayed() makes them due.
  void run_after(duration, std::function<void()> job) override {
    delayed_.push_back(std::move(job));
  }
  std::size_t waiting() const { return jobs_.size(); }
  std::size_t delayed() const { return delayed_.size(); }
  bool run_one() {
    if (jobs_.empty()) return false;
    auto job = std::move(jobs_.front());
    jobs_.pop_front();
    job();
    return true;
  }
  void run_all() {
    while (run_one()) {
    }
  }
  /// What is delayed takes its place in the order now.
  void release_delayed() {
    for (auto& job : std::exchange(delayed_, {})) jobs_.push_back(std::move(job));
  }
  void run_delayed() {
    release_delayed();
    run_all();
  }
  /// The process is gone, and its jobs with it.
  void clear() {
    jobs_.clear();
    delayed_.clear();
  }

 private:
  std::deque<std::function<void()>> jobs_;
  std::deque<std::function<void()>> delayed_;
};

class manual_clock final : public clock {
 public:
  steady_time now() const override { return steady_time(elapsed); }
  wall_time wall() const override {
    return wall_time(std::chrono::seconds(1'800'000'000)) +
           std::chrono::duration_cast<std::chrono::microseconds>(elapsed);
  }
  duration elapsed{std::chrono::hours(1)};
};

class recording_sink final : public spool::completion_sink {
 public:
  void complete(std::vector<spool::completion> batch) override {
    ++calls;
    for (const auto& c : batch) {
      ++answers;
      outcomes[c.token] = c.error;
    }
  }
  std::map<std::uint64_t, error_code> outcomes;
  int calls = 0;
  int answers = 0;  ///< more than outcomes: somebody was answered twice
};

inline smtp::path address(const std::string& text) {
  return smtp::parse_address(text).value();
}

inline std::shared_ptr<spool::message> make_message(std::uint64_t id, std::string content,
                                                    std::size_t recipients = 1) {
  auto m = std::make_shared<spool::message>();
  m->id = queue_id{id};
  m->arrival = wall_time(std::chrono::seconds(1'800'000'000 + static_cast<int>(id % 1000)));
  m->envelope.reverse_path = id % 7 == 0 ? smtp::path() : address("sender@client.example");
  m->envelope.body = id % 2 == 0 ? smtp::body_type::eight_bit_mime : smtp::body_type::seven_bit;
  m->envelope.smtputf8 = id % 5 == 0;
  for (std::size_t i = 0; i < recipients; ++i)
    m->envelope.forward_paths.push_back(address("r" + std::to_string(i) + "@rcpt.example"));
  m->content = std::move(content);
  return m;
}

inline spool::append_request append_of(std::shared_ptr<const spool::message> m,
                                       std::uint64_t token) {
  spool::append_request request;
  request.content = std::move(m);
  request.token = token;
  return request;
}

inline spool::state_change change_of(queue_id id, std::uint32_t recipient,
                                     spool::recipient_status status, std::uint32_t attempts = 1,
                                     std::string diagnostic = "451 later") {
  spool::state_change change;
  change.id = id;
  auto& e = change.entries.emplace_back();
  e.recipient = recipient;
  e.state.status = status;
  e.state.attempts = attempts;
  e.state.warnings = static_cast<std::uint8_t>(attempts % 3);
  e.state.next_attempt = wall_time(std::chrono::seconds(1'800'001'000 + attempts));
  e.state.diagnostic = std::move(diagnostic);
  return change;
}

/// Octets that no format hides in: any value, the same for one seed.
inline std::string random_octets(std::uint64_t seed, std::size_t size) {
  seeded_random random(seed);
  std::string octets(size, '\0');
  for (std::size_t i = 0; i < size; i += 8) {
    const auto word = random.next();
    for (std::size_t j = i; j < std::min(size, i + 8); ++j)
      octets[j] = static_cast<char>((word >> (8 * (j - i))) & 0xff);
  }
  return octets;
}

/// Small enough for recycling, compaction and checkpoints to happen within a few messages.
inline spool::store_options tiny_spool() {
  spool::store_options options;
  options.segment_size = 32 << 10;
  options.spare_segments = 1;
  options.minimum_free_bytes = 0;
  options.minimum_free_inodes = 0;
  options.critical_free_bytes = 0;
  options.critical_free_inodes = 0;
  options.batch_octets = 16 << 10;
  options.checkpoint_after = 64 << 10;
  options.compaction_slack = 64 << 10;
  options.compaction_rate = 1 << 30;
  return options;
}

/// What open_store() and enumerate() found.
struct opened_spool {
  error_code error;
  std::string why;
  queue_id highest_id;
  std::unique_ptr<spool::store> store;
  std::map<queue_id, spool::stored_message> found;
  std::vector<queue_id> found_twice;
  spool::recovery_report report;

  void enumerate() {
    if (!store) return;
    auto result = store->enumerate([this](spool::stored_message m) {
      const auto id = m.id;
      if (!found.emplace(id, std::move(m)).second) found_twice.push_back(id);
    });
    if (result) {
      report = std::move(*result);
    } else {
      error = result.error();
    }
  }
};

inline opened_spool open_only(const spool::store_world& world,
                              const spool::store_options& options) {
  opened_spool opened;
  auto result = spool::open_store(world, options, opened.why);
  if (result) {
    opened.store = std::move(result->store);
    opened.highest_id = result->highest_id;
  } else {
    opened.error = result.error();
  }
  return opened;
}

inline opened_spool open_spool(const spool::store_world& world,
                               const spool::store_options& options) {
  auto opened = open_only(world, options);
  opened.enumerate();
  return opened;
}

inline void remove_checkpoints(sim_disk& disk) {
  for (const auto& name : disk.files())
    if (name.starts_with("checkpoint")) disk.take_away(name);
}

/// A disk with a spool on it, and everything that a spool works with.
struct spool_world {
  explicit spool_world(spool::store_options o = tiny_spool(), disk_limits capacity = {})
      : disk(capacity), options(std::move(o)) {
    options.warn = [this](const std::string& sentence) { warnings.push_back(sentence); };
    opened = open_spool(world(), options);
  }
  spool_world(const spool_world&) = delete;
  spool_world& operator=(const spool_world&) = delete;

  sim_disk disk;
  manual_runner committer;
  manual_runner maintenance;
  manual_clock time;
  recording_sink sink;
  std::vector<std::string> warnings;
  spool::store_options options;
  opened_spool opened;

  spool::store_world world() { return {disk, committer, maintenance, time}; }
  spool::store& store() { return *opened.store; }

  /// Everything that waits is done, on both runners.
  void settle_down() {
    while (committer.waiting() + maintenance.waiting() > 0) {
      committer.run_all();
      maintenance.run_all();
    }
  }
  error_code append(std::shared_ptr<const spool::message> m) {
    const auto token = m->id.value;
    store().append(append_of(std::move(m), token), sink);
    committer.run_all();
    return outcome(token);
  }
  /// busy: not answered.
  error_code outcome(std::uint64_t token) const {
    const auto found = sink.outcomes.find(token);
    return found == sink.outcomes.end() ? make_error_code(errc::busy) : found->second;
  }
  error_code settle(spool::state_change change, std::uint64_t token) {
    store().settle(std::move(change), token, sink);
    committer.run_all();
    return outcome(token);
  }
  error_code flush() {
    error_code outcome = errc::busy;
    store().flush([&outcome](error_code error) { outcome = error; });
    committer.run_all();
    return outcome;
  }
  /// The process ends without a word; what the disk was told stays in its cache.
  void end() {
    opened.store.reset();
    committer.clear();
    maintenance.clear();
  }
  void reopen() {
    end();
    ++options.seed;
    opened = open_spool(world(), options);
  }
  void crash(std::uint64_t seed, bool with_checkpoints = true) {
    end();
    disk.crash(seed);
    ++options.seed;
    if (!with_checkpoints) remove_checkpoints(disk);
    opened = open_spool(world(), options);
  }
};

}  // namespace relais::testing
