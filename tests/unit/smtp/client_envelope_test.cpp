// What an envelope asks for, as parameters of MAIL and RCPT, as a chunk, or as a reason to send
// nothing: RFC 3461, 3030, 8689, 6710, 2852, 6531.
#include "client_script.hpp"

using namespace relais;
using namespace relais::smtp;
using namespace relais::smtp::script;

namespace {

constexpr auto ready = client_action::ready;

const std::string mail = "MAIL FROM:<s@a.example>\r\n";
const std::string rcpt1 = "RCPT TO:<r@b.example>\r\n";
const std::string rcpt2 = "RCPT TO:<q@b.example>\r\n";

const wall_time now = wall_time(std::chrono::seconds(1'800'000'000));
const std::string all_features =
    "250-mx\r\n250-SIZE\r\n250-8BITMIME\r\n250-CHUNKING\r\n250-BINARYMIME\r\n250-SMTPUTF8\r\n"
    "250-DSN\r\n250-REQUIRETLS\r\n250-MT-PRIORITY MIXER\r\n250-PIPELINING\r\n250 DELIVERBY 60\r\n";

transaction of_77_octets(const envelope& message, std::vector<std::size_t> recipients = {0, 1}) {
  transaction t;
  t.message = &message;
  t.recipients = std::move(recipients);
  t.size = 77;
  t.body = message.body;
  t.now = now;
  return t;
}

/// What goes out of a transaction, before any reply.
std::string flight_of(const std::string& features, transaction& t,
                      client_options options = in_clear()) {
  client_protocol p(std::move(options));
  p.receive("220 mx\r\n");
  p.next();
  p.output_written(p.output().size());
  p.receive(features);
  p.next();
  p.send(t);
  std::string sent(p.output());
  p.output_written(p.output().size());
  return sent;
}

struct parameter_row {
  std::string name, features, mail, rcpt;
  void (*ask)(envelope&);
};

}  // namespace

TEST_CASE("MAIL and RCPT have the parameters that are offered and asked for") {
  const auto r = GENERATE(values<parameter_row>({
      {"nothing", "250 mx\r\n", "", "", [](envelope&) {}},
      {"nothing asked for", all_features, " SIZE=77", "", [](envelope&) {}},
      {"SIZE", "250-mx\r\n250 SIZE\r\n", " SIZE=77", "", [](envelope&) {}},
      {"SIZE that is just enough", "250-mx\r\n250 SIZE 77\r\n", " SIZE=77", "", [](envelope&) {}},
      {"SIZE without a limit", "250-mx\r\n250 SIZE 0\r\n", " SIZE=77", "", [](envelope&) {}},
      {"8BITMIME", "250-mx\r\n250 8BITMIME\r\n", " BODY=8BITMIME", "",
       [](envelope& e) { e.body = body_type::eight_bit_mime; }},
      {"SMTPUTF8", "250-mx\r\n250 smtputf8\r\n", " SMTPUTF8", "",
       [](envelope& e) { e.smtputf8 = true; }},
      {"BINARYMIME", all_features, " SIZE=77 BODY=BINARYMIME", "",
       [](envelope& e) { e.body = body_type::binary_mime; }},
      {"RET and ENVID", all_features, " SIZE=77 RET=HDRS ENVID=a+2Bb", "",
       [](envelope& e) {
         e.ret = dsn_return::headers;
         e.envelope_id = "a+2Bb";
       }},
      {"RET=FULL", all_features, " SIZE=77 RET=FULL", "",
       [](envelope& e) { e.ret = dsn_return::full; }},
      {"DSN not offered", "250 mx\r\n", "", "",
       [](envelope& e) {
         e.ret = dsn_return::full;
         e.envelope_id = "x";
         e.recipient_options.resize(2);
         e.recipient_options[1].notify.never = true;
       }},
      {"NOTIFY=NEVER", all_features, " SIZE=77", " NOTIFY=NEVER",
       [](envelope& e) {
         e.recipient_options.resize(2);
         e.recipient_options[1].notify.never = true;
       }},
      {"NOTIFY and ORCPT", all_features, " SIZE=77",
       " NOTIFY=SUCCESS,FAILURE,DELAY ORCPT=rfc822;Bob+40far.test",
       [](envelope& e) {
         e.recipient_options.resize(2);
         e.recipient_options[1].notify = {false, true, true, true};
         e.recipient_options[1].original_recipient = "rfc822;Bob+40far.test";
       }},
      {"ORCPT that is not ASCII", "250-mx\r\n250-DSN\r\n250 SMTPUTF8\r\n", "",
       " ORCPT=utf-8;j\xc3\xb6@x.test",
       [](envelope& e) {
         e.recipient_options.resize(2);
         e.recipient_options[1].original_recipient = "utf-8;j\xc3\xb6@x.test";
       }},
      {"the same to a server without SMTPUTF8", "250-mx\r\n250-PIPELINING\r\n250 DSN\r\n", "",
       " ORCPT=utf-8;j\\x{F6}\\x{1F4EC}\\x{20AC}@x.test",
       [](envelope& e) {
         e.recipient_options.resize(2);
         e.recipient_options[1].original_recipient =
             "utf-8;j\xc3\xb6\xf0\x9f\x93\xac\xe2\x82\xac@x.test";
       }},
      {"AUTH= of a trusted peer", "250-mx\r\n250 AUTH PLAIN\r\n", " AUTH=e+3Dmc2@x.test", "",
       [](envelope& e) { e.submitter = "e=mc2@x.test"; }},
      {"AUTH= where AUTH is not offered", "250 mx\r\n", "", "",
       [](envelope& e) { e.submitter = "e=mc2@x.test"; }},
      {"AUTH=<> is for those who know us", "250-mx\r\n250 AUTH PLAIN\r\n", "", "",
       [](envelope& e) { e.submitter = "<>"; }},
      {"MT-PRIORITY", all_features, " SIZE=77 MT-PRIORITY=-4", "",
       [](envelope& e) { e.priority = -4; }},
      {"MT-PRIORITY not offered", "250 mx\r\n", "", "", [](envelope& e) { e.priority = 4; }},
      {"BY with return", all_features, " SIZE=77 BY=60;R", "",
       [](envelope& e) { e.by = deliver_by{now + std::chrono::seconds(60), true, false}; }},
      {"BY with notification and trace, over", all_features, " SIZE=77 BY=-5;NT", "",
       [](envelope& e) { e.by = deliver_by{now - std::chrono::seconds(5), false, true}; }},
      {"BY that is far away", all_features, " SIZE=77 BY=999999999;N", "",
       [](envelope& e) { e.by = deliver_by{now + std::chrono::hours(1'000'000), false, false}; }},
      {"BY with notification not offered", "250 mx\r\n", "", "",
       [](envelope& e) { e.by = deliver_by{now + std::chrono::hours(1), false, false}; }},
  }));
  DYNAMIC_SECTION(r.name) {
    auto message = two_recipients();
    r.ask(message);
    auto t = of_77_octets(message);
    const auto sent = flight_of(r.features, t);
    const auto first = "MAIL FROM:<s@a.example>" + r.mail + "\r\n";
    if (r.features.find("PIPELINING") == std::string::npos) {
      CHECK(sent == first);
    } else {
      const bool chunks = r.features.find("CHUNKING") != std::string::npos;
      CHECK(sent == first + rcpt1 + "RCPT TO:<q@b.example>" + r.rcpt + "\r\n" +
                        (chunks ? "BDAT 77 LAST\r\n" : "DATA\r\n"));
    }
  }
}

TEST_CASE("REQUIRETLS is for verified peers that offer it") {
  bool is_report = false;
  const auto under = [&](tls_level level, const std::string& features, const std::string& sent) {
    row r{(is_report ? "report, level " : "level ") + std::to_string(static_cast<int>(level)) +
              " " + features,
          {server("220 mx\r\n"), client("EHLO us.example\r\n"),
           server("250-mx\r\n250 STARTTLS\r\n"), client("STARTTLS\r\n"), server("220 go\r\n"),
           handshake(), client("EHLO us.example\r\n"), server(features), send(), client(sent)},
          client_action::need_input};
    r.options = in_clear();
    r.options.tls = level;
    r.message = two_recipients();
    r.message.require_tls = true;
    if (is_report) r.message.reverse_path = path();
    if (sent.empty()) {
      r.results = "no tls, no tls";
      r.end = ready;
    } else {
      r.events.push_back(server("554 no\r\n"));
      r.results = "mail 554, mail 554";
      r.end = ready;
    }
    DYNAMIC_SECTION(r.name) {
      run_every_way(r);
    }
  };
  const std::string offered = "250-mx\r\n250 REQUIRETLS\r\n";
  under(tls_level::verify, offered, "MAIL FROM:<s@a.example> REQUIRETLS\r\n");
  under(tls_level::fingerprint, offered, "MAIL FROM:<s@a.example> REQUIRETLS\r\n");
  under(tls_level::verify, "250 mx\r\n", "");
  under(tls_level::encrypt, offered, "");
  under(tls_level::may, offered, "");
  // RFC 8689 5: a report is not lost for want of it.
  is_report = true;
  under(tls_level::verify, offered, "MAIL FROM:<> REQUIRETLS\r\n");
  under(tls_level::verify, "250 mx\r\n", "MAIL FROM:<>\r\n");
  under(tls_level::may, offered, "MAIL FROM:<>\r\n");
  row clear{"in clear", behind_hello(offered, {send(), client("")}), ready, "no tls, no tls"};
  clear.message = two_recipients();
  clear.message.require_tls = true;
  run_all({clear});
}

TEST_CASE("a delivery in time is asked of those who promise it") {
  const auto fault = [](const std::string& features, std::int64_t seconds) {
    auto message = two_recipients();
    message.by = deliver_by{now + std::chrono::seconds(seconds), true, false};
    auto t = of_77_octets(message, {0});
    flight_of(features, t);
    return show(t.results);
  };
  CHECK(fault(all_features, 60) == "mail -");
  CHECK(fault(all_features, 59) == "no by");
  CHECK(fault(all_features, 0) == "by over");
  CHECK(fault("250-mx\r\n250 DELIVERBY\r\n", 1) == "mail -");
  CHECK(fault("250 mx\r\n", 60) == "no by");
}

TEST_CASE("AUTH=<> goes to a server that we have logged in to, unless a trusted peer named one") {
  const std::string submitter = GENERATE("", "<>", "j\xc3\xb6@x.test", "joe@x.test");
  auto options = in_clear();
  options.tls = tls_level::encrypt;
  options.login = credentials("user", "secret");
  client_protocol p(options);
  const auto hear = [&](std::string_view octets) {
    p.receive(octets);
    const auto action = p.next();
    p.output_written(p.output().size());
    return action;
  };
  hear("220 mx\r\n");
  hear("250-mx\r\n250 STARTTLS\r\n");
  hear("220 go\r\n");
  p.tls_started();
  p.output_written(p.output().size());
  hear("250-mx\r\n250 AUTH PLAIN\r\n");
  REQUIRE(hear("235 ok\r\n") == ready);
  auto message = two_recipients();
  message.submitter = submitter;
  auto t = of_77_octets(message);
  p.send(t);
  const std::string named = submitter == "joe@x.test" ? submitter : "<>";
  CHECK(p.output() == "MAIL FROM:<s@a.example> AUTH=" + named + "\r\n");
}

TEST_CASE("8-bit content is for those who offer 8BITMIME") {
  row r{"", behind_hello("250 mx\r\n", {send(), client("")}), ready, "no 8bit, no 8bit"};
  r.body = body_type::eight_bit_mime;
  run_all({r});
}

namespace {

struct utf8_row {
  std::string name, from, to, sent_from, sent_to;  ///< sent_from "": nothing is sent
  bool header = false;
};

}  // namespace

TEST_CASE("a domain that is not ASCII has another form, a local part has none") {
  const auto r = GENERATE(values<utf8_row>({
      {"only ASCII", "s@a.example", "r@b.example", "s@a.example", "r@b.example"},
      {"the domain of the recipient", "s@a.example",
       "r@b\xc3\xbc"
       "cher.example",
       "s@a.example", "r@xn--bcher-kva.example"},
      {"the domain of the sender",
       "s@b\xc3\xbc"
       "cher.example",
       "r@b.example", "s@xn--bcher-kva.example", "r@b.example"},
      {"the local part of the recipient", "s@a.example", "\xc3\xbc@b.example", "", ""},
      {"the local part of the sender", "\xc3\xbc@a.example", "r@b.example", "", ""},
      {"a domain that IDNA forbids", "s@a.example", "r@\xe2\x98\x83\xe2\x80\x8d.example", "", ""},
      {"the header", "s@a.example", "r@b.example", "", "", true},
  }));
  DYNAMIC_SECTION(r.name) {
    envelope message{address(r.from), {address(r.to)}};
    message.smtputf8 = r.header;
    auto plain = of_77_octets(message, {0});
    const auto sent = flight_of("250-mx\r\n250 PIPELINING\r\n", plain);
    if (r.sent_from.empty()) {
      CHECK(show(plain.results) == "no smtputf8");
      CHECK(sent.empty());
      CHECK_FALSE(plain.was_begun);
    } else {
      CHECK(sent == "MAIL FROM:<" + r.sent_from + ">\r\nRCPT TO:<" + r.sent_to + ">\r\nDATA\r\n");
      CHECK(plain.was_begun);
    }
    auto full = of_77_octets(message, {0});
    const auto word = r.name == "only ASCII" ? "" : " SMTPUTF8";
    CHECK(flight_of("250-mx\r\n250-SMTPUTF8\r\n250 PIPELINING\r\n", full) ==
          "MAIL FROM:<" + r.from + ">" + word + "\r\nRCPT TO:<" + r.to + ">\r\nDATA\r\n");
  }
}

TEST_CASE("SMTPUTF8 is declared for those recipients only that are sent") {
  envelope message{address("s@a.example"), {address("r@b.example"), address("\xc3\xbc@b.example")}};
  const std::string features = "250-mx\r\n250-SMTPUTF8\r\n250 PIPELINING\r\n";
  auto ascii = of_77_octets(message, {0});
  CHECK(flight_of(features, ascii).starts_with("MAIL FROM:<s@a.example>\r\n"));
  auto utf8 = of_77_octets(message, {1});
  CHECK(flight_of(features, utf8).starts_with("MAIL FROM:<s@a.example> SMTPUTF8\r\n"));
}
