// The log lines, literally: people's scripts depend on them.
#include <catch2/catch.hpp>
#include <limits>
#include <string>
#include <vector>

#include "base/event.hpp"
#include "base/text.hpp"

using namespace relais;
using namespace std::string_literals;

namespace {

const queue_id id{0x4f2a1b3c};
const endpoint client{*ip_address::parse("192.0.2.7"), 4321};
const endpoint client6{*ip_address::parse("2001:db8::7"), 4321};

events::attempted sent() {
  return {.id = id,
          .forward_path = "c@d",
          .next_hop = "mx.d[192.0.2.9]:25",
          .took = {.before_queue = 1.7, .in_queue = 0, .connecting = 0.12, .sending = 0.21},
          .tls = "",
          .dsn = "2.0.0",
          .status = "sent",
          .reason = "250 2.0.0 Ok: queued as 99"};
}

}  // namespace

TEST_CASE("connections are logged with name and address") {
  CHECK(to_text(events::connected{"host.example", client}) ==
        "smtpd: connect from host.example[192.0.2.7]");
  CHECK(to_text(events::connected{"", client6}) == "smtpd: connect from unknown[2001:db8::7]");
  CHECK(to_text(events::disconnected{"unknown", client, "ehlo=1 mail=1 rcpt=0/1 commands=2/3"}) ==
        "smtpd: disconnect from unknown[192.0.2.7] ehlo=1 mail=1 rcpt=0/1 commands=2/3");
  CHECK(to_text(events::disconnected{"unknown", client, ""}) ==
        "smtpd: disconnect from unknown[192.0.2.7]");
}

TEST_CASE("a lost connection names the last command and the octets that came") {
  CHECK(to_text(events::connection_lost{"h", client, "lost connection", "DATA", 123}) ==
        "smtpd: lost connection after DATA (123 bytes) from h[192.0.2.7]");
  CHECK(to_text(events::connection_lost{"h", client, "timeout", "CONNECT"}) ==
        "smtpd: timeout after CONNECT from h[192.0.2.7]");
}

TEST_CASE("a refusal shows the reply and the envelope so far") {
  events::rejected r{.id = {},
                     .command = "RCPT",
                     .client_name = "unknown",
                     .client = client,
                     .reply = "554 5.7.1 <c@d>: Relay access denied",
                     .reverse_path = "a@b",
                     .forward_path = "c@d",
                     .protocol = "ESMTP",
                     .hello = "h",
                     .has_forward_path = true};
  CHECK(
      to_text(r) ==
      "smtpd: NOQUEUE: reject: RCPT from unknown[192.0.2.7]: 554 5.7.1 <c@d>: Relay access denied; "
      "from=<a@b> to=<c@d> proto=ESMTP helo=<h>");
  CHECK(is_warning(r));
  r.id = id;
  r.command = "DATA";
  r.reply = "451 4.3.0 Try later";
  r.reverse_path = "";
  r.has_forward_path = false;
  CHECK(
      to_text(r) ==
      "smtpd: 000000004F2A1B3C: reject: DATA from unknown[192.0.2.7]: 451 4.3.0 Try later; from=<> "
      "proto=ESMTP helo=<h>");
  r.hello = r.protocol = "";
  CHECK_THAT(to_text(r), Catch::EndsWith("; from=<>"));
}

TEST_CASE("an accepted message has the three lines that scripts join by its id") {
  events::accepted a{id, "host.example", client, "x@y", "a@b", 1234, 2};
  const auto lines =
      "smtpd: 000000004F2A1B3C: client=host.example[192.0.2.7]\n"
      "cleanup: 000000004F2A1B3C: message-id=<x@y>\n"
      "qmgr: 000000004F2A1B3C: from=<a@b>, size=1234, nrcpt=2 (queue active)";
  CHECK(to_text(a) == lines);
  a.message_id = "<x@y>";
  CHECK(to_text(a) == lines);
  CHECK_FALSE(is_warning(a));
}

TEST_CASE("an attempt is one line with delays, code and the remote reply") {
  CHECK(to_text(sent()) ==
        "smtp: 000000004F2A1B3C: to=<c@d>, relay=mx.d[192.0.2.9]:25, delay=2, "
        "delays=1.7/0/0.12/0.21, "
        "dsn=2.0.0, status=sent (250 2.0.0 Ok: queued as 99)");
  auto again = sent();
  again.connection_use = 2;
  again.tls = "TLSv1.3";
  again.took = {.before_queue = 0.004, .in_queue = 0, .connecting = 0, .sending = 0.01};
  CHECK(to_text(again) ==
        "smtp: 000000004F2A1B3C: to=<c@d>, relay=mx.d[192.0.2.9]:25, conn_use=2, delay=0.01, "
        "delays=0/0/0/0.01, tls=TLSv1.3, dsn=2.0.0, status=sent (250 2.0.0 Ok: queued as 99)");
  auto deferred = sent();
  deferred.next_hop = "";
  deferred.dsn = "4.4.1";
  deferred.status = "deferred";
  deferred.reason = "connect to mx.d[192.0.2.9]:25: Connection refused";
  CHECK_THAT(
      to_text(deferred),
      Catch::Contains("relay=none, ") &&
          Catch::EndsWith("dsn=4.4.1, status=deferred (connect to mx.d[192.0.2.9]:25: Connection "
                          "refused)"));
}

