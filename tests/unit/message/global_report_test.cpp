// Reports where UTF-8 is involved (RFC 6533): to a reverse-path that is UTF-8, and the ASCII forms
// for any other.
#include <catch2/catch.hpp>

#include "message/report_text.hpp"
#include "support/mime_reader.hpp"
#include "support/report_reader.hpp"

using namespace relais;
using namespace relais::testing;
using message::delivery_report;

namespace {

message::report_request to_utf8_sender() {
  auto r = ordinary_report();
  r.to = smtp::parse_address("s\xc3\xa9nder@client.example").value();
  r.smtputf8 = true;
  r.recipients[0].address = smtp::parse_address("j\xc3\xb6@rcpt.example").value();
  r.recipients[0].original_recipient = "utf-8;j\xc3\xb6@far.test";
  r.original_content = "From: s\xc3\xa9nder@client.example\r\n\r\nbody \xc3\xa9\r\n";
  return r;
}

}  // namespace

TEST_CASE("to a UTF-8 reverse-path everything is UTF-8") {
  auto r = to_utf8_sender();
  auto report = read_entity(delivery_report(r));
  CHECK(report.field("To") == "<s\xc3\xa9nder@client.example>");
  CHECK(report.field("Content-Type")
            .starts_with("multipart/report; report-type=global-delivery-status;"));
  CHECK(report.field("Content-Transfer-Encoding") == "8bit");
  auto parts = parts_of(report);
  CHECK(parts[1].field("Content-Type") == "message/global-delivery-status");
  CHECK(parts[1].field("Content-Transfer-Encoding") == "8bit");
  CHECK(parts[1].body.find("Original-Recipient: utf-8; j\xc3\xb6@far.test\r\n") !=
        std::string::npos);
  CHECK(parts[1].body.find("Final-Recipient: utf-8; j\xc3\xb6@rcpt.example\r\n") !=
        std::string::npos);
  CHECK(parts[2].field("Content-Type") == "message/global-headers");
  CHECK(parts[2].body == "From: s\xc3\xa9nder@client.example\r\n");
  r.return_full = true;
  parts = parts_of(read_entity(delivery_report(r)));
  CHECK(parts[2].field("Content-Type") == "message/global");
  CHECK(parts[2].field("Content-Transfer-Encoding") == "8bit");
  CHECK(parts[2].body == r.original_content);
}

TEST_CASE("to an ASCII reverse-path a report needs no SMTPUTF8") {
  auto r = to_utf8_sender();
  r.to = smtp::parse_address("sender@client.example").value();
  r.smtputf8 = false;
  auto report = read_entity(delivery_report(r));
  for (const auto& [name, value] : report.header) CHECK(message::is_ascii(value));
  CHECK(report.field("Content-Type").starts_with("multipart/report; report-type=delivery-status;"));
  auto parts = parts_of(report);
  CHECK(parts[0].field("Content-Type") == "text/plain; charset=utf-8");
  CHECK(parts[0].body.find("<j\xc3\xb6@rcpt.example>") != std::string::npos);
  CHECK(parts[1].field("Content-Type") == "message/delivery-status");
  CHECK(parts[1].field("Content-Transfer-Encoding") == "(none)");
  CHECK(parts[1].body.find("Original-Recipient: utf-8; j\\x{F6}@far.test\r\n") !=
        std::string::npos);
  CHECK(parts[1].body.find("Final-Recipient: utf-8; j\\x{F6}@rcpt.example\r\n") !=
        std::string::npos);
  CHECK(parts[2].field("Content-Type") == "message/global-headers");
  CHECK(parts[2].field("Content-Transfer-Encoding") == "base64");
  CHECK(mime::from_base64(parts[2].body) == "From: s\xc3\xa9nder@client.example\r\n");
  r.return_full = true;
  parts = parts_of(read_entity(delivery_report(r)));
  CHECK(parts[2].field("Content-Type") == "message/global");
  CHECK(mime::from_base64(parts[2].body) == r.original_content);
}

TEST_CASE("a UTF-8 reverse-path alone needs no global types") {
  auto r = ordinary_report();
  r.to = smtp::parse_address("s\xc3\xa9nder@client.example").value();
  r.smtputf8 = true;
  const auto parts = parts_of(read_entity(delivery_report(r)));
  CHECK(parts[1].field("Content-Type") == "message/delivery-status");
  CHECK(parts[2].field("Content-Type") == "text/rfc822-headers");
}

TEST_CASE("8-bit octets in a header that are no UTF-8 are returned as they are") {
  auto r = ordinary_report();
  r.original_content = "Subject: \xe9\r\n\r\nx\r\n";
  const auto parts = parts_of(read_entity(delivery_report(r)));
  CHECK(parts[2].field("Content-Type") == "text/rfc822-headers");
  CHECK(parts[2].field("Content-Transfer-Encoding") == "8bit");
  CHECK(parts[2].body == "Subject: \xe9\r\n");
}

TEST_CASE("an 8-bit body below an ASCII header is returned as 8-bit") {
  auto r = ordinary_report();
  r.return_full = true;
  r.original_content = "Subject: x\r\n\r\n\xc3\xa9\r\n";
  const auto parts = parts_of(read_entity(delivery_report(r)));
  CHECK(parts[2].field("Content-Type") == "message/rfc822");
  CHECK(parts[2].field("Content-Transfer-Encoding") == "8bit");
  CHECK(parts[2].body == r.original_content);
}

TEST_CASE("addresses with UTF-8 have an ASCII form") {
  struct row {
    std::string address, ascii;
  };
  const auto r = GENERATE(values<row>({
      {"j\xc3\xb6@x.test", "j\\x{F6}@x.test"},
      {"\xe2\x82\xac@x.test", "\\x{20AC}@x.test"},
      {"\xf0\x9f\x98\x80@x.test", "\\x{1F600}@x.test"},
      {"\"a b\\\"c\xc2\x80\"@x.test", "\"a\\x{20}b\\x{5C}\"c\\x{80}\"@x.test"},
      {"a+b=c\xc3\xb6@x.test", "a\\x{2B}b\\x{3D}c\\x{F6}@x.test"},
      {"bad\xc3", "bad?"},
      {"bad\xff\xc3\xb6", "bad?\\x{F6}"},
  }));
  CHECK(message::utf8_address_in_ascii(r.address) == r.ascii);
}

TEST_CASE("the longest UTF-8 address fits into a line") {
  auto r = ordinary_report();
  std::string address;
  for (int i = 0; i < 32; ++i) address += "\xc3\xb6";
  address += "@";
  for (int i = 0; i < 90; ++i) address += i % 20 == 19 ? "." : "\xc3\xb6";
  r.recipients[0].address = smtp::parse_address(address + "a").value();
  r.recipients[0].original_recipient = "utf-8;" + address;
  check_lines(delivery_report(r));
}

TEST_CASE("an ORCPT that is too long is left out") {
  auto r = ordinary_report();
  r.recipients[0].original_recipient = "rfc822;" + std::string(500, 'x');
  CHECK(delivery_report(r).find("Original-Recipient") == std::string::npos);
  r.recipients[0].original_recipient = "utf-8;j\\x{F6}+x@far.test";
  CHECK(delivery_report(r).find("Original-Recipient: utf-8; j\\x{F6}+x@far.test\r\n") !=
        std::string::npos);
}
