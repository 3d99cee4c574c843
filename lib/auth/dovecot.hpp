// Dovecot's auth socket as a backend for passwords: the client side of its authentication protocol
// 1.x over a UNIX socket, one connection for each login, PLAIN inside. The lines are pure; the
// backend carries them.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "auth/backend.hpp"

namespace relais::auth {

class dovecot_exchange {
 public:
  /// `process`: a number of ours for Dovecot's logs.
  dovecot_exchange(std::string user, std::shared_ptr<const secret> password, const channel& on,
                   unsigned process);
  /// Octets from the socket. After 64 KiB without an answer it has failed.
  void receive(std::string_view octets);
  /// Octets for the socket, once.
  std::string take_output();
  /// The answer, when it is there.
  const std::optional<verdict>& answer() const noexcept { return answer_; }

 private:
  void take_line(std::string_view line);
  void ask();
  void read_failure(std::string_view parameters);

  std::string user_;
  std::shared_ptr<const secret> password_;
  std::string client_;
  bool is_tls_;
  std::string output_, input_;
  std::size_t received_ = 0;
  bool has_plain_ = false, has_asked_ = false;
  std::optional<verdict> answer_;
};

/// `world` outlives the backend.
std::unique_ptr<password_backend> make_dovecot_backend(std::string socket,
                                                       const net::runtime& world);

}  // namespace relais::auth
