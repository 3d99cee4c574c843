// A settler over the real store on a simulated disk, with a clock that the test sets: for tests of
// what an attempt comes to, without an engine or a network.
#pragma once

#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "delivery/settler.hpp"
#include "support/sim_disk.hpp"
#include "support/sim_world.hpp"

namespace relais::testing {

/// Log lines, as the daemon would write them.
class line_log final : public event_sink {
 public:
  void emit(const event& e) noexcept override { lines.push_back(to_text(e)); }
  std::size_t count(const std::string& text) const {
    std::size_t n = 0;
    for (const auto& line : lines)
      if (line.find(text) != std::string::npos) ++n;
    return n;
  }
  std::string text() const {
    std::string all;
    for (const auto& line : lines) all += line + "\n";
    return all;
  }
  std::vector<std::string> lines;
};

class settler_scene {
 public:
  explicit settler_scene(sim_disk& storage);
  ~settler_scene();
  settler_scene(const settler_scene&) = delete;
  settler_scene& operator=(const settler_scene&) = delete;

  config::settings settings;
  policy::route way;
  sim_world world{1};
  line_log log;
  /// What went into the queue: reports.
  std::vector<std::shared_ptr<const queue::queued_message>> queued;

  /// Opens the store; `settings` and `way` are as they will be. found() is what was there.
  void start();
  const std::vector<spool::stored_message>& found() const noexcept { return found_; }
  /// Puts a message into the spool; what delivery would hold of it.
  std::shared_ptr<const queue::queued_message> accept(smtp::envelope envelope,
                                                      const std::string& content);
  queue::delivery_job job(std::shared_ptr<const queue::queued_message> message) const;
  /// Runs settle() to its end.
  delivery::remainder settle(const queue::delivery_job& job,
                             std::vector<delivery::verdict> verdicts,
                             const delivery::attempt& how = {});
  /// Everything lazy is written.
  void flush();
  /// What the spool knows of it now; throws if it is not there.
  spool::stored_message stored(queue_id id);
  bool is_stored(queue_id id) { return store_->look_up(id).has_value(); }
  std::string content(queue_id id);
  void pass(duration time) { world.clock.elapsed += time; }

 private:
  struct running;
  sim_disk& storage_;
  std::vector<spool::stored_message> found_;
  std::unique_ptr<spool::runner> jobs_, readers_;
  std::unique_ptr<spool::store> store_;
  std::unique_ptr<running> running_;
};

smtp::path path_of(const std::string& text);

}  // namespace relais::testing
