// The keys of session tickets (RFC 5077, 8446 4.6.1): made here at random, never stored, new ones
// after each period; tickets of the previous period still count. So a ticket that is recorded today
// cannot be opened with what the process knows tomorrow. Shared by all workers; thread-safe.
#pragma once

#include <openssl/ssl.h>

#include <array>
#include <mutex>
#include <optional>

#include "base/clock.hpp"

namespace relais::tls {

class ticket_keys {
 public:
  /// `period` > 0.
  ticket_keys(const clock& time, duration period) : time_(time), period_(period) {}
  ~ticket_keys();
  ticket_keys(const ticket_keys&) = delete;
  ticket_keys& operator=(const ticket_keys&) = delete;

  /// Tickets of this context are sealed with these keys, which outlive it.
  void serve(SSL_CTX* context);

 private:
  struct key {
    std::array<unsigned char, 16> name;
    std::array<unsigned char, 32> cipher;
    std::array<unsigned char, 32> mac;
    steady_time made;
  };
  static int answer(SSL* ssl, unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX* cipher,
                    EVP_MAC_CTX* mac, int sealing);
  bool rotate();
  int seal(unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX* cipher, EVP_MAC_CTX* mac);
  int open(const unsigned char* name, const unsigned char* iv, EVP_CIPHER_CTX* cipher,
           EVP_MAC_CTX* mac);

  const clock& time_;
  const duration period_;
  std::mutex mutex_;
  std::optional<key> current_, previous_;
};

}  // namespace relais::tls
