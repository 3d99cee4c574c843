// One class for every SMTP connection, in clear and under TLS, of sockets and of the simulated
// network: deadlines, STARTTLS in place, and errors as our own values. One coroutine uses it;
// interrupt() may be called by others on the same executor.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "net/runtime.hpp"
#include "net/tls_engine.hpp"

namespace relais::net {

class stream {
 public:
  stream(std::unique_ptr<transport> connection, const runtime& world);
  stream(const stream&) = delete;
  stream& operator=(const stream&) = delete;
  ~stream();

  /// From now on, whatever takes longer ends with errc::timeout; the connection stays open, so that
  /// the last words (421) can still be said.
  void expires_after(duration limit);
  /// The pending read, or the next one, ends with errc::cancelled, once. Writes and handshakes are
  /// not touched.
  void interrupt() noexcept;

  task<result<std::size_t>> read_some(asio::mutable_buffer buffer);
  task<error_code> write(std::string_view octets);
  /// Handshake in place. The caller has made sure that nothing lies unread in clear.
  task<error_code> start_tls(tls_parameters parameters);
  /// Gives octets back that were read too many, behind a PROXY header: the next read, or the
  /// handshake, gets them first. Not under TLS.
  void unread(std::string_view octets);
  bool is_tls() const noexcept { return tls_.has_value(); }
  /// "" in clear.
  std::string tls_description() const { return tls_ ? tls_->description() : std::string(); }
  /// Null in clear.
  const tls_engine* tls() const noexcept { return tls_ ? &*tls_ : nullptr; }
  const std::string& tls_failure() const noexcept { return tls_failure_; }
  /// No octet is unread and the peer has not ended the connection: it may be used again. Does not
  /// block.
  bool is_quiet() const noexcept;
  /// Sends close_notify under TLS (with a short deadline, errors ignored), then closes.
  task<void> close();

 private:
  error_code translated(const error_code& ec) noexcept;
  task<error_code> flush_tls();
  task<error_code> feed_tls();
  task<error_code> handshake();
  task<result<std::size_t>> read_clear(asio::mutable_buffer buffer);

  const runtime& world_;
  std::unique_ptr<transport> transport_;
  std::unique_ptr<alarm> deadline_;
  std::optional<tls_engine> tls_;
  std::string ciphertext_;  // of the pending read; small while the peer sends little
  std::string unread_;
  std::string tls_failure_;
  bool expired_ = false;
  bool interrupted_ = false;
  bool reading_ = false;
  bool handshaking_ = false;
  bool busy_ = false;  // under TLS: the last read brought more than lines
};

}  // namespace relais::net
