// PLAIN, LOGIN, EXTERNAL, OAUTHBEARER and XOAUTH2: what each response leads to.
#include "auth/mechanism.hpp"

#include <catch2/catch.hpp>
#include <functional>
#include <vector>

using namespace relais::auth;
using namespace std::string_literals;

namespace {

using maybe = std::optional<std::string>;

std::string shown(const mechanism_step& step) {
  static const char* const names[] = {"challenge", "password", "token", "accepted", "refused"};
  auto text = std::string(names[static_cast<int>(step.is)]) + " " + step.text;
  if (!step.credential.empty()) text += " / " + std::string(step.credential.text());
  return text;
}

struct row {
  std::string name;
  std::function<std::unique_ptr<mechanism>()> make;
  std::vector<maybe> responses;
  std::vector<std::string> steps;
};

std::unique_ptr<mechanism> certificate() {
  return make_external("ann@a.example");
}

const std::string long_name(256, 'x');
const char* const bad_plain = "refused malformed PLAIN response";
const char* const bad_login = "refused malformed LOGIN response";
const char* const bad_bearer = "refused malformed OAUTHBEARER response";
const char* const bad_xoauth = "refused malformed XOAUTH2 response";
const char* const somebody_else = "refused wants to act as somebody else";

}  // namespace

