#include "dns/cares_channel.hpp"

#include <arpa/nameser.h>

#include <algorithm>
#include <boost/asio/error.hpp>
#include <boost/system/system_error.hpp>
#include <chrono>
#include <limits>
#include <utility>

#include "base/error.hpp"

namespace relais::dns {

namespace asio = net::asio;

namespace {

void start_library() {
  // Reference-counted and not thread-safe: once per process is enough, its end needs no clean-up.
  static const int status = ares_library_init(ARES_LIB_INIT_ALL);
  if (status != ARES_SUCCESS) {
    throw boost::system::system_error(make_error_code(errc::io_error), ares_strerror(status));
  }
}

[[noreturn]] void refuse_start(int status, const std::string& what) {
  throw boost::system::system_error(make_error_code(errc::syntax),
                                    "DNS resolver: " + what + ": " + ares_strerror(status));
}

int milliseconds(duration d) noexcept {
  const auto count = std::chrono::ceil<std::chrono::milliseconds>(d).count();
  return static_cast<int>(std::clamp<std::int64_t>(count, 1, std::numeric_limits<int>::max()));
}

std::string server_list(const std::vector<endpoint>& servers) {
  std::string list;
  for (const auto& server : servers) {
    if (!list.empty()) list += ',';
    list += server.text();
  }
  return list;
}

}  // namespace

pending_query::pending_query(const asio::any_io_executor& executor)
    : wake(executor, asio::steady_timer::time_point::max()) {}

/// The descriptor only watches: c-ares opened the socket, reads, writes and closes it.
struct cares_channel::watched_socket {
  watched_socket(const asio::any_io_executor& executor, ares_socket_t s)
      : descriptor(executor), socket(s) {}
  ~watched_socket() { end(); }
  watched_socket(const watched_socket&) = delete;
  watched_socket& operator=(const watched_socket&) = delete;

  void end() noexcept {
    if (descriptor.is_open()) descriptor.release();
    wants_read = wants_write = false;
  }

  asio::posix::stream_descriptor descriptor;
  ares_socket_t socket;
  bool wants_read = false, wants_write = false;
  bool waits_read = false, waits_write = false;
};

cares_channel::cares_channel(asio::any_io_executor executor, const resolver_options& options)
    : executor_(std::move(executor)), timeout_(executor_) {
  start_library();
  ares_options o{};
  // Names are complete: neither search domains nor HOSTALIASES may change where mail goes.
  o.flags = ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES;
  o.timeout = milliseconds(options.timeout);
  o.tries = static_cast<int>(std::clamp(options.attempts, 1u, 10u));
  o.sock_state_cb = &cares_channel::socket_changed;
  o.sock_state_cb_data = this;
  int given = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB;
  std::string file = options.system_file;  // c-ares copies it
  if (options.servers.empty()) {
    o.resolvconf_path = file.data();
    o.udp_port = o.tcp_port = options.system_port;
    given |= ARES_OPT_RESOLVCONF | ARES_OPT_UDP_PORT | ARES_OPT_TCP_PORT;
  }
  if (const int status = ares_init_options(&channel_, &o, given); status != ARES_SUCCESS) {
    refuse_start(status, "cannot start");
  }
  if (options.servers.empty()) return;
  const auto servers = server_list(options.servers);
  if (const int status = ares_set_servers_ports_csv(channel_, servers.c_str());
      status != ARES_SUCCESS) {
    close();
    refuse_start(status, "servers " + servers);
  }
}

cares_channel::~cares_channel() {
  close();
}

void cares_channel::close() noexcept {
  if (channel_ == nullptr) return;
  // Ends queries with ARES_EDESTRUCTION and reports each socket as unwatched before it is closed.
  ares_destroy(std::exchange(channel_, nullptr));
  sockets_.clear();
  timeout_.cancel();
}

std::shared_ptr<pending_query> cares_channel::ask(const std::string& name, record_type type) {
  auto query = std::make_shared<pending_query>(executor_);
  // query_ended() is called exactly once for each ares_query(), and takes the share back.
  auto share = std::make_unique<std::shared_ptr<pending_query>>(query);
  ares_query(channel_, name.c_str(), ns_c_in, static_cast<int>(type), &cares_channel::query_ended,
             share.release());
  schedule_timeout();
  return query;
}

/// Called inside of c-ares: only notes the outcome. The coroutine goes on in a turn of its own,
/// where it may ask again or destroy the resolver.
void cares_channel::query_ended(void* share, int status, int /*timeouts*/, unsigned char* message,
                                int length) noexcept {
  const std::unique_ptr<std::shared_ptr<pending_query>> owner(
      static_cast<std::shared_ptr<pending_query>*>(share));
  auto& query = **owner;
  query.finished = true;
  query.status = status;
  if (message != nullptr && length > 0) query.message.assign(message, message + length);
  query.wake.cancel();
}

void cares_channel::socket_changed(void* self, ares_socket_t socket, int readable,
                                   int writable) noexcept {
  static_cast<cares_channel*>(self)->watch(socket, readable != 0, writable != 0);
}

void cares_channel::watch(ares_socket_t socket, bool readable, bool writable) {
  auto at = sockets_.find(socket);
  if (!readable && !writable) {
    if (at == sockets_.end()) return;
    at->second->end();  // its handlers may run later, and see that nothing is wanted
    sockets_.erase(at);
    return;
  }
  if (at == sockets_.end()) {
    auto added = std::make_shared<watched_socket>(executor_, socket);
    error_code failure;
    added->descriptor.assign(socket, failure);
    if (failure) return;  // not watched: the query ends by its timeout
    at = sockets_.emplace(socket, std::move(added)).first;
  }
  at->second->wants_read = readable;
  at->second->wants_write = writable;
  wait(at->second);
}

void cares_channel::wait(const std::shared_ptr<watched_socket>& socket) {
  if (socket->wants_read && !socket->waits_read) {
    socket->waits_read = true;
    socket->descriptor.async_wait(asio::posix::descriptor_base::wait_read,
                                  [self = shared_from_this(), socket](error_code) {
                                    socket->waits_read = false;
                                    self->became_ready(socket, true);
                                  });
  }
  if (socket->wants_write && !socket->waits_write) {
    socket->waits_write = true;
    socket->descriptor.async_wait(asio::posix::descriptor_base::wait_write,
                                  [self = shared_from_this(), socket](error_code) {
                                    socket->waits_write = false;
                                    self->became_ready(socket, false);
                                  });
  }
}

void cares_channel::became_ready(const std::shared_ptr<watched_socket>& socket, bool readable) {
  // Not wanted any more: closed meanwhile (the number may belong to another socket by now).
  if (is_closed() || !(readable ? socket->wants_read : socket->wants_write)) return;
  ares_process_fd(channel_, readable ? socket->socket : ARES_SOCKET_BAD,
                  readable ? ARES_SOCKET_BAD : socket->socket);
  wait(socket);
  schedule_timeout();
}

void cares_channel::schedule_timeout() {
  if (is_closed()) return;
  timeval left{};
  if (ares_timeout(channel_, nullptr, &left) == nullptr) {
    timeout_.cancel();
    return;
  }
  timeout_.expires_after(std::chrono::seconds(left.tv_sec) +
                         std::chrono::microseconds(left.tv_usec));
  timeout_.async_wait([self = shared_from_this()](error_code failure) {
    if (failure || self->is_closed()) return;
    ares_process_fd(self->channel_, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    self->schedule_timeout();
  });
}

}  // namespace relais::dns
