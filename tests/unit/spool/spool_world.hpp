// A spool on a simulated disk, driven by hand: the runner does its jobs when the test says so, the
// sink remembers every completion.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "spool/store.hpp"
#include "support/sim_disk.hpp"

namespace relais::testing {

class manual_runner final : public spool::runner {
 public:
  void run(std::function<void()> job) override { jobs_.push_back(std::move(job)); }
  std::size_t waiting() const { return jobs_.size(); }
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

 private:
  std::deque<std::function<void()>> jobs_;
};

class recording_sink final : public spool::completion_sink {
 public:
  /// Completions that come while `is_deaf` says so never reached anybody: the machine is off.
  explicit recording_sink(std::function<bool()> is_deaf = [] { return false; })
      : is_deaf_(std::move(is_deaf)) {}
  void complete(std::vector<spool::completion> batch) override {
    if (is_deaf_()) return;
    ++calls;
    for (const auto& c : batch) outcomes[c.token] = c.error;
  }
  std::map<std::uint64_t, error_code> outcomes;
  int calls = 0;

 private:
  std::function<bool()> is_deaf_;
};

inline smtp::path address(const std::string& text) {
  return smtp::parse_address(text).value();
}

inline std::shared_ptr<spool::message> make_message(std::uint64_t id, std::string content,
                                                    std::size_t recipients = 1) {
  auto m = std::make_shared<spool::message>();
  m->id = queue_id{id};
  m->arrival = wall_time(std::chrono::seconds(1'800'000'000 + static_cast<int>(id % 1000)));
  m->envelope.reverse_path = address("sender@client.example");
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
  e.state.next_attempt = wall_time(std::chrono::seconds(1'800'001'000));
  e.state.diagnostic = std::move(diagnostic);
  return change;
}

/// What open_store found.
struct opened_spool {
  error_code error;
  std::unique_ptr<spool::store> store;
  std::map<queue_id, spool::recovered_message> found;
  spool::recovery_report report;
};

inline opened_spool open_spool(spool::disk& disk, spool::runner& jobs,
                               spool::store_options options = {}) {
  opened_spool opened;
  auto result = spool::open_store(
      disk, jobs, options,
      [&](spool::recovered_message m) { opened.found.emplace(m.id, std::move(m)); }, opened.report);
  if (result) {
    opened.store = std::move(*result);
  } else {
    opened.error = result.error();
  }
  return opened;
}

}  // namespace relais::testing
