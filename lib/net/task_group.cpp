#include "net/task_group.hpp"

#include <algorithm>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>

namespace relais::net {

task_group::task_group(const runtime& world, exception_handler on_exception)
    : world_(world), on_exception_(std::move(on_exception)), empty_(world.executor) {}

task_group::task_id task_group::spawn(std::string label, task<void> job) {
  tasks_.emplace_back();
  const auto at = std::prev(tasks_.end());
  const auto id = at->id = ++last_;
  at->label = std::move(label);
  auto done = [this, at](const std::exception_ptr& failure) {
    if (failure) {
      try {
        std::rethrow_exception(failure);
      } catch (const boost::system::system_error& e) {
        // What stop() leaves behind is no news.
        if (e.code() != asio::error::operation_aborted) on_exception_(at->label, e.what());
      } catch (const std::exception& e) {
        on_exception_(at->label, e.what());
      }
    }
    tasks_.erase(at);
    if (tasks_.empty()) empty_.notify_all();
  };
  asio::co_spawn(world_.executor, std::move(job),
                 asio::bind_cancellation_slot(at->signal.slot(), std::move(done)));
  return id;
}

void task_group::stop(task_id one) {
  asio::post(world_.executor, [this, one, alive = std::weak_ptr<bool>(alive_)] {
    if (alive.expired()) return;
    const auto at = std::ranges::find(tasks_, one, &entry::id);
    if (at != tasks_.end()) at->signal.emit(asio::cancellation_type::terminal);
  });
}

void task_group::stop() {
  // Emitted on the executor itself: Asio 1.26 hands an emission from elsewhere over without keeping
  // its target alive (asio#1332).
  asio::post(world_.executor, [this, alive = std::weak_ptr<bool>(alive_)] {
    if (alive.expired()) return;
    for (auto& task : tasks_) task.signal.emit(asio::cancellation_type::terminal);
  });
}

task<bool> task_group::join(duration limit) {
  bool late = false;
  const auto bell = world_.alarms.make([&] {
    late = true;
    empty_.notify_all();
  });
  bell->set(world_.clock.now() + limit);
  while (!tasks_.empty() && !late) co_await empty_.wait();
  co_return tasks_.empty();
}

std::vector<std::string> task_group::labels() const {
  std::vector<std::string> all;
  for (const auto& task : tasks_) all.push_back(task.label);
  return all;
}

}  // namespace relais::net
