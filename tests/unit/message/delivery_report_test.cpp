// Reports in ASCII: parts, fields, words, and that foreign text does no harm. With UTF-8:
// global_report_test.cpp.
#include "message/delivery_report.hpp"

#include <catch2/catch.hpp>

#include "support/report_reader.hpp"

using namespace relais;
using namespace relais::testing;
using message::delivery_report;

TEST_CASE("a report on a failure has the three parts of RFC 3464") {
  const auto text = delivery_report(ordinary_report());
  check_lines(text);
  const auto report = read_entity(text);
  CHECK(report.field("From") == "\"Mail Delivery System\" <MAILER-DAEMON@relay.example>");
  CHECK(report.field("To") == "<sender@client.example>");
  CHECK(report.field("Subject") == "Undelivered Mail Returned to Sender");
  CHECK(report.field("Date") == "Sat, 21 Nov 2026 01:03:03 +0000");
  CHECK(report.field("Message-ID") == "<019AA00000000002@relay.example>");
  CHECK(report.field("Auto-Submitted") == "auto-replied");
  CHECK(report.field("MIME-Version") == "1.0");
  CHECK(report.field("Content-Transfer-Encoding") == "(none)");
  CHECK(report.field("Content-Type").starts_with("multipart/report; report-type=delivery-status;"));

  const auto parts = parts_of(report);
  REQUIRE(parts.size() == 3);
  CHECK(parts[0].field("Content-Type") == "text/plain; charset=us-ascii");
  CHECK(parts[0].body.find("<joe@rcpt.example>") != std::string::npos);
  CHECK(parts[0].body.find("The server mx.rcpt.example refused the recipient.") !=
        std::string::npos);
  CHECK(parts[0].body.find("550 5.1.1") != std::string::npos);

  CHECK(parts[1].field("Content-Type") == "message/delivery-status");
  auto status = std::string_view(parts[1].body);
  CHECK(read_fields(status) == fields{{"Reporting-MTA", "dns; relay.example"},
                                      {"X-Relais-Queue-ID", "019AA00000000001"},
                                      {"Arrival-Date", "Sat, 21 Nov 2026 01:02:03 +0000"}});
  CHECK(read_fields(status) ==
        fields{{"Final-Recipient", "rfc822; joe@rcpt.example"},
               {"Action", "failed"},
               {"Status", "5.1.1"},
               {"Remote-MTA", "dns; mx.rcpt.example"},
               {"Diagnostic-Code", "smtp; 550 5.1.1 <joe@rcpt.example>: no such user"},
               {"Last-Attempt-Date", "Sat, 21 Nov 2026 01:03:03 +0000"},
               {"Final-Log-ID", "019AA00000000001"}});
  CHECK(status.empty());

  CHECK(parts[2].field("Content-Type") == "text/rfc822-headers");
  CHECK(parts[2].body == "From: s\r\nSubject: hello\r\n");
}

TEST_CASE("a report on a delay says that nothing has to be done") {
  auto r = ordinary_report();
  r.recipients[0].action = message::report_action::delayed;
  r.recipients[0].status = "4.4.1";
  r.recipients[0].remote_mta = "";
  r.recipients[0].diagnostic_is_smtp = false;
  r.recipients[0].will_retry_until = r.now + std::chrono::hours(120);
  const auto report = read_entity(delivery_report(r));
  CHECK(report.field("Subject") == "Delayed Mail (still being retried)");
  const auto parts = parts_of(report);
  CHECK(parts[0].body.find("do not need to send the message again") != std::string::npos);
  CHECK(parts[1].body.find("Action: delayed\r\nStatus: 4.4.1\r\nDiagnostic-Code: x-relais; 550") !=
        std::string::npos);
  CHECK(parts[1].body.find("Remote-MTA") == std::string::npos);
  CHECK(parts[1].body.ends_with("Will-Retry-Until: Thu, 26 Nov 2026 01:03:03 +0000\r\n"));
  CHECK(parts[0].body.find("It is tried until Thu, 26 Nov 2026 01:03:03 +0000.") !=
        std::string::npos);
}

