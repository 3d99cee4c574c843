// The authenticator as a session uses it: what is announced where, users of the file by every
// mechanism, uniform failures, budgets, the order of backends.
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <catch2/catch.hpp>

#include "auth/password_hash.hpp"
#include "auth/scram.hpp"
#include "base/text.hpp"
#include "unit/auth/auth_scene.hpp"

using namespace relais;
using namespace relais::auth;
using namespace relais::testing;
using namespace std::chrono_literals;
using namespace std::string_literals;

namespace {

using steps = std::vector<std::string>;
using names = std::vector<std::string_view>;

const std::string& hash_of_pw() {
  static const auto hash = hash_password(secret("pw"), hash_scheme::sha512);
  return hash;
}
const std::string& scram_of_pw() {
  static const auto text = make_scram_record(secret("pw"), "0123456789abcdef", 4096).text();
  return text;
}

std::string plain(const std::string& user, const std::string& password) {
  return "\0"s + user + "\0"s + password;
}

/// Everything configured that needs nothing outside.
void configure_all(auth_scene& scene) {
  scene.settings.users_file =
      scene.write("users", "ann:" + hash_of_pw() + " " + scram_of_pw() +
                               ":ann@a.example,@b.example\n" + "off:!" + hash_of_pw() + " " +
                               scram_of_pw() + "\n" + "only:" + scram_of_pw() + "\n");
  scene.settings.tokens.introspection_url = "http://127.0.0.1:99/introspect";
}

}  // namespace

TEST_CASE("what is announced depends on the channel", "[auth]") {
  auth_scene scene;
  configure_all(scene);
  const auto with = scene.make();
  auto on = scene.tls();
  CHECK(with->mechanisms(on) == names{"SCRAM-SHA-256", "PLAIN", "LOGIN", "OAUTHBEARER", "XOAUTH2"});
  on.tls_exporter = "x";
  CHECK(with->mechanisms(on) ==
        names{"SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", "PLAIN", "LOGIN", "OAUTHBEARER", "XOAUTH2"});
  on.certificate_user = "ann";
  CHECK(with->mechanisms(on).back() == "EXTERNAL");
  CHECK(with->mechanisms(channel()) == names{"SCRAM-SHA-256"});
}

TEST_CASE("without_tls allows passwords in clear", "[auth]") {
  auth_scene scene;
  configure_all(scene);
  scene.settings.without_tls = true;
  CHECK(scene.make()->mechanisms(channel()) ==
        names{"SCRAM-SHA-256", "PLAIN", "LOGIN", "OAUTHBEARER", "XOAUTH2"});
}

TEST_CASE("mechanisms are announced as configured and only what can work", "[auth]") {
  auth_scene scene;
  scene.settings.mechanisms = {"login", "PLAIN", "LOGIN", "UNKNOWN"};
  CHECK(scene.make()->mechanisms(scene.tls()).empty());
  scene.settings.users_file = scene.write("users", "ann:" + hash_of_pw());
  CHECK(scene.make()->mechanisms(scene.tls()) == names{"LOGIN", "PLAIN"});
  scene.settings.mechanisms = config::auth_settings().mechanisms;
  // Not everybody has a SCRAM record: a client that prefers SCRAM would not fall back.
  CHECK(scene.make()->mechanisms(scene.tls()) == names{"PLAIN", "LOGIN"});
  scene.settings.users_file = scene.write("users", "ann:" + scram_of_pw());
  CHECK(scene.make()->mechanisms(scene.tls()) == names{"SCRAM-SHA-256", "PLAIN", "LOGIN"});
  scene.settings.pam_service = "relais";
  CHECK(scene.make()->mechanisms(scene.tls()) == names{"PLAIN", "LOGIN"});
}

TEST_CASE("users of the file log in by PLAIN and LOGIN", "[auth]") {
  auth_scene scene;
  configure_all(scene);
  const auto with = scene.make();
  const auto on = scene.tls();
  const std::string accepted = "accepted ann ann@a.example @b.example";
  CHECK(scene.log_in(*with, "PLAIN", on, {plain("ann", "pw")}) == steps{accepted});
  CHECK(scene.last_login->user() == "ann");
  CHECK(scene.log_in(*with, "PLAIN", on, {{}, plain("ann", "pw")}) ==
        steps{"challenge ", accepted});
  CHECK(scene.log_in(*with, "LOGIN", on, {{}, "ann", "pw"}) ==
        steps{"challenge Username:", "challenge Password:", accepted});
  CHECK(scene.log_in(*with, "LOGIN", on, {"ann", "pw"}) == steps{"challenge Password:", accepted});
  CHECK(scene.warnings.empty());
}

