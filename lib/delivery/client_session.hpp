// One connection to one host of a next hop: connect, set up (EHLO, STARTTLS, AUTH), then
// transactions, which may overlap. The driver of smtp::client_protocol: octets, deadlines and TLS,
// nothing else. What a reply means is classify's matter, which host is tried `connections`'.
// Belongs to one coroutine of one worker at a time.
#pragma once

#include <openssl/ssl.h>

#include <memory>
#include <optional>
#include <string>

#include "config/settings.hpp"
#include "delivery/content_source.hpp"
#include "dns/hosts.hpp"
#include "net/stream.hpp"
#include "policy/tls_policy.hpp"
#include "smtp/client_protocol.hpp"
#include "smtp/content.hpp"

namespace relais::delivery {

/// Where a session leads.
struct session_target {
  dns::host host;  ///< name, and address unless local
  std::uint16_t port = 25;
  std::string local_path;            ///< a UNIX socket; "" = by address
  std::optional<ip_address> source;  ///< of the connection; none = the system's choice
  std::shared_ptr<void> ticket;      ///< of `connections`: released with the session
  session_target() = default;
};

struct session_options {
  std::string hello;  ///< our name
  policy::tls_policy tls;
  std::optional<smtp::credentials> login;
  bool is_lmtp = false;
  bool use_pipelining = true, use_chunking = true, prefers_data = false;
  SSL_CTX* tls_context = nullptr;
  SSL_SESSION* tls_session = nullptr;  ///< to be resumed; outlives open()
  config::client_timeouts timeouts;
  session_options() = default;
};

/// A transaction with its content. Outlives send(), which fills in what.size and what.now.
struct outgoing {
  smtp::transaction what;
  std::unique_ptr<content_source> content;
  error_code content_fault;  ///< the content could not be read to its end: not the peer's fault
  outgoing() = default;
};

class client_session {
 public:
  client_session(const net::runtime& world, session_options options, session_target target);
  ~client_session();

  /// Connects and sets up. True: ready for send(). False: failure() says why. With tls_level::may a
  /// failed handshake is followed by a second connection in clear.
  net::task<bool> open();
  /// Sets up over a connection that is there already (several were raced).
  net::task<bool> open(std::unique_ptr<net::transport> connected);
  /// The transaction to its end: `now.what.results` and, if the session broke, failure() tell the
  /// outcome. `ahead`, if any, is begun as early as the peer allows, and must be what the next
  /// send() gets; ahead->what.was_begun says whether it was. If a content cannot be read to its
  /// end, the connection is closed without the final dot: the peer must not take a part for the
  /// whole.
  net::task<void> send(outgoing& now, outgoing* ahead);
  /// QUIT with a short deadline, then close.
  net::task<void> quit();
  /// Closes at once, without a word.
  void abandon() noexcept;

  bool is_usable() const noexcept { return usable_; }
  /// False: the peer has closed, or said something, while the session was idle. Does not block.
  bool is_quiet() const;
  /// What the peer offers; behind open().
  const smtp::server_features& features() const { return protocol_->features(); }
  /// Whether one more transaction is within the peer's LIMITS.
  bool has_mail_left() const noexcept { return protocol_->has_mail_left(); }
  /// Why the peer cannot take it for one of these recipients, as far as its features tell.
  smtp::local_fault fault_of(const smtp::transaction& t) const;
  /// connect: the connection itself failed with `error`.
  const smtp::client_failure& failure() const noexcept { return failure_; }
  /// Transactions so far.
  unsigned uses() const noexcept { return uses_; }
  std::string host_text() const;   ///< "mx.example[192.0.2.1]"; "unix:/path"
  std::string relay_text() const;  ///< "mx.example[192.0.2.1]:25"
  std::string tls_description() const {
    return stream_ ? stream_->tls_description() : std::string();
  }
  /// Null in clear.
  const net::tls_engine* tls() const noexcept { return stream_ ? stream_->tls() : nullptr; }
  /// Why TLS failed, in OpenSSL's words or ours; "" if it did not.
  const std::string& tls_failure() const noexcept { return tls_failure_; }
  /// TLS failed at level `may`, and the session is in clear: worth remembering.
  bool fell_back() const noexcept { return fell_back_; }
  const session_target& target() const noexcept { return target_; }

 private:
  net::task<bool> connect_and_set_up(smtp::tls_level level);
  net::task<bool> set_up(std::unique_ptr<net::transport> connected, smtp::tls_level level);
  bool may_fall_back() const noexcept;
  net::task<void> start_tls(smtp::tls_level level);
  bool has_named_certificate();
  void begin(outgoing& next);
  net::task<void> hear_surplus();
  net::task<smtp::client_action> drive();
  net::task<void> transact(outgoing& now, outgoing* ahead);
  void settle_end();
  net::task<void> send_content(outgoing& whose);
  net::task<bool> append(std::string_view piece, smtp::dot_stuffer* stuffer);
  net::task<void> give_up(outgoing& whose, error_code why);
  void gather();
  net::task<bool> flush();
  net::task<bool> write(std::string_view octets, duration limit);
  net::task<void> fill();
  duration time_limit() const;

  const net::runtime& world_;
  session_options options_;
  session_target target_;
  std::unique_ptr<smtp::client_protocol> protocol_;
  std::unique_ptr<net::stream> stream_;
  smtp::client_failure failure_;
  std::string tls_failure_;
  std::string pending_;  // of this flight: envelope and content, in the order of the wire
  std::string buffer_;   // of reads
  std::optional<std::uint64_t> armed_at_;  // the reply that the running deadline is for
  error_code broken_;     // the first failure to write, or to read a content that was begun ahead
  bool is_mute_ = false;  // a write failed: nothing can be said any more
  unsigned uses_ = 0;
  bool usable_ = false;
  bool fell_back_ = false;
};

}  // namespace relais::delivery
