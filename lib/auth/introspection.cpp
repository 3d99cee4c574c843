#include "auth/introspection.hpp"

#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <boost/json.hpp>
#include <sstream>

#include "auth/answer_cache.hpp"
#include "auth/jwt.hpp"
#include "base/error.hpp"
#include "base/text.hpp"
#include "net/stream.hpp"
#include "smtp/path.hpp"

namespace relais::auth {
namespace {

namespace http = boost::beast::http;

constexpr auto time_limit = std::chrono::seconds(10);
constexpr auto keep_right = std::chrono::seconds(60), keep_wrong = std::chrono::seconds(10);
constexpr std::uint32_t largest_header = 16 << 10;
constexpr std::uint64_t largest_body = 64 << 10;

/// application/x-www-form-urlencoded, of anything.
std::string form_encoded(std::string_view text) {
  static constexpr char hex[] = "0123456789ABCDEF";
  std::string safe;
  for (const char c : text) {
    if (is_alnum(c) || c == '-' || c == '.' || c == '_' || c == '~') {
      safe += c;
    } else {
      const auto octet = static_cast<unsigned char>(c);
      safe += {'%', hex[octet >> 4], hex[octet & 15]};
    }
  }
  return safe;
}

verdict unavailable(std::string why) {
  return {finding::unavailable, "introspection: " + std::move(why)};
}

}  // namespace

std::optional<http_url> parse_http_url(std::string_view text) {
  http_url url;
  for (const std::string_view scheme : {"https://", "http://"}) {
    if (!istarts_with(text, scheme)) continue;
    url.is_tls = scheme == "https://";
    text.remove_prefix(scheme.size());
    const auto slash = text.find_first_of("/?#");
    auto authority = text.substr(0, slash);
    url.target = slash == std::string_view::npos ? "/" : std::string(text.substr(slash));
    if (!url.target.starts_with('/')) url.target.insert(0, "/");
    for (const char c : url.target) {
      if (is_control(c) || c == ' ' || c == '#' || static_cast<unsigned char>(c) > 0x7e) return {};
    }
    url.port = url.is_tls ? 443 : 80;
    const auto colon = authority.rfind(':');
    if (colon != std::string_view::npos && authority.find(']', colon) == std::string_view::npos) {
      const auto port = parse_number(authority.substr(colon + 1));
      if (!port || *port == 0 || *port > 65535) return {};
      url.port = static_cast<std::uint16_t>(*port);
      authority = authority.substr(0, colon);
    }
    if (authority.starts_with('[') && authority.ends_with(']')) {
      authority = authority.substr(1, authority.size() - 2);
      if (!ip_address::parse(authority)) return {};
    } else if (!smtp::is_domain(authority)) {
      return {};
    }
    url.host = authority;
    return url;
  }
  return {};
}

std::string introspection_request(const http_url& url, const config::token_settings& settings,
                                  std::string_view token) {
  http::request<http::string_body> request(http::verb::post, url.target, 11);
  const bool brackets = url.host.find(':') != std::string::npos;
  const bool usual = url.port == (url.is_tls ? 443 : 80);
  request.set(http::field::host, (brackets ? "[" + url.host + "]" : url.host) +
                                     (usual ? "" : ":" + std::to_string(url.port)));
  request.set(http::field::accept, "application/json");
  request.set(http::field::connection, "close");
  request.set(http::field::content_type, "application/x-www-form-urlencoded");
  if (!settings.client_id.empty()) {
    // RFC 6749 2.3.1
    request.set(http::field::authorization,
                "Basic " + base64_encode(form_encoded(settings.client_id) + ":" +
                                         form_encoded(settings.client_secret)));
  }
  request.body() = "token=" + form_encoded(token) + "&token_type_hint=access_token";
  request.prepare_payload();
  std::ostringstream octets;
  octets << request;
  return octets.str();
}

introspection_answer read_introspection(unsigned status, std::string_view body,
                                        const config::token_settings& settings, wall_time now) {
  if (status != 200) return {unavailable("HTTP status " + std::to_string(status)), {}};
  const auto claims = parse_json_object(body);
  const auto* active = claims ? claims->if_contains("active") : nullptr;
  if (active == nullptr || !active->is_bool())
    return {unavailable("not the answer of RFC 7662"), {}};
  if (!active->get_bool()) return {verdict(finding::wrong, "token: not active"), {}};
  introspection_answer answer{check_claims(*claims, settings, now, false), {}};
  const auto* expires = claims->if_contains("exp");
  boost::json::error_code ec;
  const auto seconds = expires != nullptr ? expires->to_number<std::int64_t>(ec) : 0;
  constexpr std::int64_t year_9999 = 253402300800;
  if (expires != nullptr && !ec && seconds > 0 && seconds < year_9999) {
    answer.expires = wall_time(std::chrono::seconds(seconds));
  }
  return answer;
}

namespace {

class introspection final : public token_backend {
 public:
  introspection(const config::token_settings& settings, const net::runtime& world,
                dns::resolver& resolver, SSL_CTX* client_tls)
      : settings_(settings),
        url_(parse_http_url(settings.introspection_url).value_or(http_url())),
        world_(world),
        resolver_(resolver),
        client_tls_(client_tls) {}