TEST_CASE("what each mechanism makes of its responses", "[auth]") {
  const auto r = GENERATE(values<row>({
      {"PLAIN at once", make_plain, {"\0ann\0pw"s}, {"password ann / pw"}},
      {"PLAIN after a challenge",
       make_plain,
       {{}, "\0ann\0pw"s},
       {"challenge ", "password ann / pw"}},
      {"PLAIN as oneself", make_plain, {"ann\0ann\0pw"s}, {"password ann / pw"}},
      {"PLAIN as somebody else", make_plain, {"bob\0ann\0pw"s}, {somebody_else}},
      {"PLAIN with UTF-8",
       make_plain,
       {"\0j\xc3\xbcrgen\0p\xc3\xa4ss"s},
       {"password j\xc3\xbcrgen / p\xc3\xa4ss"}},
      {"PLAIN with blanks and colons in the password",
       make_plain,
       {"\0ann\0 a:b "s},
       {"password ann /  a:b "}},
      {"PLAIN without NUL", make_plain, {"annpw"s}, {bad_plain}},
      {"PLAIN with one NUL", make_plain, {"ann\0pw"s}, {bad_plain}},
      {"PLAIN with three NULs", make_plain, {"\0ann\0pw\0"s}, {bad_plain}},
      {"PLAIN without user", make_plain, {"\0\0pw"s}, {bad_plain}},
      {"PLAIN without password", make_plain, {"\0ann\0"s}, {bad_plain}},
      {"PLAIN empty", make_plain, {""s}, {bad_plain}},
      {"PLAIN with invalid UTF-8", make_plain, {"\0ann\0\xff"s}, {bad_plain}},
      {"PLAIN with a control in the user", make_plain, {"\0a\nb\0pw"s}, {bad_plain}},
      {"PLAIN with a user of 256 octets", make_plain, {"\0"s + long_name + "\0pw"s}, {bad_plain}},

      {"LOGIN step by step",
       make_login,
       {{}, "ann", "pw"},
       {"challenge Username:", "challenge Password:", "password ann / pw"}},
      {"LOGIN with the user at once",
       make_login,
       {"ann", "pw"},
       {"challenge Password:", "password ann / pw"}},
      {"LOGIN without user",
       make_login,
       {{}, ""},
       {"challenge Username:", "refused malformed LOGIN user"}},
      {"LOGIN without password",
       make_login,
       {"ann", ""},
       {"challenge Password:", "refused malformed LOGIN password"}},
      {"LOGIN with NUL in the password",
       make_login,
       {"ann", "a\0b"s},
       {"challenge Password:", "refused malformed LOGIN password"}},
      {"LOGIN without second response", make_login, {{}, {}}, {"challenge Username:", bad_login}},

      {"EXTERNAL at once", certificate, {""}, {"accepted ann@a.example"}},
      {"EXTERNAL after a challenge",
       certificate,
       {{}, ""},
       {"challenge ", "accepted ann@a.example"}},
      {"EXTERNAL as oneself", certificate, {"ann@a.example"}, {"accepted ann@a.example"}},
      {"EXTERNAL as somebody else", certificate, {"bob@a.example"}, {somebody_else}},
      {"EXTERNAL without a certificate",
       [] { return make_external(""); },
       {""},
       {"refused no client certificate"}},
      {"EXTERNAL without a certificate as somebody",
       [] { return make_external(""); },
       {"ann"},
       {"refused no client certificate"}},

      {"OAUTHBEARER",
       make_oauthbearer,
       {"n,a=ann@a.example,\x01host=mx\x01port=587\x01"
        "auth=Bearer ab.c-d_e~f+/==\x01\x01"},
       {"token ann@a.example / ab.c-d_e~f+/=="}},
      {"OAUTHBEARER without a user",
       make_oauthbearer,
       {"n,,\x01"
        "auth=Bearer t\x01\x01"},
       {"token  / t"}},
      {"OAUTHBEARER in two steps",
       make_oauthbearer,
       {{},
        "n,,\x01"
        "auth=bearer t\x01\x01"},
       {"challenge ", "token  / t"}},
      {"OAUTHBEARER with a name that is escaped",
       make_oauthbearer,
       {"n,a=a=2Cb=3Dc,\x01"
        "auth=Bearer t\x01\x01"},
       {"token a,b=c / t"}},
      {"OAUTHBEARER with a bad escape",
       make_oauthbearer,
       {"n,a=a=2cb,\x01"
        "auth=Bearer t\x01\x01"},
       {bad_bearer}},
      {"OAUTHBEARER with channel binding",
       make_oauthbearer,
       {"p=tls-exporter,,\x01"
        "auth=Bearer t\x01\x01"},
       {bad_bearer}},
      {"OAUTHBEARER without token", make_oauthbearer, {"n,,\x01host=mx\x01\x01"}, {bad_bearer}},
      {"OAUTHBEARER with an empty token",
       make_oauthbearer,
       {"n,,\x01"
        "auth=Bearer \x01\x01"},
       {bad_bearer}},
      {"OAUTHBEARER with two tokens",
       make_oauthbearer,
       {"n,,\x01"
        "auth=Bearer t\x01"
        "auth=Bearer u\x01\x01"},
       {bad_bearer}},
      {"OAUTHBEARER with another scheme",
       make_oauthbearer,
       {"n,,\x01"
        "auth=Basic t\x01\x01"},
       {bad_bearer}},
      {"OAUTHBEARER cut",
       make_oauthbearer,
       {"n,,\x01"
        "auth=Bearer t\x01"},
       {bad_bearer}},
      {"OAUTHBEARER empty", make_oauthbearer, {""}, {bad_bearer}},
      {"OAUTHBEARER without separator",
       make_oauthbearer,
       {"n,,auth=Bearer t\x01\x01"},
       {bad_bearer}},
      {"OAUTHBEARER with a line break in the token",
       make_oauthbearer,
       {"n,,\x01"
        "auth=Bearer t\r\nX: y\x01\x01"},
       {bad_bearer}},

      {"XOAUTH2",
       make_xoauth2,
       {"user=ann@a.example\x01"
        "auth=Bearer t\x01\x01"},
       {"token ann@a.example / t"}},
      {"XOAUTH2 in two steps",
       make_xoauth2,
       {{},
        "user=ann\x01"
        "auth=Bearer t\x01\x01"},
       {"challenge ", "token ann / t"}},
      {"XOAUTH2 without user", make_xoauth2, {"auth=Bearer t\x01\x01"}, {bad_xoauth}},
      {"XOAUTH2 without token", make_xoauth2, {"user=ann\x01\x01"}, {bad_xoauth}},
      {"XOAUTH2 cut",
       make_xoauth2,
       {"user=ann\x01"
        "auth=Bearer t\x01"},
       {bad_xoauth}},
      {"XOAUTH2 without pairs", make_xoauth2, {"\x01\x01"}, {bad_xoauth}},
  }));
  DYNAMIC_SECTION(r.name) {
    const auto how = r.make();
    std::vector<std::string> steps;
    for (const auto& response : r.responses) steps.push_back(shown(how->advance(response)));
    CHECK(steps == r.steps);
  }
}

TEST_CASE("a refused token ends with an error that the client acknowledges", "[auth]") {
  const auto bearer = make_oauthbearer();
  CHECK(shown(bearer->advance("n,a=ann,\x01"
                              "auth=Bearer t\x01\x01")) == "token ann / t");
  CHECK(shown(bearer->refuse_token()) == R"(challenge {"status":"invalid_token"})");
  CHECK(shown(bearer->advance("\x01")) == "refused bad token");

  const auto xoauth2 = make_xoauth2();
  CHECK(shown(xoauth2->advance("user=ann\x01"
                               "auth=Bearer t\x01\x01")) == "token ann / t");
  CHECK(shown(xoauth2->refuse_token()) ==
        R"(challenge {"status":"401","schemes":"bearer","scope":"mail"})");
  CHECK(shown(xoauth2->advance("user=ann\x01"
                               "auth=Bearer t\x01\x01")) == "refused bad token");
}
