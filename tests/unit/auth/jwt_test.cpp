// Tokens with signatures: every algorithm, every claim that matters, and the known tricks.
#include "auth/jwt.hpp"

#include <catch2/catch.hpp>

#include "unit/auth/auth_scene.hpp"
#include "unit/auth/token_maker.hpp"

using namespace relais;
using namespace relais::auth;
using namespace relais::testing;
using namespace std::string_literals;

namespace {

const wall_time now{std::chrono::seconds(1'800'000'000)};
const std::string valid = R"({"email":"ann@a.example","exp":1800000100,"iss":"I","aud":"A"})";

std::string shown(const verdict& v) {
  return v.is == finding::right       ? "right " + v.who.user
         : v.is == finding::untrusted ? "untrusted " + v.reason
         : v.is == finding::unknown   ? "unknown " + v.reason
                                      : v.reason;
}

jwt_keys keys_of(const std::string& set) {
  std::vector<std::string> complaints;
  auto keys = jwt_keys::parse(set, complaints);
  CHECK(complaints.empty());
  return keys;
}

std::string check(const std::string& token, const jwt_keys& keys,
                  const config::token_settings& s = {}) {
  return shown(check_jwt(token, keys, s, now));
}

const token_maker& ed() {
  static const token_maker maker(token_maker::kind::ed);
  return maker;
}

}  // namespace

TEST_CASE("tokens of each algorithm", "[auth]") {
  const auto kind = GENERATE(token_maker::kind::rsa, token_maker::kind::ec, token_maker::kind::ed);
  const token_maker maker(kind), other(kind);
  const auto keys = keys_of(maker.key_set());
  const auto token = maker.token(valid);
  CHECK(looks_like_jwt(token));
  CHECK(check(token, keys) == "right ann@a.example");
  CHECK(check(other.token(valid), keys) == "token: wrong signature");
  // Any octet that is changed or lost shows.
  for (std::size_t i = 0; i < token.size(); i += 7) {
    auto changed = token;
    changed[i] = changed[i] == 'A' ? 'B' : 'A';
    CHECK(check(changed, keys).find("right") == std::string::npos);
    CHECK(check(token.substr(0, i), keys).find("right") == std::string::npos);
  }
}

TEST_CASE("algorithms that are no signature are refused", "[auth]") {
  const auto keys = keys_of(ed().key_set());
  const auto header = GENERATE(as<std::string>(), R"({"alg":"none"})", R"({"alg":"None"})",
                               R"({"alg":"HS256"})", R"({})", R"({"alg":1})", R"({"alg":"RS256"})",
                               R"({"alg":"ES256","kid":"k1"})", R"({"alg":""})");
  CHECK(check(ed().token_with_header(header, valid), keys) == "unknown token: no key for it");
  const auto unsigned_token = base64url(header) + "." + base64url(valid) + ".";
  CHECK(check(unsigned_token, keys) == "unknown token: no key for it");
}

TEST_CASE("headers of tokens", "[auth]") {
  const auto keys = keys_of(ed().key_set());
  CHECK(check(ed().token_with_header(R"({"alg":"EdDSA"})", valid), keys) == "right ann@a.example");
  CHECK(check(ed().token_with_header(R"({"alg":"EdDSA","kid":"k2"})", valid), keys) ==
        "unknown token: no key for it");
  CHECK(check(ed().token_with_header(R"({"alg":"EdDSA","crit":["b64"],"b64":false})", valid),
              keys) == "token: unknown extension");
  CHECK(check(ed().token_with_header("no json", valid), keys) == "token: malformed");
  CHECK(check(ed().token_with_header("[1]", valid), keys) == "token: malformed");
}

TEST_CASE("claims of tokens", "[auth]") {
  struct row {
    std::string claims, end;
  };
  const auto r = GENERATE(values<row>({
      {valid, "right ann@a.example"},
      {R"({"email":"ann","exp":1800000100.5,"iss":"I","aud":["B","A"]})", "right ann"},
      {R"({"email":"ann","exp":1799999941,"iss":"I","aud":"A"})", "right ann"},
      {R"({"email":"ann","exp":1799999940,"iss":"I","aud":"A"})", "token: expired"},
      {R"({"email":"ann","iss":"I","aud":"A"})", "token: no end of validity"},
      {R"({"email":"ann","exp":"1800000100","iss":"I","aud":"A"})",
       "token: exp or nbf is no number"},
      {R"({"email":"ann","exp":1800000100,"nbf":1800000060,"iss":"I","aud":"A"})", "right ann"},
      {R"({"email":"ann","exp":1800000100,"nbf":1800000061,"iss":"I","aud":"A"})",
       "token: not valid yet"},
      {R"({"email":"ann","exp":1800000100,"nbf":null,"iss":"I","aud":"A"})",
       "token: exp or nbf is no number"},
      {R"({"email":"ann","exp":1800000100,"iss":"J","aud":"A"})",
       "untrusted token: another issuer"},
      {R"({"email":"ann","exp":1800000100,"aud":"A"})", "untrusted token: another issuer"},
      {R"({"email":"ann","exp":1800000100,"iss":"I","aud":"AA"})",
       "untrusted token: another audience"},
      {R"({"email":"ann","exp":1800000100,"iss":"I","aud":[]})",
       "untrusted token: another audience"},
      {R"({"email":"ann","exp":1800000100,"iss":"I"})", "untrusted token: another audience"},
      {R"({"sub":"ann","exp":1800000100,"iss":"I","aud":"A"})", "token: no email in it"},
      {R"({"email":7,"exp":1800000100,"iss":"I","aud":"A"})", "token: no email in it"},
      {R"({"email":"a\nb","exp":1800000100,"iss":"I","aud":"A"})", "token: no email in it"},
      {"[]", "token: malformed"},
      {"{", "token: malformed"},
  }));
  DYNAMIC_SECTION(r.claims) {
    config::token_settings settings;
    settings.issuer = "I";
    settings.audience = "A";
    CHECK(check(ed().token(r.claims), keys_of(ed().key_set()), settings) == r.end);
  }
}

TEST_CASE("the configured claim names the user", "[auth]") {
  config::token_settings settings;
  settings.user_claim = "preferred_username";
  CHECK(check(ed().token(R"({"preferred_username":"ann","exp":1800000100})"),
              keys_of(ed().key_set()), settings) == "right ann");
}

TEST_CASE("key sets", "[auth]") {
  std::vector<std::string> complaints;
  const token_maker rsa(token_maker::kind::rsa, "r"), weak(token_maker::kind::weak_rsa, "w");
  const auto set = "{\"keys\":[" + rsa.jwk() + ",{\"kty\":\"oct\",\"k\":\"c2VjcmV0\"},7," +
                   weak.jwk() + "," + ed().jwk() + "]}";
  const auto keys = jwt_keys::parse(set, complaints);
  CHECK(complaints == std::vector<std::string>{"key 4 is broken, or RSA below 2048 bits"});
  CHECK(check(rsa.token(valid), keys) == "right ann@a.example");
  CHECK(check(ed().token(valid), keys) == "right ann@a.example");
  CHECK(check(weak.token(valid), keys) == "unknown token: no key for it");
  const auto broken = GENERATE(as<std::string>(), "", "[]", "{}", "{\"keys\":{}}", "{\"keys\":[]}",
                               "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-521\"}]}",
                               "{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"AA\"}]}");
  complaints.clear();
  CHECK(jwt_keys::parse(broken, complaints).is_empty());
  CHECK_FALSE(complaints.empty());
}

TEST_CASE("a point that is not on the curve is no key", "[auth]") {
  std::vector<std::string> complaints;
  const auto x = base64url(std::string(32, '\x01'));
  jwt_keys::parse(
      "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" + x + "\",\"y\":\"" + x + "\"}]}",
      complaints);
  CHECK_FALSE(complaints.empty());
}

TEST_CASE("base64url is strict", "[auth]") {
  CHECK(base64url_decode("_-8") == "\xff\xef"s);
  CHECK(base64url_decode("") == "");
  const auto bad = GENERATE(as<std::string>(), "A", "AA==", "A+/A", "A A", "AB");
  CHECK_FALSE(base64url_decode(bad));
}

TEST_CASE("logins by token through the authenticator", "[auth]") {
  auth_scene scene;
  scene.settings.tokens.jwt_keys_file = scene.write("keys", ed().key_set());
  scene.settings.tokens.audience = "A";
  scene.settings.users_file =
      scene.write("users", "bob@a.example:!\ncarl@a.example:!:x@b.example\n");
  const auto with = scene.make();
  const auto log_in = [&](const std::string& user, const std::string& claims) {
    return scene.log_in(*with, "XOAUTH2", scene.tls(),
                        {"user=" + user +
                             "\x01"
                             "auth=Bearer " +
                             ed().token(claims) + "\x01\x01",
                         ""});
  };
  using steps = std::vector<std::string>;
  const std::string exp = "\"exp\":1900000000";
  const auto told = R"(challenge {"status":"401","schemes":"bearer","scope":"mail"})"s;
  CHECK(log_in("ann@a.example", R"({"email":"ann@a.example","aud":"A",)" + exp + "}") ==
        steps{"accepted ann@a.example"});
  CHECK(log_in("eve@a.example", R"({"email":"ann@a.example","aud":"A",)" + exp + "}") ==
        steps{told, "535 5.7.8: the token is of another user"});
  CHECK(log_in("ann@a.example", R"({"email":"ann@a.example","aud":"B",)" + exp + "}") ==
        steps{told, "535 5.7.14: token: another audience"});
  CHECK(log_in("ann@a.example", R"({"email":"ann@a.example","aud":"A","exp":1})") ==
        steps{told, "535 5.7.8: token: expired"});
  CHECK(log_in("bob@a.example", R"({"email":"bob@a.example","aud":"A",)" + exp + "}") ==
        steps{"525 5.7.13: the account is disabled"});
  CHECK(scene.failures->size() == 1);
  // OAUTHBEARER may leave the name to the token.
  CHECK(scene.log_in(*with, "OAUTHBEARER", scene.tls(),
                     {"n,,\x01"
                      "auth=Bearer " +
                      ed().token(R"({"email":"ann@a.example","aud":"A",)" + exp + "}") +
                      "\x01\x01"}) == steps{"accepted ann@a.example"});
  // New keys are read without a restart.
  const token_maker fresh(token_maker::kind::ed, "k9");
  scene.write("keys", fresh.key_set());
  scene.clock.elapsed += std::chrono::seconds(1);
  CHECK(log_in("ann@a.example", R"({"email":"ann@a.example","aud":"A",)" + exp + "}").back() ==
        "535 5.7.8: token: no key for it");
  CHECK(scene.warnings.empty());
}
