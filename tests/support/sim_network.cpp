#include "support/sim_network.hpp"

#include <algorithm>

#include "base/error.hpp"

namespace relais::testing {

namespace {

// What both ends of a UNIX socket are shown as.
const endpoint local_end{ip_address::v4(0x7f000001), 0};

// One direction of a connection: what has arrived and is not read yet.
struct pipe {
  explicit pipe(const net::asio::any_io_executor& executor) : changed(executor) {}
  std::string arrived;
  bool ended = false;
  steady_time last_arrival{};
  unsigned cancellations = 0;
  net::condition changed;
  std::shared_ptr<line_use> use = std::make_shared<line_use>();
};

class sim_transport final : public net::transport {
 public:
  sim_transport(sim_world& world, std::shared_ptr<pipe> in, std::shared_ptr<pipe> out)
      : world_(world), in_(std::move(in)), out_(std::move(out)) {}
  ~sim_transport() override { close(); }
  sim_transport(const sim_transport&) = delete;
  sim_transport& operator=(const sim_transport&) = delete;

  net::task<result<std::size_t>> read_some(net::asio::mutable_buffer buffer) override {
    const auto in = in_;  // the transport may be closed while this waits
    const auto cancellations = in->cancellations;
    while (in->arrived.empty() && !in->ended) {
      if (in->cancellations != cancellations) co_return errc::cancelled;
      co_await in->changed.wait();
    }
    if (in->arrived.empty()) co_return errc::peer_closed;
    const auto n = std::min(buffer.size(), in->arrived.size());
    std::copy_n(in->arrived.begin(), n, static_cast<char*>(buffer.data()));
    in->arrived.erase(0, n);
    in->use->octets_read += n;
    co_return n;
  }

  net::task<error_code> write(net::asio::const_buffer octets) override {
    if (closed_) co_return errc::peer_closed;
    std::string_view rest(static_cast<const char*>(octets.data()), octets.size());
    if (world_.reset_one_in != 0 && !rest.empty() &&
        world_.random.below(world_.reset_one_in) == 0) {
      // As send(2): what fails is not sent to its last octet.
      deliver(std::string(rest.substr(0, world_.random.below(rest.size()))), true);
      closed_ = in_->ended = true;
      in_->use->was_reset = out_->use->was_reset = true;
      in_->arrived.clear();
      in_->changed.notify_all();
      co_return make_error_code(boost::system::errc::connection_reset);
    }
    while (!rest.empty()) {
      // A network may cut anywhere; often it does not.
      const bool whole = !world_.cuts_writes || world_.random.below(2) == 0;
      const auto n = whole ? rest.size() : 1 + world_.random.below(rest.size());
      deliver(std::string(rest.substr(0, n)), false);
      rest.remove_prefix(n);
    }
    co_return error_code{};
  }

  std::shared_ptr<const line_use> use() const { return out_->use; }

  bool is_quiet() const noexcept override { return in_->arrived.empty() && !in_->ended; }

  void cancel() noexcept override {
    ++in_->cancellations;
    in_->changed.notify_all();
  }

  void close() noexcept override {
    if (closed_) return;
    closed_ = true;
    in_->ended = true;
    in_->changed.notify_all();
    deliver({}, true);
  }

 private:
  void deliver(std::string octets, bool end) {
    const auto travel = duration(static_cast<std::int64_t>(
        world_.random.below(static_cast<std::uint64_t>(world_.slowest_packet.count()))));
    out_->last_arrival = std::max(out_->last_arrival, world_.clock.now() + travel);
    world_.at(out_->last_arrival, [out = out_, o = std::move(octets), end] {
      out->arrived += o;
      out->ended = out->ended || end;
      out->changed.notify_all();
    });
  }

  sim_world& world_;
  std::shared_ptr<pipe> in_, out_;
  bool closed_ = false;
};

}  // namespace

std::shared_ptr<const line_use> use_of(const net::transport& end) {
  return dynamic_cast<const sim_transport&>(end).use();
}

class sim_acceptor final : public net::acceptor {
 public:
  /// `forget` is called when it listens no more.
  sim_acceptor(sim_world& world, listen_address address, endpoint at, std::function<void()> forget)
      : address_(std::move(address)),
        at_(at),
        forget_(std::move(forget)),
        changed_(world.io.get_executor()) {}
  ~sim_acceptor() override { close(); }
  sim_acceptor(const sim_acceptor&) = delete;
  sim_acceptor& operator=(const sim_acceptor&) = delete;