TEST_CASE("refusals tell no stranger who exists", "[auth]") {
  auth_scene scene;
  configure_all(scene);
  const auto with = scene.make();
  const auto on = scene.tls();
  const auto reply_to = [&](const std::string& user, const std::string& password) {
    const auto before = scene.jobs_done;
    const auto said = scene.log_in(*with, "PLAIN", on, {plain(user, password)}).back();
    // One hash each, whoever it is.
    CHECK(scene.jobs_done == before + 1);
    return said;
  };
  CHECK(reply_to("ann", "no") == "535 5.7.8: wrong password");
  CHECK(reply_to("nobody", "no") == "535 5.7.8: no such user");
  CHECK(reply_to("off", "no") == "535 5.7.8: wrong password");
  CHECK(reply_to("only", "no") == "535 5.7.8: wrong password");
  // Those who know the password may know more.
  CHECK(reply_to("off", "pw") == "525 5.7.13: the account is disabled");
  CHECK(reply_to("only", "pw") == "534 5.7.9: the account has a SCRAM record only");
  CHECK(scene.log_in(*with, "PLAIN", on, {"garbage"}) ==
        steps{"535 5.7.8: malformed PLAIN response"});
}

TEST_CASE("an account without any secret matches no password, not even the decoy's", "[auth]") {
  auth_scene scene;
  scene.settings.users_file = scene.write("users", "ann:" + hash_of_pw() + "\nshut:!\ndevice:-\n");
  const auto with = scene.make();
  CHECK(scene.log_in(*with, "PLAIN", scene.tls(), {plain("shut", "pw")}) ==
        steps{"535 5.7.8: wrong password"});
  CHECK(scene.log_in(*with, "PLAIN", scene.tls(), {plain("device", "pw")}) ==
        steps{"535 5.7.8: wrong password"});
  // Nor does a user that does not exist.
  CHECK(scene.log_in(*with, "PLAIN", scene.tls(), {plain("nobody", "pw")}) ==
        steps{"535 5.7.8: no such user"});
}

namespace {

std::string exclusive_or(std::string a, const std::string& b) {
  for (std::size_t i = 0; i < a.size(); ++i) a[i] = static_cast<char>(a[i] ^ b[i]);
  return a;
}

/// A SCRAM client that answers what it is shown.
net::task<void> speak_scram(login& with, std::string user, std::string password,
                            std::string binding, std::vector<std::string>& first_challenges,
                            login_step& end) {
  const auto bare = "n=" + user + ",r=abc";
  std::optional<std::string> response = binding + bare;
  end = co_await with.advance(std::move(response));
  if (end.is != login_step::kind::challenge) co_return;
  const auto server = end.challenge;
  first_challenges.push_back(server);
  const auto salt_at = server.find(",s=") + 3, count_at = server.find(",i=");
  const auto salt = base64_decode(server.substr(salt_at, count_at - salt_at));
  const auto salted = pbkdf2_sha256(password, *salt,
                                    static_cast<unsigned>(std::stoul(server.substr(count_at + 3))));
  const auto key = hmac_sha256(salted, "Client Key");
  auto message = "c=" + base64_encode(binding) + ",r=" + server.substr(2, salt_at - 5);
  const auto signature = hmac_sha256(sha256(key), bare + "," + server + "," + message);
  message += ",p=" + base64_encode(exclusive_or(key, signature));
  response = message;
  end = co_await with.advance(std::move(response));
  if (end.is != login_step::kind::challenge) co_return;
  response = "";
  end = co_await with.advance(std::move(response));
}

}  // namespace

