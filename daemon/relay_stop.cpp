// The end of the relay: drain, join, flush, close. See relay.hpp.
#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <limits>

#include "daemon/relay_worker.hpp"

namespace relais::daemon {

using namespace std::chrono_literals;

template <class F>
void relay::on_every_worker(F what) {
  for (const auto& w : workers_) {
    net::asio::post(w->world.executor, [what, &parts = *w] { what(parts); });
  }
}

void relay::hurry() {
  hurried_ = true;
  // Wakes the enumeration, if that waits for a worker.
  under_way_ = std::numeric_limits<std::int64_t>::min() / 2;
  under_way_.notify_all();
  index_changed_.notify_all();
  end_sessions();
}

void relay::end_sessions() {
  on_every_worker([](worker_parts& w) {
    w.server->stop();
    w.engine->stop();
    w.hosts->stop();
  });
}

/// `part` gives the task of one worker that joins something there.
template <class F>
net::task<bool> relay::join_each(duration limit, F part) {
  const auto& clock = world_.workers.front()->clock;
  const auto deadline = clock.now() + limit;
  bool all = true;
  for (const auto& w : workers_) {
    auto joined = part(*w, std::max<duration>(duration{0}, deadline - clock.now()));
    const auto& executor = w->world.executor;
    const bool done =
        co_await net::asio::co_spawn(executor, std::move(joined), net::asio::use_awaitable);
    all = all && done;
  }
  co_return all;
}

// Sessions of clients first: what they hand in is still scheduled. Idle connections are not waited
// for longer than their QUIT takes.
net::task<bool> relay::join(duration limit) {
  const auto& clock = world_.workers.front()->clock;
  const auto deadline = clock.now() + limit;
  const auto left = [&] { return std::max<duration>(duration{0}, deadline - clock.now()); };
  const auto servers = [](worker_parts& w, duration d) { return w.server->join(d); };
  const auto engines = [](worker_parts& w, duration d) { return w.engine->join(d); };
  const auto hosts = [](worker_parts& w, duration d) { return w.hosts->join(d); };
  const bool clients_gone = co_await join_each(left(), servers);
  const bool deliveries_over = co_await join_each(left(), engines);
  const bool hosts_left = co_await join_each(left(), hosts);
  co_return clients_gone&& deliveries_over&& hosts_left;
}

// What was asked about clients that are gone.
net::task<bool> relay::end_lookups() {
  bool all = true;
  for (const auto& w : workers_) {
    w->keeper->stop();
    auto joined = w->keeper->join(10s);
    const auto& executor = w->world.executor;
    const bool done =
        co_await net::asio::co_spawn(executor, std::move(joined), net::asio::use_awaitable);
    all = all && done;
  }
  policy_->flush();
  co_return all;
}

net::task<void> relay::flush() {
  const auto& first = *world_.workers.front();
  net::condition flushed(first.executor);
  bool done = false;
  store_->flush([&, executor = first.executor](error_code) {
    net::asio::post(executor, [&] {
      done = true;
      flushed.notify_all();
    });
  });
  while (!done) co_await flushed.wait();
}

net::task<bool> relay::shut_down() {
  draining_ = true;
  on_every_worker([](worker_parts& w) {
    w.server->drain();
    w.engine->drain();
    w.hosts->drain();
  });
  const auto patience = hurried_ ? duration{0} : settings_.server_timeout.shutdown;
  bool all = co_await join(patience);
  if (!all) {
    // Too late: end what is left. Nothing is lost by that, the spool has it all.
    const auto left = std::to_string(slots_.in_use()) + " deliveries and " +
                      std::to_string(connections_.load()) + " sessions";
    const auto sentence = left + " did not end in time and are cut off";
    world_.events->emit(events::notice{"master", true, sentence});
    end_sessions();
    all = co_await join(10s);
  }
  const bool lookups_over = co_await end_lookups();
  all = all && lookups_over;
  // Last, so that probes see the drain.
  if (http_) {
    http_->stop();
    const bool over = co_await http_->join(10s);
    all = all && over;
  }
  if (control_) {
    control_->stop();
    const bool over = co_await control_->join(10s);
    all = all && over;
  }
  while (index_ == index::reading && !hurried_) co_await index_changed_.wait();
  co_await flush();
  is_deserted_ = all;
  co_return !hurried_;
}

void relay::close() {
  // What is not known must not become the truth of the next start.
  if (index_ == index::complete) store_->close();
}

}  // namespace relais::daemon
