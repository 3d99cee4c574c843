// The report is taken apart by a small reader of its own, which knows nothing of the code that
// wrote it.
#include "message/delivery_report.hpp"

#include <catch2/catch.hpp>
#include <map>

#include "base/text.hpp"

using namespace relais;
using message::delivery_report;

namespace {

using fields = std::vector<std::pair<std::string, std::string>>;

struct entity {
  fields header;
  std::string body;
  std::string field(std::string_view name) const {
    for (const auto& [n, v] : header)
      if (iequals(n, name)) return v;
    return "(none)";
  }
};

/// Unfolded fields up to an empty line, which is consumed.
fields read_fields(std::string_view& text) {
  fields found;
  while (!text.empty()) {
    const auto end = text.find("\r\n");
    REQUIRE(end != std::string_view::npos);
    const auto line = text.substr(0, end);
    text.remove_prefix(end + 2);
    if (line.empty()) break;
    if (line[0] == ' ' || line[0] == '\t') {
      REQUIRE_FALSE(found.empty());
      found.back().second += " " + std::string(trimmed(line));
      continue;
    }
    const auto colon = line.find(':');
    REQUIRE(colon != std::string_view::npos);
    found.emplace_back(line.substr(0, colon), trimmed(line.substr(colon + 1)));
  }
  return found;
}

entity read_entity(std::string_view text) {
  entity e;
  e.header = read_fields(text);
  e.body = std::string(text);
  return e;
}

std::vector<entity> parts_of(const entity& report) {
  const auto type = report.field("Content-Type");
  const auto at = type.find("boundary=\"");
  REQUIRE(at != std::string::npos);
  const auto boundary = type.substr(at + 10, type.find('"', at + 10) - at - 10);
  CHECK(boundary.size() <= 70);
  std::vector<entity> parts;
  const auto delimiter = "\r\n--" + boundary;
  auto rest = std::string_view(report.body);
  auto next = rest.find(delimiter);
  while (next != std::string_view::npos) {
    rest.remove_prefix(next + delimiter.size());
    if (rest.starts_with("--")) {
      CHECK(rest == "--\r\n");
      return parts;
    }
    REQUIRE(rest.starts_with("\r\n"));
    rest.remove_prefix(2);
    next = rest.find(delimiter);
    REQUIRE(next != std::string_view::npos);
    parts.push_back(read_entity(rest.substr(0, next)));
  }
  FAIL("no closing delimiter");
  return parts;
}

void check_lines(std::string_view text) {
  CHECK(text.find('\0') == std::string_view::npos);
  while (!text.empty()) {
    const auto end = text.find("\r\n");
    REQUIRE(end != std::string_view::npos);
    CHECK(end <= 998);
    CHECK(text.substr(0, end).find_first_of("\r\n") == std::string_view::npos);
    text.remove_prefix(end + 2);
  }
}

message::report_request ordinary() {
  message::report_request r;
  r.reporting_mta = "relay.example";
  r.boundary = "b0undary";
  r.original_id = queue_id{0x019AA00000000001};
  r.report_id = queue_id{0x019AA00000000002};
  r.original_arrival = wall_time(std::chrono::seconds(1795222923));
  r.now = wall_time(std::chrono::seconds(1795222983));
  r.original_sender = smtp::parse_address("sender@client.example").value();
  auto& one = r.recipients.emplace_back();
  one.address = smtp::parse_address("joe@rcpt.example").value();
  one.status = "5.1.1";
  one.diagnostic = "550 5.1.1 <joe@rcpt.example>: no such user";
  one.remote_mta = "mx.rcpt.example";
  one.explanation = "The server mx.rcpt.example refused the recipient.";
  r.original_content = "From: s\r\nSubject: hello\r\n\r\nbody text\r\n";
  return r;
}

}  // namespace

TEST_CASE("a report on a failure has the three parts of RFC 3464") {
  const auto text = delivery_report(ordinary());
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
               {"Diagnostic-Code", "smtp; 550 5.1.1 <joe@rcpt.example>: no such user"}});
  CHECK(status.empty());

  CHECK(parts[2].field("Content-Type") == "text/rfc822-headers");
  CHECK(parts[2].body == "From: s\r\nSubject: hello\r\n");
}

