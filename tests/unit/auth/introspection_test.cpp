// Introspection: URLs, the request, answers good and broken, over a scripted server and over TLS
// that does not verify.
#include "auth/introspection.hpp"

#include <catch2/catch.hpp>

#include "base/text.hpp"
#include "net/tls_engine.hpp"
#include "support/test_certificate.hpp"
#include "tls/client_context.hpp"
#include "unit/auth/auth_scene.hpp"

using namespace relais;
using namespace relais::auth;
using namespace relais::testing;
using namespace std::chrono_literals;

namespace {

const wall_time now{std::chrono::seconds(1'800'000'000)};

std::string shown(const verdict& v) {
  static const char* const names[] = {"right",   "wrong",    "unknown",   "disabled",
                                      "expired", "too weak", "untrusted", "unavailable"};
  return std::string(names[static_cast<int>(v.is)]) + " " +
         (v.is == finding::right ? v.who.user : v.reason);
}

std::string http(const std::string& body, const std::string& status = "200 OK") {
  return "HTTP/1.1 " + status +
         "\r\nContent-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) +
         "\r\n\r\n" + body;
}

const std::string active = R"({"active":true,"email":"ann@a.example","exp":1900000000})";

struct server {
  auth_scene scene;
  std::shared_ptr<peer> who = std::make_shared<peer>();
  config::token_settings settings;
  std::unique_ptr<token_backend> backend;

  explicit server(const std::string& response, const std::string& url = "http://127.0.0.1:8080/i") {
    settings.introspection_url = url;
    who->answer = [response](const std::string& written) {
      // The whole request comes in one piece.
      return written.find("\r\n\r\n") == std::string::npos ? "" : response;
    };
    scene.network.peers["127.0.0.1:8080"] = who;
    backend = make_introspection(settings, scene.world, scene.resolver, nullptr);
  }
  std::string ask(const std::string& token = "t") {
    verdict said;
    const auto job = [&]() -> net::task<void> {
      auto shown_token = std::make_shared<const secret>(token);
      said = co_await backend->check(std::move(shown_token));
    };
    run_task(scene.io, job());
    return shown(said);
  }
};

}  // namespace

TEST_CASE("URLs of introspection", "[auth]") {
  struct row {
    std::string url, shown;
  };
  const auto r = GENERATE(values<row>({
      {"https://idp.example/introspect", "tls idp.example 443 /introspect"},
      {"HTTPS://idp.example", "tls idp.example 443 /"},
      {"http://idp.example:8080/a/b?c=d", "plain idp.example 8080 /a/b?c=d"},
      {"http://idp.example?c=d", "plain idp.example 80 /?c=d"},
      {"https://[2001:db8::1]:444/x", "tls 2001:db8::1 444 /x"},
      {"https://[2001:db8::1]", "tls 2001:db8::1 443 /"},
      {"http://127.0.0.1:1/", "plain 127.0.0.1 1 /"},
      {"ftp://idp.example/", ""},
      {"idp.example/", ""},
      {"https://", ""},
      {"https://:443/", ""},
      {"https://idp.example:0/", ""},
      {"https://idp.example:65536/", ""},
      {"https://user@idp.example/", ""},
      {"https://idp.example/a b", ""},
      {"https://idp.example/a\r\nX: y", ""},
      {"https://[zz]/", ""},
  }));
  DYNAMIC_SECTION(printable(r.url)) {
    const auto url = parse_http_url(r.url);
    const auto text = url ? std::string(url->is_tls ? "tls " : "plain ") + url->host + " " +
                                std::to_string(url->port) + " " + url->target
                          : "";
    CHECK(text == r.shown);
  }
}

TEST_CASE("the request of introspection", "[auth]") {
  config::token_settings settings;
  settings.client_id = "relais:1";
  settings.client_secret = "s e";
  const auto request =
      introspection_request(*parse_http_url("http://[::1]:8080/i"), settings, "a+b/c==");
  CHECK(request.starts_with("POST /i HTTP/1.1\r\n"));
  CHECK(request.find("Host: [::1]:8080\r\n") != std::string::npos);
  CHECK(request.find("Authorization: Basic " + base64_encode("relais%3A1:s%20e") + "\r\n") !=
        std::string::npos);
  CHECK(request.ends_with("\r\n\r\ntoken=a%2Bb%2Fc%3D%3D&token_type_hint=access_token"));
}

TEST_CASE("answers of introspection", "[auth]") {
  struct row {
    std::string body, end;
  };
  const auto r = GENERATE(values<row>({
      {active, "right ann@a.example"},
      {R"({"active":true,"email":"ann"})", "right ann"},
      {R"({"active":false})", "wrong token: not active"},
      {R"({"active":true,"email":"ann","exp":1})", "wrong token: expired"},
      {R"({"active":true})", "wrong token: no email in it"},
      {R"({"active":"true","email":"ann"})",
       "unavailable introspection: not the answer of RFC 7662"},
      {R"({"email":"ann"})", "unavailable introspection: not the answer of RFC 7662"},
      {"", "unavailable introspection: not the answer of RFC 7662"},
      {"<html>", "unavailable introspection: not the answer of RFC 7662"},
  }));
  DYNAMIC_SECTION(r.body) {
    CHECK(shown(read_introspection(200, r.body, {}, now).said) == r.end);
    CHECK(shown(read_introspection(503, r.body, {}, now).said) ==
          "unavailable introspection: HTTP status 503");
  }
}

TEST_CASE("a token is asked for once and remembered for a minute", "[auth]") {
  server s(http(active));
  CHECK(s.ask() == "right ann@a.example");
  CHECK(s.who->written.find("token=t&") != std::string::npos);
  CHECK(s.ask() == "right ann@a.example");
  CHECK(s.scene.network.asked.size() == 1);
  CHECK(s.ask("u") == "right ann@a.example");
  CHECK(s.scene.network.asked.size() == 2);
  s.scene.clock.elapsed += 60s;
  CHECK(s.ask() == "right ann@a.example");
  CHECK(s.scene.network.asked.size() == 3);
}

TEST_CASE("a refusal is remembered for ten seconds, a failure not at all", "[auth]") {
  server no(http(R"({"active":false})"));
  CHECK(no.ask() == "wrong token: not active");
  CHECK(no.ask() == "wrong token: not active");
  CHECK(no.scene.network.asked.size() == 1);
  no.scene.clock.elapsed += 10s;
  CHECK(no.ask() == "wrong token: not active");
  CHECK(no.scene.network.asked.size() == 2);
  server broken(http("", "500 Oops"));
  CHECK(broken.ask() == "unavailable introspection: HTTP status 500");
  CHECK(broken.ask() == "unavailable introspection: HTTP status 500");
  CHECK(broken.scene.network.asked.size() == 2);
}

TEST_CASE("servers of introspection that break off or talk too much", "[auth]") {
  const auto response = GENERATE(
      as<std::string>(), "", "HTTP/1.1 200 OK\r\n", "220 mail.example ESMTP\r\n",
      "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"active\":true,\"email\":\"ann\"}",
      "HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n{}",
      "HTTP/1.1 200 OK\r\nX: " + std::string(20000, 'x') + "\r\n\r\n{}",
      "HTTP/1.1 200 OK\r\n\r\n{\"active\":true,\"email\":\"ann\"" + std::string(70000, ' ') + "}");
  server s(response);
  CHECK(s.ask().starts_with("unavailable introspection: "));
}

TEST_CASE("a body that ends with the connection is read", "[auth]") {
  server s("HTTP/1.1 200 OK\r\n\r\n" + active);
  CHECK(s.ask() == "right ann@a.example");
  server chunked(
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: "
      "chunked\r\n\r\n1e\r\n{\"active\":true,\"email\":\"ann\"} \r\n0\r\n\r\n");
  CHECK(chunked.ask() == "right ann");
}

TEST_CASE("the server of introspection is found by name", "[auth]") {
  server s(http(active), "http://idp.example:8080/i");
  CHECK(s.ask().starts_with("unavailable introspection: "));
  s.scene.resolver.names_of["idp.example"] = *ip_address::parse("127.0.0.1");
  CHECK(s.ask() == "right ann@a.example");
  CHECK(s.who->written.find("Host: idp.example:8080\r\n") != std::string::npos);
  s.scene.network.peers.clear();
  CHECK(s.ask("u").starts_with("unavailable introspection: "));
}

namespace {

/// A server behind TLS: answers the first request, and keeps what it has read of it.
struct tls_server {
  explicit tls_server(SSL_CTX* context, std::string says) : response(std::move(says)) {
    net::tls_parameters parameters;
    parameters.context = context;
    parameters.role = net::tls_role::server;
    engine = std::make_unique<net::tls_engine>(parameters);
  }
  std::string answer(const std::string& written) {
    engine->feed(std::string_view(written).substr(fed));
    fed = written.size();
    if (engine->handshake() == net::tls_engine::step::done) {
      char buffer[4096];
      std::size_t n = 0;
      while (engine->read(buffer, sizeof buffer, n) == net::tls_engine::step::done) {
        request.append(buffer, n);
      }
      if (request.find("\r\n\r\n") != std::string::npos) engine->write(response);
    }
    std::string output;
    engine->take_output(output);
    return output;
  }
  std::unique_ptr<net::tls_engine> engine;
  std::string response, request;
  std::size_t fed = 0;
};

}  // namespace

TEST_CASE("a server of introspection whose certificate does not verify sees no token", "[auth]") {
  struct row {
    std::string name, url;
    bool trusted;
    std::string end;
  };
  const auto r = GENERATE(values<row>({
      {"trusted", "https://idp.example:8080/i", true, "right ann@a.example"},
      {"not trusted", "https://idp.example:8080/i", false,
       "unavailable introspection: certificate: "},
      {"another name", "https://other.example:8080/i", true,
       "unavailable introspection: certificate: "},
  }));
  DYNAMIC_SECTION(r.name) {
    const auto certificate = self_signed_server("idp.example");
    const auto client = tls::make_client_context("");
    if (r.trusted) {
      X509_STORE_add_cert(SSL_CTX_get_cert_store(client.get()),
                          SSL_CTX_get0_certificate(certificate.get()));
    }
    tls_server peer_side(certificate.get(), http(active));
    server s("", r.url);
    s.who->answer = [&](const std::string& written) { return peer_side.answer(written); };
    s.scene.resolver.names_of["idp.example"] = *ip_address::parse("127.0.0.1");
    s.scene.resolver.names_of["other.example"] = *ip_address::parse("127.0.0.1");
    s.backend = make_introspection(s.settings, s.scene.world, s.scene.resolver, client.get());
    const auto said = s.ask("the-token");
    CHECK(said.substr(0, r.end.size()) == r.end);
    CHECK((peer_side.request.find("the-token") != std::string::npos) == said.starts_with("right"));
  }
}
