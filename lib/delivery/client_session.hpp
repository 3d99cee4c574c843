// One connection to one host of a next hop: connect, set up (EHLO, STARTTLS, AUTH), then
// transactions. The driver of smtp::client_protocol: octets, deadlines and TLS, nothing else. What
// a reply means is classify's matter. Belongs to one coroutine of one worker.
#pragma once

#include <openssl/ssl.h>

#include <memory>
#include <optional>
#include <string>

#include "config/settings.hpp"
#include "delivery/content_source.hpp"
#include "dns/hosts.hpp"
#include "net/stream.hpp"
#include "smtp/client_protocol.hpp"
#include "smtp/content.hpp"

namespace relais::delivery {

struct session_options {
  std::string hostname;
  smtp::tls_level tls = smtp::tls_level::may;
  std::string verify_name;  ///< the name that the certificate must carry, at tls_level::verify
  std::optional<smtp::credentials> login;
  SSL_CTX* tls_context = nullptr;
  config::client_timeouts timeouts;
};

class client_session {
 public:
  client_session(const net::runtime& world, session_options options, dns::host host,
                 std::uint16_t port);
  ~client_session();

  /// Connects and sets up. True: ready for send(). False: failure() says why. With tls_level::may a
  /// failed handshake is followed by a second connection in clear.
  net::task<bool> open();
  /// One transaction; results() and, if the session broke, failure() tell the outcome. If the
  /// content cannot be read to its end, content_fault() says so, and the connection is closed
  /// without the final dot: the peer must not take a part for the whole.
  net::task<void> send(const smtp::envelope& envelope, const std::vector<std::size_t>& recipients,
                       content_source& content);
  /// QUIT with a short deadline, then close.
  net::task<void> quit();

  bool is_usable() const noexcept { return usable_; }
  /// What the peer offers; behind open().
  const smtp::server_features& features() const { return protocol_->features(); }
  /// Why the peer cannot take the message for one of these recipients, as far as its features tell;
  /// behind open().
  smtp::local_fault fault_of(const smtp::envelope& envelope,
                             const std::vector<std::size_t>& recipients, std::uint64_t size) const;
  const std::vector<smtp::recipient_reply>& results() const { return protocol_->results(); }
  /// Of the last transaction: not the peer's fault.
  error_code content_fault() const noexcept { return content_fault_; }
  /// connect: the connection itself failed with `error`.
  const smtp::client_failure& failure() const noexcept { return failure_; }
  /// Transactions so far.
  unsigned uses() const noexcept { return uses_; }
  std::string host_text() const;   ///< "mx.example[192.0.2.1]"
  std::string relay_text() const;  ///< "mx.example[192.0.2.1]:25"
  std::string tls_description() const {
    return stream_ ? stream_->tls_description() : std::string();
  }
  /// Why TLS failed, in OpenSSL's words; "" if it did not.
  std::string tls_failure() const { return stream_ ? stream_->tls_failure() : std::string(); }
  const dns::host& host() const noexcept { return host_; }

 private:
  net::task<bool> connect_and_set_up(smtp::tls_level level);
  net::task<smtp::client_action> drive();
  net::task<bool> flush();
  net::task<bool> fill();
  net::task<void> send_content(content_source& content);
  net::task<bool> send_piece(std::string_view piece, bool is_last, smtp::dot_stuffer& stuffer);
  net::task<bool> send_raw(std::string_view piece);
  void broken(error_code why);
  duration time_limit() const;

  const net::runtime& world_;
  session_options options_;
  dns::host host_;
  std::uint16_t port_;
  std::unique_ptr<smtp::client_protocol> protocol_;
  std::unique_ptr<net::stream> stream_;
  smtp::client_failure failure_;
  std::string buffer_;
  error_code content_fault_;
  std::optional<std::uint64_t> armed_at_;  ///< the reply that the running deadline is for
  unsigned uses_ = 0;
  bool usable_ = false;
};

}  // namespace relais::delivery
