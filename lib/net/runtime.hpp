// The world of one worker, handed in by the composition root (design: real or simulated): executor,
// clocks, randomness, alarms, network. Everything here belongs to that worker's thread.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>

#include "base/clock.hpp"
#include "base/ip.hpp"
#include "base/listen_address.hpp"
#include "base/random.hpp"
#include "net/task.hpp"

namespace relais::net {

/// Rings once at its time, on the worker; may be set again and again. Destroying or clearing it
/// means that it never rings any more. Setting it later is cheap (no timer is touched).
class alarm {
 public:
  virtual ~alarm() = default;
  virtual void set(steady_time at) = 0;
  virtual void clear() = 0;
};

class alarms {
 public:
  virtual ~alarms() = default;
  virtual std::unique_ptr<alarm> make(std::function<void()> ring) = 0;
};

/// A connected byte stream below TLS. One reader and one writer at a time. I/O errors that people
/// read in logs (refused, reset) keep their system text; nobody compares them. An end by the peer
/// is errc::peer_closed, one by cancel() is errc::cancelled.
class transport {
 public:
  virtual ~transport() = default;
  virtual task<result<std::size_t>> read_some(asio::mutable_buffer buffer) = 0;
  /// Writes everything.
  virtual task<error_code> write(asio::const_buffer octets) = 0;
  /// Pending operations end with errc::cancelled; later ones work again.
  virtual void cancel() noexcept = 0;
  virtual void close() noexcept = 0;
  /// Nothing has arrived that is not read, and the peer has not ended the connection. Does not
  /// block.
  virtual bool is_quiet() const noexcept = 0;
};

struct accepted_connection {
  std::unique_ptr<transport> connection;
  endpoint remote;  ///< of a UNIX socket: loopback with port 0
  endpoint local;
  std::optional<std::uint32_t> user{};  ///< of a UNIX socket: as whom the peer runs
};

class acceptor {
 public:
  virtual ~acceptor() = default;
  /// Errors: errc::cancelled after close(); others are passing (out of descriptors, peer gone).
  virtual task<result<accepted_connection>> accept() = 0;
  virtual void close() noexcept = 0;
  virtual endpoint local() const = 0;
  /// What is listened to, for logs; with the port that was given for port 0.
  virtual listen_address address() const { return local(); }
};

class network {
 public:
  virtual ~network() = default;
  /// `shared`: other workers listen at the same address (SO_REUSEPORT).
  virtual result<std::unique_ptr<acceptor>> listen(const endpoint& at, bool shared) = 0;
  /// The same for any kind of address. UNIX sockets are made anew, with that mode; inherited ones
  /// are those of LISTEN_FDS. One that cannot be shared is given to the first worker only.
  virtual result<std::unique_ptr<acceptor>> listen(const listen_address& at, bool shared,
                                                   unsigned mode);
  /// From that address of this machine; none = the system's choice. Errors: errc::timeout, or the
  /// system's.
  virtual task<result<std::unique_ptr<transport>>> connect(endpoint to, duration limit,
                                                           std::optional<ip_address> source) = 0;
  task<result<std::unique_ptr<transport>>> connect(endpoint to, duration limit) {
    return connect(to, limit, std::nullopt);
  }
  /// A UNIX socket.
  virtual task<result<std::unique_ptr<transport>>> connect_local(std::string path, duration limit);
  /// Whether one of this machine's interfaces has that address.
  virtual bool is_own_address(const ip_address& address) const = 0;
};

struct runtime {
  asio::any_io_executor executor;
  const relais::clock& clock;
  relais::random& random;
  net::alarms& alarms;
  net::network& network;
};

/// Condition variable of one worker: waiters resume after the next notify_all(). A notification
/// without waiters is lost, so wait in a loop around what is waited for. (A timer that never
/// expires: the way Asio signals within one executor; cancellation of the waiting coroutine works.)
class condition {
 public:
  explicit condition(const asio::any_io_executor& executor)
      : timer_(executor, asio::steady_timer::time_point::max()) {}
  task<void> wait() { co_await timer_.async_wait(nothrow); }
  void notify_all() { timer_.cancel(); }

 private:
  asio::steady_timer timer_;
};

/// Suspends for that long of the injected clock's time.
task<void> sleep_for(const runtime& world, duration time);

/// The alarms and the network of the operating system, for one io_context.
std::unique_ptr<alarms> make_system_alarms(asio::any_io_executor executor);
std::unique_ptr<network> make_system_network(asio::any_io_executor executor, net::alarms& alarms,
                                             const relais::clock& clock);

}  // namespace relais::net