  net::task<result<net::accepted_connection>> accept() override {
    while (backlog_.empty() && !closed_) co_await changed_.wait();
    if (closed_) co_return errc::cancelled;
    auto next = std::move(backlog_.front());
    backlog_.pop_front();
    co_return std::move(next);
  }
  void close() noexcept override {
    if (closed_) return;
    closed_ = true;
    forget_();
    backlog_.clear();
    changed_.notify_all();
  }
  endpoint local() const override { return at_; }
  listen_address address() const override { return address_; }

  void arrive(net::accepted_connection connection) {
    backlog_.push_back(std::move(connection));
    changed_.notify_all();
  }

 private:
  listen_address address_;
  endpoint at_;
  std::function<void()> forget_;
  net::condition changed_;
  std::deque<net::accepted_connection> backlog_;
  bool closed_ = false;
};

result<std::unique_ptr<net::acceptor>> sim_node::listen(const endpoint& at, bool) {
  return listen_at(at, at);
}

result<std::unique_ptr<net::acceptor>> sim_node::listen(const listen_address& at, bool, unsigned) {
  switch (at.is) {
    case listen_address::kind::inet: return listen_at(at, at.at);
    case listen_address::kind::any: return listen_at(at, endpoint{address_, at.at.port});
    case listen_address::kind::inherited: break;
    case listen_address::kind::local: {
      if (local_.contains(at.name)) return errc::busy;
      auto made = std::make_unique<sim_acceptor>(world_, at, local_end,
                                                 [this, name = at.name] { local_.erase(name); });
      local_[at.name] = made.get();
      return std::unique_ptr<net::acceptor>(std::move(made));
    }
  }
  return make_error_code(boost::system::errc::operation_not_supported);
}

result<std::unique_ptr<net::acceptor>> sim_node::listen_at(const listen_address& address,
                                                           const endpoint& at) {
  auto& all = world_.listeners_;
  if (all.contains(at)) return errc::busy;
  auto made = std::make_unique<sim_acceptor>(world_, address, at, [&all, at] { all.erase(at); });
  all[at] = made.get();
  return std::unique_ptr<net::acceptor>(std::move(made));
}

std::unique_ptr<net::transport> sim_node::join(sim_acceptor& listener, const endpoint& remote,
                                               const endpoint& local) {
  const auto executor = world_.io.get_executor();
  const auto there = std::make_shared<pipe>(executor);
  const auto back = std::make_shared<pipe>(executor);
  net::accepted_connection accepted;
  accepted.connection = std::make_unique<sim_transport>(world_, there, back);
  accepted.remote = remote;
  accepted.local = local;
  listener.arrive(std::move(accepted));
  return std::make_unique<sim_transport>(world_, back, there);
}

net::task<result<std::unique_ptr<net::transport>>> sim_node::connect(
    endpoint to, duration limit, std::optional<ip_address> source) {
  const auto& here = world_.runtime(address_);
  if (world_.on_connect) world_.on_connect(to);
  if (const auto slow = world_.connect_takes.find(to.address); slow != world_.connect_takes.end()) {
    const auto time = slow->second;  // the test may change its mind meanwhile
    co_await net::sleep_for(here, std::min(time, limit));
    if (time >= limit) co_return errc::timeout;
  }
  const auto travel = duration(static_cast<std::int64_t>(
      world_.random.below(static_cast<std::uint64_t>(world_.slowest_packet.count()))));
  co_await net::sleep_for(here, travel);
  const auto listener = world_.listeners_.find(to);
  if (listener == world_.listeners_.end()) {
    co_return make_error_code(boost::system::errc::connection_refused);
  }
  const endpoint from{source.value_or(address_), next_port_++};
  auto mine = join(*listener->second, from, to);
  co_return std::move(mine);
}

net::task<result<std::unique_ptr<net::transport>>> sim_node::connect_local(std::string path,
                                                                           duration) {
  const auto listener = local_.find(path);
  if (listener == local_.end()) {
    co_return make_error_code(boost::system::errc::no_such_file_or_directory);
  }
  auto mine = join(*listener->second, local_end, local_end);
  co_return std::move(mine);
}

}  // namespace relais::testing