  net::task<verdict> check(std::shared_ptr<const secret> token) override;

 private:
  net::task<introspection_answer> ask(std::string request);
  net::task<result<std::unique_ptr<net::transport>>> connect();
  net::task<introspection_answer> talk(net::stream& wire, std::string request);

  config::token_settings settings_;
  http_url url_;
  const net::runtime& world_;
  dns::resolver& resolver_;
  SSL_CTX* client_tls_;
  answer_cache known_{1000};
};

net::task<verdict> introspection::check(std::shared_ptr<const secret> token) {
  const auto key = sha256(token->text());
  if (const auto* known = known_.find(key, world_.clock.now())) co_return *known;
  auto request = introspection_request(url_, settings_, token->text());
  token.reset();
  auto answer = co_await ask(std::move(request));
  const auto& said = answer.said;
  if (said.is != finding::unavailable) {
    duration keep = said.is == finding::right ? keep_right : keep_wrong;
    if (answer.expires) {
      keep = std::min<duration>(keep, *answer.expires - world_.clock.wall());
    }
    known_.keep(key, said, world_.clock.now() + keep);
  }
  co_return std::move(answer.said);
}

net::task<introspection_answer> introspection::ask(std::string request) {
  auto opened = co_await connect();
  if (!opened) {
    wipe(request);
    co_return introspection_answer{unavailable(opened.error().message()), {}};
  }
  net::stream wire(std::move(*opened), world_);
  wire.expires_after(time_limit);
  auto answer = co_await talk(wire, std::move(request));
  co_return answer;
}

net::task<result<std::unique_ptr<net::transport>>> introspection::connect() {
  if (const auto literal = ip_address::parse(url_.host)) {
    const endpoint to{*literal, url_.port};
    co_return co_await world_.network.connect(to, time_limit);
  }
  result<std::unique_ptr<net::transport>> last = error_code(errc::not_found);
  for (const auto which : {dns::resolver::family::v6, dns::resolver::family::v4}) {
    const auto found = co_await resolver_.addresses(url_.host, which);
    if (!found) {
      if (last.error() == errc::not_found) last = found.error();
      continue;
    }
    for (const auto& address : found->records) {
      const endpoint to{address, url_.port};
      last = co_await world_.network.connect(to, time_limit);
      if (last) co_return std::move(last);
    }
  }
  co_return std::move(last);
}

net::task<introspection_answer> introspection::talk(net::stream& wire, std::string request) {
  error_code failed;
  if (url_.is_tls) {
    net::tls_parameters parameters;
    parameters.context = client_tls_;
    parameters.peer_name = url_.host;
    parameters.verify = true;
    failed = co_await wire.start_tls(std::move(parameters));
  }
  if (!failed) failed = co_await wire.write(request);
  wipe(request);
  http::response_parser<http::string_body> response;
  response.eager(true);  // the body as well, not only the header
  response.header_limit(largest_header);
  response.body_limit(largest_body);
  std::string pending, buffer(4096, '\0');
  while (!failed && !response.is_done()) {
    const auto n = co_await wire.read_some(net::asio::buffer(buffer));
    if (!n && n.error() == errc::peer_closed && response.got_some()) {
      // A body without a length ends with the connection.
      response.put_eof(failed);
      break;
    }
    if (!n) {
      failed = n.error();
      break;
    }
    pending.append(buffer, 0, *n);
    const auto used = response.put(net::asio::buffer(pending), failed);
    pending.erase(0, used);
    if (failed == http::error::need_more) failed = {};
  }
  if (failed || !response.is_done()) {
    const auto& why = wire.tls_failure();
    co_return introspection_answer{unavailable(why.empty() ? failed.message() : why), {}};
  }
  const auto status = response.get().result_int();
  co_return read_introspection(status, response.get().body(), settings_, world_.clock.wall());
}

}  // namespace

std::unique_ptr<token_backend> make_introspection(const config::token_settings& settings,
                                                  const net::runtime& world,
                                                  dns::resolver& resolver, SSL_CTX* client_tls) {
  return std::make_unique<introspection>(settings, world, resolver, client_tls);
}

}  // namespace relais::auth
