// One c-ares channel driven by an Asio executor: c-ares says which sockets and until when it waits,
// Asio waits. Knows no record types beyond their number and parses nothing (answer_parser does).
// Everything runs on the one, single-threaded executor. Header of dns/ only: it shows ares.h.
#pragma once

#include <ares.h>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "dns/answer_parser.hpp"
#include "dns/cares_resolver.hpp"

namespace relais::dns {

/// A question that is under way. Shared by c-ares, which always ends it, and by the coroutine that
/// waits, which may be gone by then.
struct pending_query {
  explicit pending_query(const net::asio::any_io_executor& executor);

  bool finished = false;
  int status = ARES_SUCCESS;
  std::vector<std::uint8_t> message;  ///< empty when no server answered
  net::asio::steady_timer wake;       ///< condition variable: never expires, cancelled at the end
};

/// Held by shared_ptr: handlers of sockets and coroutines outlive the resolver until the executor
/// has run them; after close() they find nothing to do.
class cares_channel : public std::enable_shared_from_this<cares_channel> {
 public:
  /// Throws boost::system::system_error if c-ares does not start or refuses a server.
  cares_channel(net::asio::any_io_executor executor, const resolver_options& options);
  ~cares_channel();
  cares_channel(const cares_channel&) = delete;
  cares_channel& operator=(const cares_channel&) = delete;

  /// Ends every query (cancelled) and gives the sockets back to c-ares, which closes them.
  void close() noexcept;
  bool is_closed() const noexcept { return channel_ == nullptr; }

  /// `name` is as query_name() makes it. May have finished at return.
  std::shared_ptr<pending_query> ask(const std::string& name, record_type type);

  /// Of the question that ended last; shared by the channels of one resolver.
  std::shared_ptr<std::uint32_t> negative_ttl = std::make_shared<std::uint32_t>(0);

 private:
  struct watched_socket;

  static void socket_changed(void* self, ares_socket_t socket, int readable, int writable) noexcept;
  static void query_ended(void* query, int status, int timeouts, unsigned char* message,
                          int length) noexcept;
  void watch(ares_socket_t socket, bool readable, bool writable);
  void wait(const std::shared_ptr<watched_socket>& socket);
  void became_ready(const std::shared_ptr<watched_socket>& socket, bool readable);
  void schedule_timeout();

  net::asio::any_io_executor executor_;
  net::asio::steady_timer timeout_;
  ares_channel channel_ = nullptr;
  std::map<ares_socket_t, std::shared_ptr<watched_socket>> sockets_;
};

}  // namespace relais::dns
