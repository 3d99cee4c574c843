// A tls_engine as the server, and a client of plain OpenSSL that can be told everything a hostile
// or old client does, with nothing but strings between them.
#pragma once

#include <openssl/ssl.h>

#include <memory>
#include <string>

#include "net/tls_engine.hpp"
#include "net/tls_octets.hpp"

namespace relais::testing {

struct free_tls {
  void operator()(SSL_CTX* c) const noexcept { SSL_CTX_free(c); }
  void operator()(SSL* s) const noexcept { SSL_free(s); }
  void operator()(SSL_SESSION* s) const noexcept { SSL_SESSION_free(s); }
};
using context_ptr = std::unique_ptr<SSL_CTX, free_tls>;

/// Any version, any cipher, keeps the latest session ticket.
inline context_ptr make_test_client() {
  context_ptr made(SSL_CTX_new(TLS_client_method()));
  SSL_CTX_set_security_level(made.get(), 0);
  SSL_CTX_set_min_proto_version(made.get(), TLS1_VERSION);
  return made;
}

class tls_pair {
 public:
  tls_pair(SSL_CTX* server_context, SSL_CTX* client_context, const std::string& name = {})
      : server(parameters(server_context)), client(SSL_new(client_context)) {
    BIO* bio = net::make_tls_bio(octets_);
    SSL_set_bio(client.get(), bio, bio);
    SSL_set_connect_state(client.get());
    if (!name.empty()) SSL_set_tlsext_host_name(client.get(), name.c_str());
  }

  /// Both ends are done, and what follows a handshake (tickets) has arrived.
  bool handshake() {
    auto at_server = net::tls_engine::step::want_input;
    bool at_client = false;
    for (int turn = 0; turn < 20; ++turn) {
      const int result = SSL_do_handshake(client.get());
      at_client = result == 1;
      if (!at_client && SSL_get_error(client.get(), result) != SSL_ERROR_WANT_READ) break;
      to_server();
      if (at_server == net::tls_engine::step::want_input) at_server = server.handshake();
      to_client();
      if (at_server == net::tls_engine::step::failed) break;
      if (at_client && at_server == net::tls_engine::step::done) {
        hear(1);
        return true;
      }
    }
    return false;
  }

  void to_server() {
    server.feed(octets_.out);
    octets_.out.clear();
  }
  void to_client() { server.take_output(octets_.in); }

  /// What the client reads next, after the server has said it; "" = nothing.
  std::string hear(std::size_t limit = 1000) {
    to_client();
    std::string heard(limit, '\0');
    std::size_t n = 0;
    if (SSL_read_ex(client.get(), heard.data(), heard.size(), &n) != 1) n = 0;
    heard.resize(n);
    return heard;
  }

  std::string subject_seen() const {
    X509* seen = SSL_get0_peer_certificate(client.get());
    if (seen == nullptr) return {};
    char text[256] = {};
    X509_NAME_get_text_by_NID(X509_get_subject_name(seen), NID_commonName, text, sizeof text);
    return text;
  }

  net::tls_engine server;

 private:
  static net::tls_parameters parameters(SSL_CTX* context) {
    net::tls_parameters p;
    p.context = context;
    p.role = net::tls_role::server;
    return p;
  }
  net::tls_octets octets_;

 public:
  std::unique_ptr<SSL, free_tls> client;  // its BIO points to octets_
};

}  // namespace relais::testing
