#include "net/tls_engine.hpp"

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <limits>
#include <stdexcept>

#include "base/error.hpp"
#include "base/ip.hpp"

namespace relais::net {

tls_engine::tls_engine(const tls_parameters& parameters) : ssl_(SSL_new(parameters.context)) {
  if (!ssl_) throw std::bad_alloc();
  BIO* bio = make_tls_bio(octets_);
  if (bio == nullptr) throw std::bad_alloc();
  SSL_set_bio(ssl_.get(), bio, bio);
  SSL_set_mode(ssl_.get(), SSL_MODE_RELEASE_BUFFERS);
  SSL_set_options(ssl_.get(), SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  if (parameters.role == tls_role::server) {
    SSL_set_accept_state(ssl_.get());
    return;
  }
  SSL_set_connect_state(ssl_.get());
  const auto& name = parameters.peer_name;
  const auto address = ip_address::parse(name);
  if (!name.empty() && !address) SSL_set_tlsext_host_name(ssl_.get(), name.c_str());
  if (parameters.session != nullptr) SSL_set_session(ssl_.get(), parameters.session);
  if (!parameters.verify) {
    SSL_set_verify(ssl_.get(), SSL_VERIFY_NONE, nullptr);
    return;
  }
  SSL_set_verify(ssl_.get(), SSL_VERIFY_PEER, nullptr);
  set_names(parameters);
}

// RFC 6125. A connection without any name to check would trust every certificate: that is a fault.
void tls_engine::set_names(const tls_parameters& parameters) {
  auto* rules = SSL_get0_param(ssl_.get());
  X509_VERIFY_PARAM_set_hostflags(rules, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  auto names = parameters.verify_names;
  if (names.empty()) names.push_back(parameters.peer_name);
  bool is_set = false;
  for (const auto& name : names) {
    if (name.empty() || name == ".") continue;
    // An address is compared with addresses only, and OpenSSL wants both to fit if there is both.
    const bool is_address = ip_address::parse(name).has_value();
    if (is_address && names.size() > 1) continue;
    // A name with a leading dot: any name below it (X509_check_host(3)).
    is_set = (is_address ? X509_VERIFY_PARAM_set1_ip_asc(rules, name.c_str())
                         : X509_VERIFY_PARAM_add1_host(rules, name.c_str(), name.size())) == 1;
    if (!is_set) break;
  }
  if (!is_set) {
    throw std::runtime_error("the name of the TLS peer cannot be checked: " + names.front());
  }
}

tls_engine::step tls_engine::fail(int result) {
  const int reason = SSL_get_error(ssl_.get(), result);
  if (reason == SSL_ERROR_WANT_READ) return step::want_input;
  if (reason == SSL_ERROR_ZERO_RETURN) {
    error_ = errc::peer_closed;
    return step::failed;
  }
  error_ = errc::tls_failed;
  // A server asks for certificates and goes on without: a fault in one ends nothing.
  const bool verifies =
      SSL_is_server(ssl_.get()) == 0 && SSL_get_verify_mode(ssl_.get()) != SSL_VERIFY_NONE;
  if (const long verify = SSL_get_verify_result(ssl_.get()); verifies && verify != X509_V_OK) {
    failure_ = std::string("certificate: ") + X509_verify_cert_error_string(verify);
  } else if (const auto code = ERR_peek_last_error(); code != 0) {
    const char* words = ERR_reason_error_string(code);
    failure_ = words != nullptr ? words : "error " + std::to_string(code);
  } else {
    failure_ = "protocol failure";
  }
  ERR_clear_error();
  return step::failed;
}

tls_engine::step tls_engine::handshake() {
  ERR_clear_error();
  const int result = SSL_do_handshake(ssl_.get());
  return result == 1 ? step::done : fail(result);
}

void tls_engine::feed(std::string_view octets) {
  auto& in = octets_.in;
  in.erase(0, octets_.consumed);
  octets_.consumed = 0;
  in += octets;
}

void tls_engine::take_output(std::string& octets) {
  if (octets.empty()) {
    octets.swap(octets_.out);
  } else {
    octets += octets_.out;
  }
  std::string().swap(octets_.out);
}

tls_engine::step tls_engine::read(char* buffer, std::size_t size, std::size_t& n) {
  ERR_clear_error();
  n = 0;
  const int result = SSL_read_ex(ssl_.get(), buffer, size, &n);
  return result == 1 ? step::done : fail(result);
}

tls_engine::step tls_engine::write(std::string_view plain) {
  ERR_clear_error();
  std::size_t written = 0;
  if (plain.empty()) return step::done;
  const int result = SSL_write_ex(ssl_.get(), plain.data(), plain.size(), &written);
  return result == 1 ? step::done : fail(result);
}

void tls_engine::shutdown() {
  ERR_clear_error();
  SSL_shutdown(ssl_.get());
  ERR_clear_error();
}

}  // namespace relais::net
