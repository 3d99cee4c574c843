// TLS sessions that another connection can go on with, by a key that says for which host and under
// which policy they were made: one that was not verified never serves where verification is
// demanded. Bounded: what was used longest ago goes first. RFC 8446 2.2, RFC 5077. One per worker.
#pragma once

#include <cstddef>
#include <list>
#include <string>
#include <string_view>
#include <unordered_map>

#include "net/tls_engine.hpp"

namespace relais::tls {

class client_sessions {
 public:
  explicit client_sessions(std::size_t maximum = 1000) : maximum_(maximum) {}

  /// A share of it, which stays valid; null if none is known.
  net::tls_session find(std::string_view key);
  void remember(std::string_view key, net::tls_session session);
  void forget(std::string_view key);
  std::size_t size() const noexcept { return entries_.size(); }

 private:
  struct entry {
    std::string key;
    net::tls_session session;
  };
  std::size_t maximum_;
  std::list<entry> entries_;  // most recently used first
  std::unordered_map<std::string_view, std::list<entry>::iterator> index_;  // by the entries' keys
};

}  // namespace relais::tls
