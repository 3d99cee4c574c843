// Token introspection (RFC 7662): asks the authorization server over HTTP whether a token is valid
// and of whom. The request and its answer are pure; one connection for each question.
#pragma once

#include <openssl/ssl.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "auth/backend.hpp"
#include "base/clock.hpp"
#include "config/settings.hpp"
#include "dns/resolver.hpp"

namespace relais::auth {

struct http_url {
  bool is_tls = false;
  std::string host;  ///< a name, or an address without brackets
  std::uint16_t port = 0;
  std::string target;  ///< "/path?query"
};
/// "https://host[:port][/path]", or http; none if it is something else.
std::optional<http_url> parse_http_url(std::string_view text);

/// The request as octets; holds the token and the client's secret.
std::string introspection_request(const http_url& url, const config::token_settings& settings,
                                  std::string_view token);

/// The answer of a whole HTTP response; until `expires` at most it stays true.
struct introspection_answer {
  verdict said;
  std::optional<wall_time> expires;
};
introspection_answer read_introspection(unsigned status, std::string_view body,
                                        const config::token_settings& settings, wall_time now);

/// `settings.introspection_url` is a valid URL. Answers are kept for a minute, refusals for ten
/// seconds, at most 1000 of them. All references outlive the backend.
std::unique_ptr<token_backend> make_introspection(const config::token_settings& settings,
                                                  const net::runtime& world,
                                                  dns::resolver& resolver, SSL_CTX* client_tls);

}  // namespace relais::auth