TEST_CASE("users of the file log in by SCRAM, and strangers learn nothing", "[auth]") {
  auth_scene scene;
  configure_all(scene);
  const auto with = scene.make();
  std::vector<std::string> challenges;
  const auto log_in = [&](const std::string& user, const std::string& password) {
    const auto login = with->begin("SCRAM-SHA-256", scene.tls());
    login_step end;
    run_task(scene.io, speak_scram(*login, user, password, "n,,", challenges, end));
    if (end.is == login_step::kind::accepted) return "accepted " + end.who.user;
    return std::string(smtp::row(end.reply).enhanced) + " " + end.reason;
  };
  CHECK(log_in("ann", "pw") == "accepted ann");
  CHECK(log_in("only", "pw") == "accepted only");
  CHECK(log_in("ann", "no") == "5.7.8 wrong password");
  CHECK(log_in("off", "no") == "5.7.8 wrong password");
  CHECK(log_in("off", "pw") == "5.7.13 the account is disabled");
  challenges.clear();
  CHECK(log_in("nobody", "pw") == "5.7.8 wrong password");
  CHECK(log_in("nobody", "pw") == "5.7.8 wrong password");
  CHECK(log_in("another", "pw") == "5.7.8 wrong password");
  const auto salt_and_count = [&](std::size_t i) {
    return challenges.at(i).substr(challenges.at(i).find(",s="));
  };
  CHECK(salt_and_count(0) == salt_and_count(1));
  CHECK(salt_and_count(0) != salt_and_count(2));
  // The same shape as that of somebody who exists.
  CHECK(salt_and_count(0).size() == std::string(",s=MDEyMzQ1Njc4OWFiY2RlZg==,i=4096").size());
  CHECK(challenges[0].ends_with(",i=4096"));
}

TEST_CASE("SCRAM-PLUS logs in on the channel that it is bound to", "[auth]") {
  auth_scene scene;
  configure_all(scene);
  const auto with = scene.make();
  auto on = scene.tls();
  on.tls_exporter = "EXPORTED";
  std::vector<std::string> challenges;
  login_step end;
  auto login = with->begin("SCRAM-SHA-256", on);
  run_task(scene.io, speak_scram(*login, "ann", "pw", "y,,", challenges, end));
  CHECK(end.reason == "SCRAM downgrade: the client did not see -PLUS");
  login = with->begin("SCRAM-SHA-256-PLUS", on);
  run_task(scene.io, speak_scram(*login, "ann", "pw", "p=tls-exporter,,", challenges, end));
  CHECK(end.reason == "SCRAM channel binding does not match");
}

TEST_CASE("EXTERNAL logs in whom the certificate names, if the account is open", "[auth]") {
  auth_scene scene;
  configure_all(scene);
  const auto with = scene.make();
  auto on = scene.tls();
  CHECK(scene.log_in(*with, "EXTERNAL", on, {""}) == steps{"535 5.7.8: no client certificate"});
  on.certificate_user = "printer";
  CHECK(scene.log_in(*with, "EXTERNAL", on, {""}) == steps{"accepted printer"});
  on.certificate_user = "ann";
  CHECK(scene.log_in(*with, "EXTERNAL", on, {{}, "ann"}) ==
        steps{"challenge ", "accepted ann ann@a.example @b.example"});
  CHECK(scene.log_in(*with, "EXTERNAL", on, {"bob"}) ==
        steps{"535 5.7.8: wants to act as somebody else"});
  on.certificate_user = "off";
  CHECK(scene.log_in(*with, "EXTERNAL", on, {""}) == steps{"525 5.7.13: the account is disabled"});
}

TEST_CASE("what is not announced cannot be begun", "[auth]") {
  auth_scene scene;
  configure_all(scene);
  const auto with = scene.make();
  CHECK(scene.log_in(*with, "PLAIN", channel(), {plain("ann", "pw")}).back().starts_with("535"));
  CHECK(scene.log_in(*with, "GSSAPI", scene.tls(), {""}).back().starts_with("535"));
}

TEST_CASE("a client that guesses is shut out, right password or not", "[auth]") {
  auth_scene scene;
  configure_all(scene);
  scene.settings.failures_per_client = 3;
  scene.settings.failure_window = 10min;
  const auto with = scene.make();
  const auto on = scene.tls();
  for (int i = 0; i < 3; ++i) scene.log_in(*with, "PLAIN", on, {plain("ann", "no")});
  const steps out{"421 4.7.0: too many failed logins of this client"};
  const auto hashes = scene.jobs_done;
  CHECK(scene.log_in(*with, "PLAIN", on, {plain("ann", "pw")}) == out);
  CHECK(scene.log_in(*with, "LOGIN", on, {{}}) == out);
  CHECK(scene.jobs_done == hashes);
  // Other workers know as well; other clients are not concerned.
  const auto other_worker = scene.make();
  CHECK(scene.log_in(*other_worker, "PLAIN", on, {plain("ann", "pw")}) == out);
  auto elsewhere = on;
  elsewhere.client = *ip_address::parse("192.0.2.2");
  CHECK(scene.log_in(*with, "PLAIN", elsewhere, {plain("ann", "pw")})
            .front()
            .starts_with("accepted"));
  scene.clock.elapsed += 10min;
  CHECK(scene.log_in(*with, "PLAIN", on, {plain("ann", "pw")}).front().starts_with("accepted"));
}

