#include "auth/jwt.hpp"

#include <algorithm>
#include <boost/json.hpp>

#include "auth/mechanism.hpp"
#include "base/text.hpp"

namespace relais::auth {
namespace {

namespace json = boost::json;

constexpr double leeway = 60;  // seconds
constexpr std::size_t deepest = 16;

std::string text_of(const json::object& object, std::string_view name) {
  const auto* value = object.if_contains(name);
  return value != nullptr && value->is_string() ? std::string(value->get_string()) : std::string();
}

/// NumericDate of RFC 7519 2. Present and no number: none, and `broken`.
std::optional<double> date_of(const json::object& claims, std::string_view name, bool& broken) {
  const auto* value = claims.if_contains(name);
  if (value == nullptr) return {};
  json::error_code ec;
  const auto seconds = value->to_number<double>(ec);
  broken = broken || ec;
  if (ec) return {};
  return seconds;
}

bool is_among_audience(const json::object& claims, std::string_view wanted) {
  const auto* value = claims.if_contains("aud");
  if (value == nullptr) return false;
  if (value->is_string()) return std::string_view(value->get_string()) == wanted;
  return value->is_array() && std::ranges::any_of(value->get_array(), [&](const json::value& one) {
           return one.is_string() && std::string_view(one.get_string()) == wanted;
         });
}

}  // namespace

std::optional<std::string> base64url_decode(std::string_view text) {
  std::string standard(text);
  for (char& c : standard) {
    if (c == '+' || c == '/' || c == '=') return {};
    c = c == '-' ? '+' : c == '_' ? '/' : c;
  }
  standard.append((4 - standard.size() % 4) % 4, '=');
  return base64_decode(standard);
}

std::optional<json::object> parse_json_object(std::string_view text) {
  json::parse_options options;
  options.max_depth = deepest;
  json::error_code ec;
  auto value = json::parse(text, ec, {}, options);
  if (ec || !value.is_object()) return {};
  return std::move(value.get_object());
}

bool looks_like_jwt(std::string_view token) noexcept {
  return std::ranges::count(token, '.') == 2 && token.starts_with("ey");
}

verdict check_claims(const json::object& claims, const config::token_settings& settings,
                     wall_time now, bool needs_expiry) {
  const auto seconds = std::chrono::duration<double>(now.time_since_epoch()).count();
  bool broken = false;
  const auto expires = date_of(claims, "exp", broken), from = date_of(claims, "nbf", broken);
  if (broken) return {finding::wrong, "token: exp or nbf is no number"};
  if (!expires && needs_expiry) return {finding::wrong, "token: no end of validity"};
  if (expires && seconds >= *expires + leeway) return {finding::wrong, "token: expired"};
  if (from && seconds < *from - leeway) return {finding::wrong, "token: not valid yet"};
  if (!settings.issuer.empty() && text_of(claims, "iss") != settings.issuer) {
    return {finding::untrusted, "token: another issuer"};
  }
  if (!settings.audience.empty() && !is_among_audience(claims, settings.audience)) {
    return {finding::untrusted, "token: another audience"};
  }
  auto user = text_of(claims, settings.user_claim);
  if (!is_user_name(user)) return {finding::wrong, "token: no " + settings.user_claim + " in it"};
  return verdict(account{std::move(user), {}});
}

verdict check_jwt(std::string_view token, const jwt_keys& keys,
                  const config::token_settings& settings, wall_time now) {
  const verdict malformed(finding::wrong, "token: malformed");
  const auto parts = split(token, '.');
  if (parts.size() != 3) return malformed;
  const auto header_text = base64url_decode(parts[0]), payload = base64url_decode(parts[1]),
             signature = base64url_decode(parts[2]);
  const auto header = header_text ? parse_json_object(*header_text) : std::nullopt;
  if (!header || !payload || !signature) return malformed;
  // Extensions that must be understood: we understand none (RFC 7515 4.1.11).
  if (header->contains("crit")) return {finding::wrong, "token: unknown extension"};
  const auto input = token.substr(0, parts[0].size() + 1 + parts[1].size());
  switch (keys.verify(text_of(*header, "alg"), text_of(*header, "kid"), input, *signature)) {
    case jwt_keys::answer::no_key: return {finding::unknown, "token: no key for it"};
    case jwt_keys::answer::bad: return {finding::wrong, "token: wrong signature"};
    case jwt_keys::answer::good: break;
  }
  const auto claims = parse_json_object(*payload);
  if (!claims) return malformed;
  return check_claims(*claims, settings, now, true);
}

}  // namespace relais::auth
