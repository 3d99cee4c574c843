// Which way does a message take? The first row of `routes` that matches, else the smarthost, else
// the recipient's domain by MX. A route says everything about the way that the configuration can
// say: hosts, TLS, login, source address, limits, retries. Pure; what the addresses of a host are
// is the resolver's matter.
#pragma once

#include <compare>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/settings.hpp"
#include "policy/retry.hpp"
#include "smtp/client_protocol.hpp"
#include "smtp/envelope.hpp"

namespace relais::policy {

/// Where to connect to, in the words of the configuration.
struct route_host {
  std::string name;  ///< lower case name, an address without brackets, or a path
  std::uint16_t port = 25;
  bool lookup_mx =
      false;              ///< by the MX records of `name`; an empty name: of the recipient's domain
  bool is_local = false;  ///< `name` is the path of a UNIX socket
  std::uint16_t preference = 0;
  unsigned weight = 1;     ///< among equal preferences, as in RFC 2782
  bool is_chosen = false;  ///< the owner of this machine named it: it may be on any network

  friend bool operator==(const route_host&, const route_host&) = default;
  /// "relay.example", "[relay.example]:587", "unix:/path", "mx"; a port that is not 25 is shown.
  std::string text() const;
};

struct route {
  std::string name;  ///< "route 2" or as configured, "smarthost", "MX", "operator"
  config::source_place place;
  config::route_action action = config::route_action::relay;
  std::string status, text;  ///< of action error: "5.1.1" and a sentence
  /// By preference. Empty: action is not relay, or hop.domain is a host that an operator wrote.
  std::vector<route_host> hosts, fallback;
  unsigned fallback_attempts = 0;
  duration fallback_time{};
  bool is_lmtp = false;
  config::tls_choice tls = config::tls_choice::may;  ///< never automatic
  std::string tls_source;                            ///< "relais.yaml:12", "delivery.tls"
  std::vector<std::string> fingerprints, verify_names;
  std::string tls_ca_file, tls_certificate, tls_key;
  std::optional<smtp::credentials> login;
  std::optional<ip_address> source_ipv4, source_ipv6;
  std::string hello;  ///< never empty
  std::size_t concurrency = 20, initial_concurrency = 2;
  unsigned messages_per_connection = 100;
  std::uint64_t messages = 0, connections = 0;  ///< per rate_window; 0 = no limit
  duration rate_window{};
  retry_schedule retry;

  /// Whether a host follows from the recipient's domain: of a next hop by this route, the domain
  /// counts. Else all hosts were chosen by the owner of this machine.
  bool follows_domain() const noexcept;
};

/// What identifies a destination: equal ones share connections, limits and health.
struct next_hop {
  std::uint32_t route = 0;   ///< index, see routes::at
  bool is_fallback = false;  ///< by the route's fallback hosts
  std::string domain;        ///< of the recipients, lower case; "" if the route names its hosts

  next_hop() = default;
  friend auto operator<=>(const next_hop&, const next_hop&) = default;
  friend bool operator==(const next_hop&, const next_hop&) = default;
};

/// What a route is chosen by.
struct route_subject {
  const smtp::path& forward_path;
  const smtp::path& reverse_path;
  std::string_view user{};      ///< of AUTH; "" = none
  std::string_view listener{};  ///< address text of the listener that took it; "" = none
};

class routes {
 public:
  explicit routes(const config::settings& settings);

  next_hop find(const route_subject& subject) const;
  const route& at(const next_hop& hop) const noexcept { return *all_[hop.route]; }
  const std::vector<std::unique_ptr<route>>& all() const noexcept { return all_; }
  /// The hosts to use: the route's own or its fallback, by preference; none has an empty name, as
  /// hop.domain stands there, if need be as a literal with its brackets.
  std::vector<route_host> hosts(const next_hop& hop) const;
  /// Whether a job with so many failed attempts and that age goes to the fallback from now on.
  bool wants_fallback(const next_hop& hop, unsigned attempts, duration age) const noexcept;
  /// "far.example", "[relay.example]:587", "unix:/run/lmtp": for logs and operators.
  std::string text(const next_hop& hop) const;
  /// The next hop that an operator writes (a domain, or a host as in next_hops): by the first route
  /// that leads there, else by the built-in route for such cases, with `text` as the domain.
  /// Empty: no such way of writing. text() of the answer is parsed as the same next hop.
  std::optional<next_hop> parse(std::string_view text) const;

  /// Whether a row of the configuration asks who logged in, or which listener it was.
  static bool need_user(const config::settings& settings) noexcept;
  static bool need_listener(const config::settings& settings) noexcept;
  /// The criterion of that route which the subject does not meet: "recipients", "senders", "users",
  /// "listeners"; "" = it matches. For explanations.
  std::string_view mismatch(std::size_t route, const route_subject& subject) const;

 private:
  struct matching;
  next_hop hop_by(std::size_t route, std::string_view domain) const;

  std::vector<std::unique_ptr<route>> all_;  // stable addresses; the last one is the operators'
  std::shared_ptr<const matching> matching_;
  std::size_t rows_ = 0, mx_ = 0;  // rows of the configuration come first
  std::string hostname_;
  std::uint16_t port_ = 25;
};

}  // namespace relais::policy

template <>
struct std::hash<relais::policy::next_hop> {
  std::size_t operator()(const relais::policy::next_hop& hop) const noexcept {
    return std::hash<std::string>{}(hop.domain) * 31 + hop.route * 2 + (hop.is_fallback ? 1 : 0);
  }
};
