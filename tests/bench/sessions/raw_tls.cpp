#include "bench/sessions/raw_tls.hpp"

#include <openssl/ssl.h>

#include <ctime>
#include <memory>
#include <stdexcept>

namespace relais::bench {
namespace {

struct free_tls {
  void operator()(SSL_CTX* c) const noexcept { SSL_CTX_free(c); }
  void operator()(SSL* s) const noexcept { SSL_free(s); }
  void operator()(SSL_SESSION* s) const noexcept { SSL_SESSION_free(s); }
};
using context_ptr = std::unique_ptr<SSL_CTX, free_tls>;
using session_ptr = std::unique_ptr<SSL_SESSION, free_tls>;

double processor_time() {
  ::timespec t{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) / 1e9;
}

struct handshake {
  handshake(SSL_CTX* server_context, SSL_CTX* client_context, SSL_SESSION* session) {
    const double start = processor_time();
    server.reset(SSL_new(server_context));
    server_seconds += processor_time() - start;
    client.reset(SSL_new(client_context));
    if (session != nullptr) SSL_set_session(client.get(), session);
    BIO* to_server = BIO_new(BIO_s_mem());
    BIO* to_client = BIO_new(BIO_s_mem());
    BIO_up_ref(to_server);
    BIO_up_ref(to_client);
    SSL_set_bio(server.get(), to_server, to_client);
    SSL_set_bio(client.get(), to_client, to_server);
    SSL_set_accept_state(server.get());
    SSL_set_connect_state(client.get());
  }
  bool run() {
    bool done = false;
    for (int turn = 0; turn < 10 && !done; ++turn) {
      const bool at_client = SSL_do_handshake(client.get()) == 1;
      const double start = processor_time();
      const bool at_server = SSL_do_handshake(server.get()) == 1;
      server_seconds += processor_time() - start;
      done = at_client && at_server;
    }
    // The ticket comes behind the handshake.
    char nothing = 0;
    SSL_read(client.get(), &nothing, 1);
    return done;
  }
  std::unique_ptr<SSL, free_tls> server, client;
  double server_seconds = 0;
};

}  // namespace

raw_tls measure_raw_tls(const std::string& certificate, const std::string& key, bool resumed,
                        double seconds) {
  const context_ptr server(SSL_CTX_new(TLS_server_method()));
  const context_ptr client(SSL_CTX_new(TLS_client_method()));
  SSL_CTX_set_session_cache_mode(server.get(), SSL_SESS_CACHE_OFF);
  SSL_CTX_set_num_tickets(server.get(), 1);
  SSL_CTX_set1_groups_list(server.get(), "X25519");
  if (SSL_CTX_use_certificate_chain_file(server.get(), certificate.c_str()) != 1 ||
      SSL_CTX_use_PrivateKey_file(server.get(), key.c_str(), SSL_FILETYPE_PEM) != 1) {
    throw std::runtime_error("the certificate of the benchmark cannot be used");
  }
  raw_tls sum;
  session_ptr session;
  const double start = processor_time();
  for (bool first = true; sum.both_seconds < seconds; first = false) {
    handshake h(server.get(), client.get(), resumed ? session.get() : nullptr);
    if (!h.run() || (!first && resumed != (SSL_session_reused(h.server.get()) == 1))) {
      throw std::runtime_error("a handshake of OpenSSL with itself failed");
    }
    session.reset(SSL_get1_session(h.client.get()));
    // One that ends without a farewell is not taken up again.
    SSL_set_shutdown(h.client.get(), SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    const double before = processor_time();
    h.server.reset();
    sum.server_seconds += h.server_seconds + processor_time() - before;
    ++sum.handshakes;
    sum.both_seconds = processor_time() - start;
  }
  return sum;
}

}  // namespace relais::bench
