#include "daemon/bound_listeners.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/error.hpp"
#include "daemon/exit_codes.hpp"
#include "net/inherited_sockets.hpp"

namespace relais::daemon {
namespace {

using kind = listen_address::kind;

std::string reason_of(const listen_address& at, const error_code& why) {
  if (at.is != kind::inherited) return why.message();
  if (why == errc::exists) {
    return "several sockets of systemd have this name; each needs a unit of its own";
  }
  if (why == boost::system::errc::invalid_argument) return "this is no listening stream socket";
  if (why != errc::not_found) return why.message();
  std::vector<std::string> names;
  for (const auto& s : net::inherited_sockets()) names.push_back(s.name);
  if (names.empty()) return "systemd has passed no sockets";
  return fmt::format("systemd has passed no socket of this name, but: {}", fmt::join(names, ", "));
}

startup_error cannot_listen(const listen_address& at, const error_code& why) {
  return {exit_code::unavailable,
          fmt::format("cannot listen on {}: {}", at.text(), reason_of(at, why))};
}

// A host without IPv6 shall not stumble over the default listener [::1].
bool is_missing_ipv6_loopback(const listen_address& at, const error_code& why) {
  return at.is == kind::inet && at.at.address.is_v6() && at.at.address.is_loopback() &&
         (why == boost::system::errc::address_not_available ||
          why == boost::system::errc::address_family_not_supported);
}

}  // namespace

std::vector<bound_listener> bind_listeners(const config::settings& settings,
                                           const std::vector<net::network*>& networks,
                                           event_sink& log) {
  std::vector<bound_listener> all;
  for (std::size_t l = 0; l < settings.listeners.size(); ++l) {
    const auto& listener = settings.listeners[l];
    auto at = listener.address;
    // The name of a UNIX socket has room for one.
    const std::size_t workers = at.is == kind::local ? 1 : networks.size();
    for (std::size_t w = 0; w < workers; ++w) {
      const auto mode = static_cast<unsigned>(listener.mode);
      auto made = networks[w]->listen(at, workers > 1, mode);
      if (!made && settings.listeners.size() > 1 && is_missing_ipv6_loopback(at, made.error())) {
        log.emit(
            events::notice{"master", true, "not listening on " + at.text() + ": no IPv6 here"});
        break;
      }
      if (!made) throw cannot_listen(at, made.error());
      at = (*made)->address();  // with port 0, all workers share the port that the first one got
      all.push_back({w, l, std::move(*made)});
    }
  }
  return all;
}

std::unique_ptr<net::acceptor> bind_http(const config::settings& settings, net::network& network) {
  if (settings.http.listen.empty()) return nullptr;
  const auto at = *endpoint::parse(settings.http.listen);  // checked by the loader
  auto made = network.listen(at, false);
  if (!made) throw cannot_listen(at, made.error());
  return std::move(*made);
}

}  // namespace relais::daemon
