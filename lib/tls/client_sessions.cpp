#include "tls/client_sessions.hpp"

namespace relais::tls {

net::tls_session client_sessions::find(std::string_view key) {
  const auto at = index_.find(key);
  if (at == index_.end()) return {};
  entries_.splice(entries_.begin(), entries_, at->second);
  SSL_SESSION* shared = entries_.front().session.get();
  SSL_SESSION_up_ref(shared);
  return net::tls_session(shared);
}

void client_sessions::remember(std::string_view key, net::tls_session session) {
  if (!session) return;
  if (const auto at = index_.find(key); at != index_.end()) {
    entries_.splice(entries_.begin(), entries_, at->second);
    entries_.front().session = std::move(session);
    return;
  }
  entries_.push_front(entry{std::string(key), std::move(session)});
  index_.emplace(entries_.front().key, entries_.begin());
  if (entries_.size() <= maximum_) return;
  index_.erase(entries_.back().key);
  entries_.pop_back();
}

void client_sessions::forget(std::string_view key) {
  const auto at = index_.find(key);
  if (at == index_.end()) return;
  const auto known = at->second;
  index_.erase(at);
  entries_.erase(known);
}

}  // namespace relais::tls