TEST_CASE("a report on a success says that it is the last") {
  auto r = ordinary_report();
  r.envelope_id = "QQ+2B1";
  r.recipients[0].action = message::report_action::relayed;
  r.recipients[0].status = "2.0.0";
  r.recipients[0].diagnostic = "250 2.0.0 Ok";
  r.recipients[0].original_recipient = "rfc822;Bob+40far.test";
  const auto report = read_entity(delivery_report(r));
  CHECK(report.field("Subject") == "Successful Mail Delivery Report");
  const auto parts = parts_of(report);
  CHECK(parts[0].body.find("does not report on deliveries") != std::string::npos);
  CHECK(parts[0].body.find("reasons") == std::string::npos);
  auto status = std::string_view(parts[1].body);
  const auto of_message = read_fields(status);
  REQUIRE(of_message.size() == 4);
  CHECK(of_message[0] == fields::value_type{"Original-Envelope-Id", "QQ+1"});
  CHECK(read_fields(status) == fields{{"Original-Recipient", "rfc822; Bob@far.test"},
                                      {"Final-Recipient", "rfc822; joe@rcpt.example"},
                                      {"Action", "relayed"},
                                      {"Status", "2.0.0"},
                                      {"Remote-MTA", "dns; mx.rcpt.example"},
                                      {"Diagnostic-Code", "smtp; 250 2.0.0 Ok"},
                                      {"Last-Attempt-Date", "Sat, 21 Nov 2026 01:03:03 +0000"},
                                      {"Final-Log-ID", "019AA00000000001"}});
}

TEST_CASE("a report on failure and success says which is which") {
  auto r = ordinary_report();
  r.recipients.push_back(r.recipients[0]);
  r.recipients[1].action = message::report_action::relayed;
  r.recipients[1].status = "2.0.0";
  const auto report = read_entity(delivery_report(r));
  CHECK(report.field("Subject") == "Undelivered Mail Returned to Sender");
  CHECK(parts_of(report)[0].body.find("    Handed to the next mail system.\r\n") !=
        std::string::npos);
}

TEST_CASE("what a sender gave as ENVID and ORCPT is decoded where it can be shown") {
  struct row {
    std::string given, shown;
  };
  const auto text = GENERATE(values<row>({
      {"a+20b", "a b"},
      {"plain", "plain"},
      {"a+0D+0Ab", "a+0D+0Ab"},
      {"a+FFb", "a+FFb"},
      {"a+C3+B6b", "a+C3+B6b"},
      {"a+2", "a+2"},
      {"a\r\n\r\nb", "a    b"},
      {std::string(500, 'x'), std::string(500, 'x')},
  }));
  auto r = ordinary_report();
  r.envelope_id = text.given;
  r.recipients[0].original_recipient = "rfc822;" + text.given.substr(0, 490);
  const auto report = delivery_report(r);
  check_lines(report);
  const auto parts = parts_of(read_entity(report));
  auto status = std::string_view(parts[1].body);
  const auto words = split(text.shown, ' ');
  CHECK(read_fields(status)[0].second.starts_with(words.front()));
  CHECK(read_fields(status)[0].second == "rfc822; " + text.shown.substr(0, 490));
}

TEST_CASE("the full message is returned when asked for, octet by octet") {
  auto r = ordinary_report();
  r.return_full = true;
  const auto parts = parts_of(read_entity(delivery_report(r)));
  CHECK(parts[2].field("Content-Type") == "message/rfc822");
  CHECK(parts[2].body == r.original_content);
}

TEST_CASE("a message that cannot travel as it is comes back as header only") {
  for (const auto& bad :
       {std::string("A: b\r\n\r\n") + std::string(999, 'x') + "\r\n",
        std::string("A: b\r\n\r\nx\ny\r\n"), std::string("A: b\r\n\r\nx\0y\r\n", 13),
        std::string("A: b\r\n\r\nno end")}) {
    auto r = ordinary_report();
    r.return_full = true;
    r.original_content = bad;
    const auto text = delivery_report(r);
    check_lines(text);
    CHECK(parts_of(read_entity(text))[2].body == "A: b\r\n");
  }
}

TEST_CASE("the boundary is in none of the parts") {
  auto r = ordinary_report();
  r.boundary = "sub";
  r.original_content = "From: s\r\nX: sub\r\nY: sub=1\r\n--sub--\r\n\r\n";
  const auto text = delivery_report(r);
  const auto parts = parts_of(read_entity(text));
  REQUIRE(parts.size() == 3);
  CHECK(text.find("boundary=\"sub=2\"") != std::string::npos);
}

TEST_CASE("8-bit text marks the parts that have it and no others") {
  auto r = ordinary_report();
  r.recipients[0].diagnostic = "550 Empf\xc3\xa4nger unbekannt";
  auto report = read_entity(delivery_report(r));
  CHECK(report.field("Content-Transfer-Encoding") == "8bit");
  auto parts = parts_of(report);
  CHECK(parts[0].field("Content-Type") == "text/plain; charset=utf-8");
  CHECK(parts[0].field("Content-Transfer-Encoding") == "8bit");
  CHECK(parts[0].body.find("Empf\xc3\xa4nger") != std::string::npos);
  CHECK(parts[1].field("Content-Transfer-Encoding") == "(none)");
  CHECK(parts[1].body.find("Empf\\xc3\\xa4nger") != std::string::npos);
  CHECK(parts[2].field("Content-Transfer-Encoding") == "(none)");
}

