// The lines of Dovecot's authentication protocol, whole, octet by octet, and from a peer that lies.
#include "auth/dovecot.hpp"

#include <catch2/catch.hpp>

#include "base/text.hpp"
#include "unit/auth/auth_scene.hpp"

using namespace relais;
using namespace relais::auth;
using namespace std::string_literals;

namespace {

std::string shown(const std::optional<verdict>& v) {
  if (!v) return "waits";
  static const char* const names[] = {"right",   "wrong",    "unknown",   "disabled",
                                      "expired", "too weak", "untrusted", "unavailable"};
  return std::string(names[static_cast<int>(v->is)]) + " " +
         (v->is == finding::right ? v->who.user : v->reason);
}

dovecot_exchange begun(const std::string& user = "ann") {
  return {user, std::make_shared<const secret>("pw"), testing::auth_scene::tls(), 7};
}

const std::string hello =
    "VERSION\t1\t2\nMECH\tPLAIN\tplaintext\nMECH\tLOGIN\tplaintext\nSPID\t12\nCUID\t1\n"
    "COOKIE\tabc\nDONE\n";

}  // namespace

TEST_CASE("a login at Dovecot, octet by octet", "[auth]") {
  auto talk = begun();
  CHECK(talk.take_output() == "VERSION\t1\t1\nCPID\t7\n");
  for (const char& c : hello) talk.receive({&c, 1});
  CHECK(talk.take_output() == "AUTH\t1\tPLAIN\tservice=smtp\tsecured\trip=192.0.2.1\tresp=" +
                                  base64_encode("\0ann\0pw"s) + "\n");
  for (const char& c : "OK\t1\tuser=ann\n"s) talk.receive({&c, 1});
  CHECK(shown(talk.answer()) == "right ann");
}

TEST_CASE("answers of Dovecot", "[auth]") {
  struct row {
    std::string input, end;
  };
  const auto r = GENERATE(values<row>({
      {hello, "waits"},
      {hello + "OK\t1\tuser=ann\n", "right ann"},
      {hello + "OK\t1\n", "right ann"},
      {hello + "OK\t1\tuser=ann@a.example\thome=/x\n", "right ann@a.example"},
      {hello + "OK\t1\tuser=a\x01tb\n", "right ann"},
      {hello + "OK\t2\tuser=eve\n", "waits"},
      {"OK\t1\tuser=eve\n", "waits"},
      {"OK\t1\tuser=eve\n" + hello, "waits"},
      {hello + "FAIL\t1\tuser=ann\n", "unknown Dovecot: wrong user or password"},
      {hello + "FAIL\t1\tuser=ann\ttemp\n", "unavailable Dovecot: a temporary failure"},
      {hello + "FAIL\t1\tuser=ann\tcode=temp_fail\n", "unavailable Dovecot: a temporary failure"},
      {hello + "FAIL\t1\tuser=ann\tcode=user_disabled\n",
       "disabled Dovecot: the account is disabled"},
      {hello + "FAIL\t1\tuser=ann\tuser_disabled\n", "disabled Dovecot: the account is disabled"},
      {hello + "FAIL\t1\tuser=ann\tcode=pass_expired\n",
       "expired Dovecot: the password has expired"},
      {hello + "CONT\t1\tabc\n", "unavailable Dovecot: it wants more than PLAIN has"},
      {"VERSION\t2\t0\n", "unavailable Dovecot: an unknown version of its protocol"},
      {"VERSION\t1\t2\nMECH\tGSSAPI\nDONE\n", "unavailable Dovecot: it does not offer PLAIN"},
      {std::string(65537, 'x'), "unavailable Dovecot: it talks, but does not answer"},
      {std::string(65537, '\n'), "unavailable Dovecot: it talks, but does not answer"},
      {"\n\t\n" + hello + "FAIL\n", "waits"},
  }));
  DYNAMIC_SECTION(r.input.substr(0, 200)) {
    auto whole = begun();
    whole.receive(r.input);
    CHECK(shown(whole.answer()) == r.end);
    auto pieces = begun();
    for (const char& c : r.input) pieces.receive({&c, 1});
    CHECK(shown(pieces.answer()) == r.end);
  }
}

TEST_CASE("a socket of Dovecot that closes or is not there is no verdict", "[auth]") {
  testing::auth_scene scene;
  const auto backend = make_dovecot_backend("/run/auth", scene.world);
  const auto on = scene.tls();
  const auto ask = [&]() -> std::string {
    std::optional<verdict> said;
    const auto job = [&]() -> net::task<void> {
      auto password = std::make_shared<const secret>("pw");
      std::string user = "ann";
      said = co_await backend->check(std::move(user), std::move(password), on);
    };
    testing::run_task(scene.io, job());
    return shown(said);
  };
  CHECK(ask().starts_with("unavailable Dovecot: "));
  const auto who = std::make_shared<testing::peer>();
  who->greeting = "VERSION\t1\t2\nMECH\tPLAIN\n";
  scene.network.peers["/run/auth"] = who;
  CHECK(ask().starts_with("unavailable Dovecot: "));
}
