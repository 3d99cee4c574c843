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
      CHECK(sent == first + rcpt1 + "RCPT TO:<q@b.example>" + r.rcpt + "\r\n" + "BDAT 77 LAST\r\n");
    }
  }
}

TEST_CASE("REQUIRETLS is for verified peers that offer it") {
  const auto under = [](tls_level level, const std::string& features, const std::string& sent) {
    row r{"level " + std::to_string(static_cast<int>(level)) + " " + features,
          {server("220 mx\r\n"), client("EHLO us.example\r\n"),
           server("250-mx\r\n250 STARTTLS\r\n"), client("STARTTLS\r\n"), server("220 go\r\n"),
           handshake(), client("EHLO us.example\r\n"), server(features), send(), client(sent)},
          client_action::need_input};
    r.options = in_clear();
    r.options.tls = level;
    r.message = two_recipients();
    r.message.require_tls = true;
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
