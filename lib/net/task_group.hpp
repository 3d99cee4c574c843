// Owns every coroutine that is spawned on one executor: nothing runs on unobserved, a shutdown can
// ask all to stop and wait for them, and says who is still there.
#pragma once

#include <boost/asio/cancellation_signal.hpp>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <string>
#include <vector>

#include "net/runtime.hpp"

namespace relais::net {

class task_group {
 public:
  /// `on_exception` is told the label and the text of an exception that escaped from a task.
  using exception_handler = std::function<void(const std::string& label, const std::string& what)>;
  task_group(const runtime& world, exception_handler on_exception);
  task_group(const task_group&) = delete;
  task_group& operator=(const task_group&) = delete;

  using task_id = std::uint64_t;
  task_id spawn(std::string label, task<void> job);
  /// What the next spawn() will give: for a job that is to know itself.
  task_id next_id() const noexcept { return last_ + 1; }
  /// Terminal cancellation of every task, soon: their pending operations end. From any place on the
  /// worker.
  void stop();
  /// The same for one; nothing, if it has ended.
  void stop(task_id one);
  /// Waits until no task is left, at most so long. False: some are still alive, see labels().
  task<bool> join(duration limit);
  std::size_t size() const noexcept { return tasks_.size(); }
  std::vector<std::string> labels() const;

 private:
  struct entry {
    task_id id = 0;
    std::string label;
    asio::cancellation_signal signal;
  };
  const runtime& world_;
  exception_handler on_exception_;
  std::list<entry> tasks_;  // stable addresses; erased in the completion handler
  task_id last_ = 0;
  condition empty_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace relais::net
