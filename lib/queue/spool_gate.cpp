#include "queue/spool_gate.hpp"

#include <boost/asio/post.hpp>
#include <optional>

namespace relais::queue {

// A coroutine that is cancelled while it waits takes its waiter with it; the completion then finds
// nobody.
struct spool_gate::registration {
  registration(spool_gate& g, std::uint64_t t, waiter& w) : gate(g), token(t) {
    gate.waiting_.emplace(token, &w);
  }
  ~registration() { gate.waiting_.erase(token); }
  registration(const registration&) = delete;
  registration& operator=(const registration&) = delete;
  spool_gate& gate;
  std::uint64_t token;
};

spool_gate::spool_gate(spool::store& store, spool::runner& readers, const net::runtime& world)
    : store_(store), readers_(readers), world_(world) {}

net::task<error_code> spool_gate::append(std::shared_ptr<const spool::message> content,
                                         std::vector<spool::state_change> together_with) {
  waiter w(world_.executor);
  const auto token = ++next_token_;
  const registration here(*this, token, w);
  spool::append_request request;
  request.content = std::move(content);
  request.together_with = std::move(together_with);
  request.token = token;
  store_.append(std::move(request), *this);
  co_return co_await wait_for(w);
}

net::task<error_code> spool_gate::settle_durably(spool::state_change change) {
  waiter w(world_.executor);
  const auto token = ++next_token_;
  const registration here(*this, token, w);
  store_.settle(std::move(change), token, *this);
  co_return co_await wait_for(w);
}

net::task<error_code> spool_gate::wait_for(waiter& w) {
  while (!w.done) co_await w.resumed.wait();
  co_return w.error;
}

net::task<result<std::shared_ptr<const spool::message>>> spool_gate::read(queue_id id) {
  // Shared with the job: the waiting coroutine may be cancelled while the disk is busy.
  struct outcome {
    explicit outcome(const net::asio::any_io_executor& executor) : resumed(executor) {}
    net::condition resumed;
    std::optional<result<std::shared_ptr<const spool::message>>> value;
  };
  const auto shared = std::make_shared<outcome>(world_.executor);
  readers_.run([shared, id, &store = store_, executor = world_.executor] {
    auto value = store.read(id);
    net::asio::post(executor, [shared, value = std::move(value)]() mutable {
      shared->value = std::move(value);
      shared->resumed.notify_all();
    });
  });
  while (!shared->value) co_await shared->resumed.wait();
  co_return std::move(*shared->value);
}

void spool_gate::complete(std::vector<spool::completion> batch) {
  bool first = false;
  {
    const std::lock_guard lock(mutex_);
    first = inbox_.empty();
    inbox_.insert(inbox_.end(), std::make_move_iterator(batch.begin()),
                  std::make_move_iterator(batch.end()));
  }
  if (first) net::asio::post(world_.executor, [this] { deliver(); });
}

void spool_gate::deliver() {
  std::vector<spool::completion> batch;
  {
    const std::lock_guard lock(mutex_);
    batch.swap(inbox_);
  }
  for (const auto& c : batch) {
    const auto found = waiting_.find(c.token);
    if (found == waiting_.end()) continue;
    found->second->error = c.error;
    found->second->done = true;
    found->second->resumed.notify_all();
  }
}

}  // namespace relais::queue