TEST_CASE("seconds have two significant digits, no finer than hundredths, no trailing zeros") {
  struct row {
    double seconds;
    const char* text;
  };
  const auto r = GENERATE(values<row>({{0, "0"},
                                       {0.004, "0"},
                                       {0.006, "0.01"},
                                       {0.1, "0.1"},
                                       {0.123, "0.12"},
                                       {0.989, "0.99"},
                                       {0.996, "1"},
                                       {1.04, "1"},
                                       {1.06, "1.1"},
                                       {2.1, "2.1"},
                                       {9.94, "9.9"},
                                       {9.96, "10"},
                                       {12.3, "12"},
                                       {100, "100"},
                                       {123456.7, "123457"},
                                       {-1, "0"},
                                       {std::numeric_limits<double>::quiet_NaN(), "0"},
                                       {std::numeric_limits<double>::infinity(), "1000000000"}}));
  auto a = sent();
  a.took = {.before_queue = 0, .in_queue = 0, .connecting = 0, .sending = r.seconds};
  CHECK_THAT(to_text(a), Catch::Contains(", delays=0/0/0/"s + r.text + ", dsn="));
  CHECK_THAT(to_text(a), Catch::Contains(", delay="s + r.text + ", delays="));
}

TEST_CASE("the end of a message is logged") {
  CHECK(to_text(events::expired{id, "a@b"}) ==
        "qmgr: 000000004F2A1B3C: from=<a@b>, status=expired, returned to sender");
  CHECK(to_text(events::removed{id}) == "qmgr: 000000004F2A1B3C: removed");
  CHECK(to_text(events::bounced{id, queue_id{0x5a6b7c8d}}) ==
        "bounce: 000000004F2A1B3C: sender non-delivery notification: 000000005A6B7C8D");
}

TEST_CASE("notices carry their component and weight") {
  const events::notice warning{"spool", true, "disk is full"};
  const events::notice note{"relaisd", false, "started"};
  CHECK(to_text(warning) == "spool: warning: disk is full");
  CHECK(to_text(note) == "relaisd: started");
  CHECK(is_warning(warning));
  CHECK_FALSE(is_warning(note));
}

TEST_CASE("nothing from the wire makes a second line or moves a cursor") {
  const std::string evil =
      GENERATE("a\r\nsmtp: forged"s, "a\nb"s, "\r"s, "\x1b[2J\x1b]0;title\x07"s, "\b\b\b"s,
               "\xc2\x9b"
               "2J"s,
               "\x9b"
               "2J"s,
               "nul\0nul"s, "\x7f"s, "\v\f\t"s, "\xc2\x85next line"s, "\xff\xfe"s,
               std::string(100'000, '\n'));
  const std::vector<event> all{
      events::connected{evil, client},
      events::disconnected{evil, client, evil},
      events::connection_lost{evil, client, evil, evil, 1},
      events::rejected{id, evil, evil, client, evil, evil, evil, evil, evil, true},
      events::accepted{id, evil, client, evil, evil, 1, 1},
      events::attempted{.id = id,
                        .forward_path = evil,
                        .next_hop = evil,
                        .connection_use = 2,
                        .took = {},
                        .tls = evil,
                        .dsn = evil,
                        .status = evil,
                        .reason = evil},
      events::expired{id, evil},
      events::notice{evil, true, evil},
  };
  for (const auto& e : all) {
    INFO(e.index());
    const auto text = to_text(e);
    CHECK(is_valid_utf8(text));
    CHECK(text.size() < 20'000);
    const auto lines = split(text, '\n');
    CHECK(lines.size() == (std::holds_alternative<events::accepted>(e) ? 3 : 1));
    for (const auto line : lines) {
      bool moves =
          line.find("\xc2\x85") != std::string::npos || line.find("\xc2\x9b") != std::string::npos;
      for (const char c : line) moves = moves || is_control(c);
      CHECK_FALSE(moves);
    }
  }
}

TEST_CASE("what AUTH and TLS of clients came to is logged") {
  CHECK(to_text(events::auth_failed{"unknown", client, "LOGIN", "joe", "wrong password"}) ==
        "smtpd: warning: unknown[192.0.2.7]: SASL LOGIN authentication failed: wrong password, "
        "sasl_username=joe");
  CHECK(to_text(events::auth_failed{"unknown", client, "PLAIN", "", "a\nb"}) ==
        "smtpd: warning: unknown[192.0.2.7]: SASL PLAIN authentication failed: a\\x0ab");
  CHECK(is_warning(events::auth_failed{}));
  CHECK(to_text(events::tls_established{"h.example", client, "TLSv1.3 with cipher X", ""}) ==
        "smtpd: TLS connection established from h.example[192.0.2.7]: TLSv1.3 with cipher X");
  CHECK(to_text(events::tls_established{"h.example", client, "TLSv1.3", "ab (trusted)"}) ==
        "smtpd: TLS connection established from h.example[192.0.2.7]: TLSv1.3, certificate ab "
        "(trusted)");
  CHECK(to_text(events::tls_failed{"", client, "no shared cipher"}) ==
        "smtpd: TLS handshake failed from unknown[192.0.2.7]: no shared cipher");
}

TEST_CASE("a login is named where it sent or was refused, and so is the rule") {
  events::accepted a;
  a.id = id;
  a.client_name = "h.example";
  a.client = client;
  a.sasl_method = "PLAIN";
  a.user = "joe";
  a.origin = "o.example[192.0.2.8]";
  CHECK_THAT(to_text(a),
             Catch::StartsWith("smtpd: " + id.text() +
                               ": client=h.example[192.0.2.7], sasl_method=PLAIN, "
                               "sasl_username=joe, orig_client=o.example[192.0.2.8]\n"));
  events::rejected r;
  r.command = "CONNECT";
  r.client = client;
  r.reply = "421 x";
  r.has_reverse_path = false;
  r.user = "joe";
  r.rule = "relais.yaml:3: policy.rules";
  CHECK(to_text(r) ==
        "smtpd: NOQUEUE: reject: CONNECT from unknown[192.0.2.7]: 421 x; sasl_username=<joe> "
        "rule=<relais.yaml:3: policy.rules>");
}