TEST_CASE("a disabled account or a weak mechanism is no guess", "[auth]") {
  auth_scene scene;
  configure_all(scene);
  scene.settings.failures_per_client = 1;
  const auto with = scene.make();
  scene.log_in(*with, "PLAIN", scene.tls(), {plain("off", "pw")});
  scene.log_in(*with, "PLAIN", scene.tls(), {plain("only", "pw")});
  CHECK(scene.failures->size() == 0);
}

TEST_CASE("so many hashes wait, and then no more", "[auth]") {
  auth_scene scene;
  configure_all(scene);
  scene.collect_jobs = true;
  const auto with = scene.make();
  std::vector<std::unique_ptr<login>> logins;
  unsigned unavailable = 0, accepted = 0;
  for (int i = 0; i < 300; ++i) {
    logins.push_back(with->begin("PLAIN", scene.tls()));
    boost::asio::co_spawn(scene.io, logins.back()->advance(plain("ann", "pw")),
                          [&](const std::exception_ptr&, const login_step& step) {
                            if (step.reply == smtp::reply_id::auth_unavailable) ++unavailable;
                            if (step.is == login_step::kind::accepted) ++accepted;
                          });
  }
  scene.io.poll();
  CHECK(scene.jobs.size() == 256);
  CHECK(unavailable == 44);
  for (auto& job : scene.jobs) job();
  scene.jobs.clear();
  scene.io.restart();
  scene.io.poll();
  CHECK(accepted == 256);
  // Then there is room again.
  logins.push_back(with->begin("PLAIN", scene.tls()));
  scene.collect_jobs = false;
  CHECK(scene.log_in(*with, "PLAIN", scene.tls(), {plain("ann", "pw")})
            .front()
            .starts_with("accepted"));
}

TEST_CASE("a login that is cancelled while its hash is computed leaves nothing behind", "[auth]") {
  auth_scene scene;
  configure_all(scene);
  scene.collect_jobs = true;
  const auto with = scene.make();
  auto login = with->begin("PLAIN", scene.tls());
  boost::asio::cancellation_signal stop;
  bool threw = false;
  boost::asio::co_spawn(scene.io, login->advance(plain("ann", "pw")),
                        boost::asio::bind_cancellation_slot(
                            stop.slot(), [&](const std::exception_ptr& e, const login_step&) {
                              threw = e != nullptr;
                            }));
  scene.io.poll();
  REQUIRE(scene.jobs.size() == 1);
  stop.emit(boost::asio::cancellation_type::terminal);
  scene.io.restart();
  scene.io.poll();
  CHECK(threw);
  login.reset();
  // The job ends later, when nobody waits any more.
  scene.jobs.front()();
  scene.jobs.clear();
  scene.io.restart();
  scene.io.poll();
}

TEST_CASE("Dovecot is asked for users that the file does not know", "[auth]") {
  auth_scene scene;
  configure_all(scene);
  scene.settings.dovecot_socket = "/run/auth";
  const auto who = std::make_shared<peer>();
  who->greeting = "VERSION\t1\t2\nMECH\tPLAIN\tplaintext\nDONE\n";
  who->answer = [](const std::string& written) {
    return written.find("AUTH") == std::string::npos ? "" : "OK\t1\tuser=dave\n";
  };
  scene.network.peers["/run/auth"] = who;
  const auto with = scene.make();
  CHECK(scene.log_in(*with, "PLAIN", scene.tls(), {plain("dave", "x")}) == steps{"accepted dave"});
  CHECK(scene.log_in(*with, "PLAIN", scene.tls(), {plain("ann", "no")}) ==
        steps{"535 5.7.8: wrong password"});
  CHECK(scene.network.asked == steps{"/run/auth"});
  scene.network.peers.clear();
  CHECK(scene.log_in(*with, "PLAIN", scene.tls(), {plain("dave", "x")})
            .front()
            .starts_with("454 4.7.0: Dovecot: "));
  CHECK(scene.failures->size() == 1);
}

TEST_CASE("an unusable file or URL is said at the start", "[auth]") {
  auth_scene scene;
  scene.settings.users_file = scene.directory() + "/none";
  scene.settings.tokens.introspection_url = "ftp://x/";
  const auto with = scene.make();
  CHECK(scene.warnings.size() == 2);
  CHECK(with->mechanisms(scene.tls()) == names{"PLAIN", "LOGIN"});
}
