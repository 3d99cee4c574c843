// What of a session's words reaches the spool and the next hop: parameters of MAIL and RCPT, the
// trace header, the header of a submission.
#include <catch2/catch.hpp>

#include "users_scene.hpp"
#include "wire_situation.hpp"

namespace relais::testing {
namespace {

using namespace std::chrono_literals;

const turn trusted_rcpt{"RCPT TO:<you@here.test>\r\n", "250 2.1.5 Ok\r\n"};

/// The envelope of the one message in the spool.
smtp::envelope stored(relay_scene& r) {
  REQUIRE(r.relay.shut_down(1min));
  const auto all = r.relay.spooled();
  REQUIRE(all.size() == 1);
  return all[0].envelope;
}

turn says(const std::string& line, const std::string& reply) {
  return {line + "\r\n", reply + "\r\n"};
}

/// One message with these parameters of MAIL, from a trusted client.
situation with_mail(const std::string& parameters) {
  situation s;
  s.client = simulated_relay::client_address;
  s.turns = {greeting, ehlo(), says("MAIL FROM:<me@c.test> " + parameters, "250 2.1.0 Ok"),
             rcpt,     data,   text,
             quit};
  return s;
}

TEST_CASE("DSN parameters reach the spool") {
  auto s = with_mail("RET=HDRS ENVID=QQ+2B314159");
  s.turns[3] = says("RCPT TO:<you@here.test> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;Bob+40far.test",
                    "250 2.1.5 Ok");
  s.turns.insert(s.turns.begin() + 4, says("RCPT TO:<other@here.test>", "250 2.1.5 Ok"));
  s.turns.insert(s.turns.begin() + 5,
                 says("RCPT TO:<third@here.test> NOTIFY=NEVER", "250 2.1.5 Ok"));
  s.afterwards = [](relay_scene& r) {
    const auto e = stored(r);
    REQUIRE(e.ret == smtp::dsn_return::headers);
    REQUIRE(e.envelope_id == "QQ+2B314159");
    REQUIRE(e.forward_paths.size() == 3);
    REQUIRE(e.options_of(0).notify.success);
    REQUIRE(e.options_of(0).notify.delay);
    REQUIRE_FALSE(e.options_of(0).notify.failure);
    REQUIRE(e.options_of(0).original_recipient == "rfc822;Bob+40far.test");
    REQUIRE(e.options_of(1).is_default());
    REQUIRE(e.options_of(2).notify.never);
  };
  check_session(s);
}

TEST_CASE("a recipient named twice keeps what was asked for it first") {
  auto s = with_mail("RET=FULL");
  s.turns[3] = says("RCPT TO:<you@here.test> NOTIFY=NEVER", "250 2.1.5 Ok");
  s.turns.insert(s.turns.begin() + 4,
                 says("RCPT TO:<you@HERE.test> NOTIFY=SUCCESS", "250 2.1.5 Ok"));
  s.afterwards = [](relay_scene& r) {
    const auto e = stored(r);
    REQUIRE(e.ret == smtp::dsn_return::full);
    REQUIRE(e.forward_paths.size() == 1);
    REQUIRE(e.options_of(0).notify.never);
    REQUIRE_FALSE(e.options_of(0).notify.success);
  };
  check_session(s);
}

TEST_CASE("priority and time limit of a trusted client reach the spool") {
  auto s = with_mail("MT-PRIORITY=-3 BY=3600;RT");
  s.afterwards = [](relay_scene& r) {
    const auto now = r.world.clock.wall();
    const auto e = stored(r);
    REQUIRE(e.priority == -3);
    REQUIRE(e.by.has_value());
    REQUIRE(e.by->is_return);
    REQUIRE(e.by->trace);
    REQUIRE(e.by->at > now + 59min);
    REQUIRE(e.by->at < now + 61min);
  };
  check_session(s);
}

TEST_CASE("whom a client calls the submitter counts if the client is trusted") {
  const bool is_trusted = GENERATE(true, false);
  auto s = with_mail("AUTH=joe+40c.test");
  s.configure = with_users;  // AUTH= belongs to AUTH
  offer o;
  o.auth = "PLAIN LOGIN";
  s.turns[1] = ehlo(o);
  if (!is_trusted) s.client = stranger;
  s.afterwards = [=](relay_scene& r) {
    REQUIRE(stored(r).submitter == (is_trusted ? "joe@c.test" : ""));
  };
  s.turns[2].said = "MAIL FROM:<me@c.test> AUTH=joe@c.test\r\n";
  check_session(s);
}

TEST_CASE("chunks and what they were declared to be reach the spool") {
  auto s = with_mail("BODY=BINARYMIME");
  s.turns.erase(s.turns.begin() + 4, s.turns.end() - 1);
  s.turns.insert(s.turns.end() - 1, {"BDAT 18 LAST\r\nSubject: x\r\n\r\na\nb\r", text.heard});
  s.turns[4].said = "BDAT 17 LAST\r\nSubject: x\r\n\r\na\nb";
  s.afterwards = [](relay_scene& r) { REQUIRE(stored(r).body == smtp::body_type::binary_mime); };
  check_session(s);
}

TEST_CASE("internationalized mail is marked as such in the spool and the trace") {
  auto s = with_mail("SMTPUTF8");
  s.configure = delivers;
  s.turns[2].said = "MAIL FROM:<j\xc3\xb6@c.test> SMTPUTF8\r\n";
  s.afterwards = [](relay_scene& r) {
    const auto content = delivered(r);
    INFO(content);
    REQUIRE(content.find(" with UTF8SMTP id ") != std::string::npos);
  };
  check_session(s);
}

void as_submission(relay_scene& r) {
  r.relay.settings.listeners[0].role = config::listener_role::submission;
  r.relay.settings.listeners[0].tls = config::listener_tls::none;
  r.relay.settings.listeners[0].require_auth = config::tristate::no;
}

turn submission_ehlo() {
  offer o;
  o.future_release = "604800 2026-11-28T00:00:00Z";
  return ehlo(o);
}

TEST_CASE("a submission can be held for a time or until a time") {
  const std::string parameter = GENERATE("HOLDFOR=7200", "HOLDUNTIL=2026-11-21T02:00:00Z");
  auto s = with_mail(parameter);
  s.configure = [](relay_scene& r) {
    as_submission(r);
    delivers(r);
  };
  s.turns[1] = submission_ehlo();
  s.afterwards = [](relay_scene& r) {
    delivered(r, 3h);
    const auto when = r.remote->taken[0].when.time_since_epoch();
    REQUIRE(when >= 2h);
    REQUIRE(when < 2h + 1min);
  };
  check_session(s);
}

TEST_CASE("reply bad_parameter_value: mail that is to be held until the past") {
  auto s = with_mail("HOLDUNTIL=2026-11-20T00:00:00Z");
  s.configure = as_submission;
  s.turns = {greeting, submission_ehlo(),
             says("MAIL FROM:<me@c.test> HOLDUNTIL=2026-11-20T00:00:00Z",
                  "501 5.5.4 Parameter repeated or malformed"),
             quit};
  check_reply(smtp::reply_id::bad_parameter_value, s);
}

TEST_CASE("the header of a submission is completed") {
  situation s;
  s.client = simulated_relay::client_address;
  s.configure = [](relay_scene& r) {
    as_submission(r);
    delivers(r);
  };
  s.turns = {greeting, submission_ehlo(),
             mail,     rcpt,
             data,     {"Bcc: secret@far.test\r\nSubject: x\r\n\r\nbody\r\n.\r\n", text.heard},
             quit};
  s.afterwards = [](relay_scene& r) {
    const auto content = delivered(r);
    INFO(content);
    REQUIRE(content.find("\r\nDate: Sat, 21 Nov 2026 ") != std::string::npos);
    REQUIRE(content.find("\r\nMessage-ID: <") != std::string::npos);
    REQUIRE(content.find("\r\nFrom: me@c.test\r\n") != std::string::npos);
    REQUIRE(content.find("Bcc") == std::string::npos);
    REQUIRE(content.ends_with("\r\n\r\nbody\r\n"));
  };
  check_session(s);
}

TEST_CASE("what is relayed for others is not changed but for the trace header") {
  situation s;
  s.configure = delivers;
  const std::string message = "Bcc: secret@far.test\r\nSubject: x\r\n\r\n..body \x7f\r\n";
  s.turns = {
      greeting, ehlo(),
      mail,     rcpt,
      data,     {"Bcc: secret@far.test\r\nSubject: x\r\n\r\n...body \x7f\r\n.\r\n", text.heard},
      quit};
  s.afterwards = [message](relay_scene& r) {
    const auto content = delivered(r);
    INFO(content);
    REQUIRE(content.starts_with("Received: from c.test (unknown [203.0.113.5])\r\n"));
    const auto end = content.find("+0000\r\n");
    REQUIRE(end != std::string::npos);
    REQUIRE(content.substr(end + 7) == message);
    REQUIRE(content.find(" with ESMTP id ") < end);
    REQUIRE(content.find("for <you@here.test>;") < end);
  };
  check_session(s);
}

TEST_CASE("the trace header says SMTP behind HELO and ESMTPA behind a login and hides clients") {
  situation s;
  s.configure = delivers;
  // No enhanced codes for HELO (RFC 2034).
  const auto plain_reply = [](turn t) {
    t.heard.erase(4, 6);
    return t;
  };
  s.turns = {greeting,         helo, plain_reply(mail), plain_reply(rcpt), data, plain_reply(text),
             plain_reply(quit)};
  s.afterwards = [](relay_scene& r) {
    const auto content = delivered(r);
    INFO(content);
    REQUIRE(content.find(" with SMTP id ") != std::string::npos);
  };
  check_session(s);
  s.configure = [](relay_scene& r) {
    delivers(r);
    with_users(r);
    r.relay.settings.listeners[0].hide_client = true;
  };
  offer o;
  o.auth = "PLAIN LOGIN";
  s.turns = {
      greeting,
      ehlo(o),
      says("AUTH PLAIN " + plain("joe", "secret"), "235 2.7.0 Authentication successful").awaited(),
      {"MAIL FROM:<joe@c.test>\r\n", mail.heard},
      rcpt,
      data,
      text,
      quit};
  s.afterwards = [](relay_scene& r) {
    const auto content = delivered(r);
    INFO(content);
    REQUIRE(content.starts_with("Received: from localhost"));
    REQUIRE(content.find(" with ESMTPA id ") != std::string::npos);
    REQUIRE(content.find("203.0.113.5") == std::string::npos);
  };
  check_session(s);
}

TEST_CASE("bare line feeds of trusted clients are made whole and those of strangers refused") {
  situation s;
  s.client = simulated_relay::client_address;
  s.configure = delivers;
  s.turns = {greeting, ehlo(), mail,
             rcpt,     data,   {"Subject: x\n\nbody\n.\nrest\r\n.\r\n", text.heard},
             quit};
  s.afterwards = [](relay_scene& r) {
    REQUIRE(delivered(r).ends_with("Subject: x\r\n\r\nbody\r\n..\r\nrest\r\n") == false);
    REQUIRE(delivered(r).ends_with("Subject: x\r\n\r\nbody\r\n.\r\nrest\r\n"));
  };
  check_session(s);
  s.client = stranger;
  s.turns = {greeting,
             ehlo(),
             mail,
             rcpt,
             data,
             {"Subject: x\n\nbody\n.\nrest\r\n.\r\n", "550 5.5.2 Lines must end in <CR><LF>\r\n"}};
  s.afterwards = [](relay_scene& r) {
    REQUIRE(r.relay.shut_down(1min));
    REQUIRE(r.relay.spooled().empty());
  };
  check_reply(smtp::reply_id::bare_newline, s);
}

TEST_CASE("line ends are normalized or refused as the listener says whoever the client is") {
  const auto choice = GENERATE(config::newline_choice::normalize, config::newline_choice::reject);
  situation s;
  s.configure = [=](relay_scene& r) { r.relay.settings.listeners[0].newlines = choice; };
  const bool helps = choice == config::newline_choice::normalize;
  s.client = helps ? stranger : simulated_relay::client_address;
  s.turns = {greeting, ehlo(), {"MAIL FROM:<me@c.test>\n", mail.heard}, quit};
  if (!helps) {
    s.turns.pop_back();
    s.turns.back().heard = "550 5.5.2 Lines must end in <CR><LF>\r\n";
  }
  check_session(s);
}

TEST_CASE("a chunk that comes before its time is skipped and the session goes on") {
  situation s;
  s.turns = {greeting, ehlo(), {"BDAT 9\r\n123456\r\n!", "503 5.5.1 Send MAIL first\r\n"},
             mail,     rcpt,   data,
             text,     quit};
  check_session(s);
}

TEST_CASE("a client that leaves within a chunk that was refused ends the session") {
  relay_scene s(7);
  s.relay.start();
  auto& world = s.world;
  bool over = false;
  s.clients.spawn("client", [](sim_world& w, bool& done) -> net::task<void> {
    const auto& here = w.runtime(stranger);
    const endpoint to{simulated_relay::address, 25};
    auto connected = co_await here.network.connect(to, std::chrono::seconds(30));
    net::stream stream(std::move(*connected), here);
    const std::string words = "EHLO c.test\r\nBDAT 9\r\n123";
    co_await stream.write(words);
    co_await stream.close();
    done = true;
  }(world, over));
  world.run_until([&] { return s.relay.log.count("lost connection") == 1; }, 1h);
  CHECK(over);
  CHECK(s.relay.log.count("lost connection") == 1);
}

TEST_CASE("bare names of trusted clients get our domain") {
  situation s;
  s.configure = [](relay_scene& r) {
    delivers(r);
    r.relay.settings.submission.domain = "here.test";
  };
  s.client = simulated_relay::client_address;
  s.turns = {greeting,
             ehlo(),
             {"MAIL FROM:<root>\r\n", "250 2.1.0 Ok\r\n"},
             {"RCPT TO:<joe>\r\n", "250 2.1.5 Ok\r\n"},
             data,
             text,
             quit};
  s.afterwards = [](relay_scene& r) {
    delivered(r);
    REQUIRE(r.remote->taken.size() == 1);
    CHECK(r.remote->taken[0].reverse_path == "root@here.test");
    CHECK(r.remote->taken[0].forward_paths.at(0) == "joe@here.test");
  };
  check_session(s);
}

}  // namespace
}  // namespace relais::testing
