// TLS as a sans-I/O engine: OpenSSL between two strings. Octets of the network in and out, plain
// octets in and out; no socket, no time. net::stream drives it over any transport, also a simulated
// one. The end of TLS is the end of the connection: after a close_notify nothing is ever read again
// (CVE-2026-45185 class). Renegotiation and compression are off, whatever the context says. An idle
// engine holds no buffers. RFC 8446, RFC 3207. What it tells of the peer is in tls_identity.cpp.
#pragma once

#include <openssl/ssl.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "net/tls_octets.hpp"

namespace relais::net {

enum class tls_role : std::uint8_t { client, server };

struct tls_parameters {
  SSL_CTX* context = nullptr;  ///< from tls::; outlives the stream
  tls_role role = tls_role::client;
  std::string peer_name;  ///< client: SNI, and the name that a certificate must carry
  bool verify = false;    ///< client: refuse a certificate that does not verify for peer_name
  /// client: names of which one must be in the certificate, instead of peer_name; ".example" is any
  /// name below it.
  std::vector<std::string> verify_names;
  SSL_SESSION* session = nullptr;  ///< client: to go on with, if the server still knows it
};

struct free_tls_session {
  void operator()(SSL_SESSION* s) const noexcept { SSL_SESSION_free(s); }
};
using tls_session = std::unique_ptr<SSL_SESSION, free_tls_session>;

class tls_engine {
 public:
  explicit tls_engine(const tls_parameters& parameters);
  tls_engine(const tls_engine&) = delete;
  tls_engine& operator=(const tls_engine&) = delete;

  enum class step : std::uint8_t { done, want_input, failed };
  /// Goes on with the handshake; after want_input: send pending_output(), then feed().
  step handshake();
  /// Octets from the network.
  void feed(std::string_view octets);
  /// Appends what must go to the network.
  void take_output(std::string& octets);
  /// Plain octets; want_input: feed() more; failed with errc::peer_closed at a close_notify.
  step read(char* buffer, std::size_t size, std::size_t& n);
  step write(std::string_view plain);
  /// Queues close_notify.
  void shutdown();

  /// Why a step failed: tls_failed, peer_closed.
  error_code error() const noexcept { return error_; }
  /// "TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits)"; "" before the handshake.
  std::string description() const;
  /// "TLSv1.3"; "" before the handshake.
  std::string version() const;
  /// What SNI asked for (server) or sent (client); "". From the wire: escape it for logs.
  std::string server_name() const;
  /// Of the peer's certificate: SHA-256, 64 lower hex digits; "" = it sent none.
  std::string peer_fingerprint() const;
  /// The name that a verified client certificate stands for: its first e-mail address, else its
  /// common name; "" if none was sent, it does not verify, or the name has control characters.
  std::string peer_identity() const;
  // Channel bindings for SCRAM-PLUS; "" where there is none.
  std::string tls_exporter() const;  ///< RFC 9266
  /// RFC 5929 4, of our own certificate (server); "" when resumed: the client means the
  /// certificate of its first session, and which one that was is not known any more.
  std::string tls_end_point() const;
  bool is_resumed() const noexcept;
  /// Octets were fed, or decrypted, that nobody has read.
  bool has_input() const noexcept;
  /// client: what another connection to this peer can go on with; null if nothing. TLS 1.3 sends it
  /// behind the handshake: worth asking for at the end of a connection.
  tls_session resumable() const;
  /// In words, for the log: OpenSSL's reason or the certificate's fault.
  const std::string& failure() const noexcept { return failure_; }

 private:
  void set_names(const tls_parameters& parameters);
  step fail(int result);
  struct free_ssl {
    void operator()(SSL* s) const noexcept { SSL_free(s); }
  };
  tls_octets octets_;  // the BIO of ssl_ points to it
  std::unique_ptr<SSL, free_ssl> ssl_;
  error_code error_;
  std::string failure_;
};

}  // namespace relais::net
