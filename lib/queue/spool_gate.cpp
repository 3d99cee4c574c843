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

template <class T>
net::task<T> spool_gate::on_readers(std::function<T()> work) {
  // Shared with the job: the waiting coroutine may be cancelled while the disk is busy.
  struct outcome {
    explicit outcome(const net::asio::any_io_executor& executor) : resumed(executor) {}
    net::condition resumed;
    std::optional<T> value;
  };
  const auto shared = std::make_shared<outcome>(world_.executor);
  readers_.run([shared = shared, work = std::move(work), executor = world_.executor]() mutable {
    auto value = work();
    // What the work owns ends here, before anybody goes on.
    work = nullptr;
    net::asio::post(executor, [shared = std::move(shared), value = std::move(value)]() mutable {
      shared->value = std::move(value);
      shared->resumed.notify_all();
    });
  });
  while (!shared->value) co_await shared->resumed.wait();
  co_return std::move(*shared->value);
}

namespace {
/// Its destructor blocks: the readers run it.
template <class T>
std::shared_ptr<T> ended_by(spool::runner& readers, std::unique_ptr<T> made) {
  return std::shared_ptr<T>(made.release(), [&readers](T* last) {
    readers.run([owned = std::shared_ptr<T>(last)]() mutable { owned.reset(); });
  });
}
}  // namespace

net::task<result<std::shared_ptr<const spool::message>>> spool_gate::read(queue_id id) {
  using value = result<std::shared_ptr<const spool::message>>;
  std::function<value()> work = [id, &store = store_] { return store.read(id); };
  co_return co_await on_readers<value>(std::move(work));
}

net::task<result<spool_gate::upload>> spool_gate::create_large(queue_id id) {
  std::function<result<upload>()> work = [id, &store = store_,
                                          &readers = readers_]() -> result<upload> {
    auto made = store.create_large(id);
    if (!made) return made.error();
    return ended_by(readers, std::move(*made));
  };
  co_return co_await on_readers<result<upload>>(std::move(work));
}

net::task<error_code> spool_gate::write(upload to, std::string octets) {
  // Shared, because a std::function has to be copyable.
  const auto piece = std::make_shared<const std::string>(std::move(octets));
  std::function<error_code()> work = [to = std::move(to), piece] { return to->write(*piece); };
  co_return co_await on_readers<error_code>(std::move(work));
}

net::task<result<spool::large_content>> spool_gate::finish(upload of) {
  std::function<result<spool::large_content>()> work = [of = std::move(of)] {
    return of->finish();
  };
  co_return co_await on_readers<result<spool::large_content>>(std::move(work));
}

net::task<result<spool_gate::download>> spool_gate::open_content(queue_id id) {
  std::function<result<download>()> work = [id, &store = store_,
                                            &readers = readers_]() -> result<download> {
    auto opened = store.open_content(id);
    if (!opened) return opened.error();
    return ended_by(readers, std::move(*opened));
  };
  co_return co_await on_readers<result<download>>(std::move(work));
}

net::task<result<std::string>> spool_gate::next_piece(download from, std::size_t limit) {
  std::function<result<std::string>()> work = [from = std::move(from), limit] {
    return from->next(limit);
  };
  co_return co_await on_readers<result<std::string>>(std::move(work));
}

void spool_gate::complete(std::vector<spool::completion> batch) {
  bool first = false;
  {
    const std::lock_guard lock(mutex_);
    first = inbox_.empty();
    if (first) posted_ = world_.clock.now();
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
    lag_ = world_.clock.now() - posted_;
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