TEST_CASE("foreign text cannot break the structure of a report") {
  const std::vector<std::string> attacks{"550 x\r\n\r\n--b0undary--\r\nevil",
                                         "a\nb\rc",
                                         std::string("nul\0nul", 7),
                                         std::string(5000, 'x'),
                                         std::string(5000, ' ') + "y",
                                         "\xff\xfe",
                                         "550 \x1b[31mred",
                                         [] {
                                           std::string s(899, 'x');
                                           for (int i = 0; i < 300; ++i) s += "\xe2\x82\xac";
                                           return s;
                                         }()};
  for (const auto& attack : attacks) {
    auto r = ordinary_report();
    r.recipients[0].diagnostic = attack;
    r.recipients[0].explanation = attack;
    r.recipients[0].remote_mta = attack;
    r.recipients[0].status = attack;
    r.reporting_mta = attack;
    r.boundary = attack;
    const std::string original = "Subject: " + attack + "\r\n\r\n";
    r.original_content = original;
    const auto text = delivery_report(r);
    check_lines(text);
    const auto parts = parts_of(read_entity(text));
    REQUIRE(parts.size() == 3);
    auto status = std::string_view(parts[1].body);
    CHECK(read_fields(status).size() == 3);
    CHECK(read_fields(status).size() == 7);
    CHECK(status.empty());
    CHECK(parts[1].body.find("Action: failed\r\nStatus: 5.0.0\r\n") != std::string::npos);
  }
}

TEST_CASE("long diagnostics are folded at blanks") {
  auto r = ordinary_report();
  r.recipients[0].diagnostic =
      "550 " + std::string(40, 'a') + " " + std::string(40, 'b') + " " + std::string(40, 'c');
  const auto parts = parts_of(read_entity(delivery_report(r)));
  for (const auto line : split(parts[1].body, '\n')) CHECK(line.size() <= 78);
  CHECK(parts[1].body.find("\r\n " + std::string(40, 'b')) != std::string::npos);
}

TEST_CASE("an address with runs of blanks is reported as it is") {
  auto request = ordinary_report();
  const std::string address = "\"two  blanks   three\"@rcpt.example";
  request.recipients[0].address = smtp::parse_address(address).value();
  const auto report = delivery_report(request);
  CHECK(report.find("\r\nFinal-Recipient: rfc822; " + address + "\r\n") != std::string::npos);
  CHECK(report.find("\r\n<" + address + ">\r\n") != std::string::npos);
}

TEST_CASE("a report to the postmaster says that nobody else is told") {
  auto r = ordinary_report();
  r.is_double = true;
  r.return_full = true;
  const auto report = read_entity(delivery_report(r));
  CHECK(report.field("Subject") == "Undelivered Mail, and its sender cannot be told");
  const auto words = parts_of(report)[0].body;
  CHECK(words.find("reports to its postmaster") != std::string::npos);
  CHECK(words.find("Nobody else is told.") != std::string::npos);
  CHECK(words.find("that you sent") == std::string::npos);
}

TEST_CASE("a person is told in plain words what the status means") {
  struct row {
    std::string status, words;
    bool is_expired;
  };
  const auto r = GENERATE(values<row>({
      {"5.1.1", "There is no such mailbox.", false},
      {"5.2.2", "The mailbox is full.", false},
      {"5.1.10", "The domain of the address accepts no mail at all.", false},
      {"5.7.1", "The receiving server does not permit it", false},
      {"5.4.7", "It was tried until the time for that was over.", true},
      {"5.9.9", "    The server mx.rcpt.example refused the recipient.", false},
  }));
  auto request = ordinary_report();
  request.recipients[0].status = r.status;
  request.recipients[0].is_expired = r.is_expired;
  const auto words = parts_of(read_entity(delivery_report(request)))[0].body;
  CHECK(words.find(r.words) != std::string::npos);
}

TEST_CASE("a report on delay and success needs nothing to be done") {
  auto r = ordinary_report();
  r.recipients.push_back(r.recipients[0]);
  r.recipients[0].action = message::report_action::delayed;
  r.recipients[0].status = "4.4.1";
  r.recipients[1].action = message::report_action::relayed;
  r.recipients[1].status = "2.0.0";
  const auto report = read_entity(delivery_report(r));
  CHECK(report.field("Subject") == "Delayed Mail (still being retried)");
  const auto words = parts_of(report)[0].body;
  CHECK(words.find("You do not need to send the") != std::string::npos);
  CHECK(words.find("    Not delivered yet; the mail system keeps trying.\r\n") !=
        std::string::npos);
  CHECK(words.find("    Handed to the next mail system.\r\n") != std::string::npos);
}