TEST_CASE("a report on a delay says that nothing has to be done") {
  auto r = ordinary();
  r.recipients[0].action = "delayed";
  r.recipients[0].status = "4.4.1";
  r.recipients[0].remote_mta = "";
  r.recipients[0].diagnostic_is_smtp = false;
  const auto report = read_entity(delivery_report(r));
  CHECK(report.field("Subject") == "Delayed Mail (still being retried)");
  const auto parts = parts_of(report);
  CHECK(parts[0].body.find("do not need to send the message again") != std::string::npos);
  CHECK(parts[1].body.find("Action: delayed\r\nStatus: 4.4.1\r\nDiagnostic-Code: x-relais; 550") !=
        std::string::npos);
  CHECK(parts[1].body.find("Remote-MTA") == std::string::npos);
}

TEST_CASE("a report on a success says that it is the last") {
  auto r = ordinary();
  r.envelope_id = "QQ+2B1";
  r.recipients[0].action = "relayed";
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
                                      {"Diagnostic-Code", "smtp; 250 2.0.0 Ok"}});
}

TEST_CASE("a report on failure and success says which is which") {
  auto r = ordinary();
  r.recipients.push_back(r.recipients[0]);
  r.recipients[1].action = "relayed";
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
  auto r = ordinary();
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

TEST_CASE("an ORCPT with UTF-8 as it came, and one that is too long") {
  auto r = ordinary();
  r.recipients[0].original_recipient = "utf-8;j\xc3\xb6@far.test";
  auto parts = parts_of(read_entity(delivery_report(r)));
  CHECK(parts[1].field("Content-Type") == "message/global-delivery-status");
  CHECK(parts[1].body.find("Original-Recipient: utf-8; j\xc3\xb6@far.test\r\n") !=
        std::string::npos);
  r.recipients[0].original_recipient = "rfc822;" + std::string(500, 'x');
  parts = parts_of(read_entity(delivery_report(r)));
  CHECK(parts[1].body.find("Original-Recipient") == std::string::npos);
}

TEST_CASE("the full message is returned when asked for, octet by octet") {
  auto r = ordinary();
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
    auto r = ordinary();
    r.return_full = true;
    r.original_content = bad;
    const auto text = delivery_report(r);
    check_lines(text);
    CHECK(parts_of(read_entity(text))[2].body == "A: b\r\n");
  }
}

TEST_CASE("the boundary is in none of the parts") {
  auto r = ordinary();
  r.boundary = "sub";
  r.original_content = "From: s\r\nX: sub\r\nY: sub=1\r\n--sub--\r\n\r\n";
  const auto text = delivery_report(r);
  const auto parts = parts_of(read_entity(text));
  REQUIRE(parts.size() == 3);
  CHECK(text.find("boundary=\"sub=2\"") != std::string::npos);
}

TEST_CASE("8-bit text marks the parts that have it and no others") {
  auto r = ordinary();
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

  r = ordinary();
  r.recipients[0].address = smtp::parse_address("j\xc3\xb6@rcpt.example").value();
  parts = parts_of(read_entity(delivery_report(r)));
  CHECK(parts[1].field("Content-Type") == "message/global-delivery-status");
  CHECK(parts[1].body.find("Final-Recipient: utf-8; j\xc3\xb6@rcpt.example") != std::string::npos);
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
    auto r = ordinary();
    r.recipients[0].diagnostic = attack;
    r.recipients[0].explanation = attack;
    r.recipients[0].remote_mta = attack;
    r.recipients[0].status = attack;
    r.recipients[0].action = attack;
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
    CHECK(read_fields(status).size() == 5);
    CHECK(status.empty());
    CHECK(parts[1].body.find("Action: failed\r\nStatus: 5.0.0\r\n") != std::string::npos);
  }
}

TEST_CASE("long diagnostics are folded at blanks") {
  auto r = ordinary();
  r.recipients[0].diagnostic =
      "550 " + std::string(40, 'a') + " " + std::string(40, 'b') + " " + std::string(40, 'c');
  const auto parts = parts_of(read_entity(delivery_report(r)));
  for (const auto line : split(parts[1].body, '\n')) CHECK(line.size() <= 78);
  CHECK(parts[1].body.find("\r\n " + std::string(40, 'b')) != std::string::npos);
}

TEST_CASE("an address with runs of blanks is reported as it is") {
  auto request = ordinary();
  const std::string address = "\"two  blanks   three\"@rcpt.example";
  request.recipients[0].address = smtp::parse_address(address).value();
  const auto report = delivery_report(request);
  CHECK(report.find("\r\nFinal-Recipient: rfc822; " + address + "\r\n") != std::string::npos);
  CHECK(report.find("\r\n<" + address + ">\r\n") != std::string::npos);
}
