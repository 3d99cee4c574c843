// One relay in the simulated world, with its disk, its DNS, its log, and a hand-typed client.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "daemon/relay.hpp"
#include "support/fake_resolver.hpp"
#include "support/scripted_mta.hpp"
#include "support/sim_disk.hpp"
#include "support/sim_world.hpp"

namespace relais::testing {

class recording_log final : public event_sink {
 public:
  void emit(const event& e) noexcept override {
    lines.push_back(to_text(e));
    if (on_line) on_line();
  }
  std::size_t count(std::string_view part) const;
  std::string text() const;
  std::vector<std::string> lines;
  std::function<void()> on_line;  ///< called behind each; may be empty
};

class simulated_relay {
 public:
  static const ip_address address;         ///< of the relay
  static const ip_address client_address;  ///< trusted
  static const endpoint control_endpoint;  ///< where the operator asks (support/control_talk.hpp)
  explicit simulated_relay(sim_world& world, sim_disk& storage, fake_resolver& dns);
  ~simulated_relay();

  config::settings settings;
  recording_log log;
  event_sink* events = &log;     ///< who is told from the next start on
  duration maintenance_delay{};  ///< of each job, from the next start on
  /// Who own the destinations by turns; listener number i belongs to worker i. All run on the one
  /// thread of the world, but what one hands to another is posted, as between threads.
  std::size_t workers = 1;

  void start();
  /// Drains and waits for it. False: not within `limit` of virtual time, or something was cut off.
  /// Does nothing when not running.
  bool shut_down(duration limit);
  /// Only the beginning of that; may be called while the world runs.
  void begin_shut_down();
  /// Ends everything at once, as a second signal does; for power cuts, with the disk off.
  void kill();
  /// Behind shut_down(): see daemon::relay.
  bool is_deserted() const { return relay_->is_deserted(); }
  /// What /readyz answers, status line to body. Runs the world meanwhile.
  std::string readiness();
  /// What the next start would find. Only while the relay does not run.
  std::vector<spool::stored_message> spooled();
  std::size_t large_files() const;
  /// As an operator's tool does, while the relay does not run.
  void hold(queue_id id);

 private:
  void end_runners();
  std::unique_ptr<spool::store> open_store(spool::runner& jobs,
                                           std::vector<spool::stored_message>& found);
  sim_world& world_;
  sim_disk& storage_;
  fake_resolver& dns_;
  std::unique_ptr<spool::runner> committer_, readers_, maintenance_, blocking_;
  net::descriptor_reserve descriptors_{1000000, 0, [] { return std::uint64_t{0}; }};
  std::unique_ptr<daemon::relay> relay_;
  bool running_ = false;
  bool stopping_ = false, stopped_ = false, clean_ = false;  // by shut_down()
};

/// Types `lines` one after the other, each after the reply to the one before; the result is every
/// reply. The line ends are in the text. Behind "DATA\r\n" comes the content with its end as one
/// line.
struct client_session {
  std::vector<std::string> lines;
  std::string replies;
  bool over = false;
};
void run_client(sim_world& world, net::task_group& group, const endpoint& to,
                client_session& session);

}  // namespace relais::testing
