#include "message/header_scan.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <string>
#include <vector>

using namespace relais;
using message::header_section;
using message::scan_header;

namespace {

struct row {
  const char* name;
  std::string content;
  std::size_t length;
  unsigned received;
  std::string message_id;
  bool date, from;
};

std::vector<row> rows() {
  return {
      {"empty content", "", 0, 0, "", false, false},
      {"only the empty line", "\r\nbody", 0, 0, "", false, false},
      {"usual header", "From: a@b\r\nDate: x\r\nMessage-ID: <1@b>\r\n\r\nReceived: no\r\n", 39, 0,
       "<1@b>", true, true},
      {"names in any case", "FROM: a\r\ndate: x\r\nmessage-id: <1@b>\r\nreCEIVED: y\r\n\r\n", 50, 1,
       "<1@b>", true, true},
      {"folded fields count once",
       "Received: a\r\n\tReceived: b\r\n Date: c\r\nReceived: d\r\n\r\n", 50, 2, "", false, false},
      {"folded Message-ID", "Message-ID:\r\n <1\r\n @b>\r\n\r\n", 24, 0, "<1@b>", false, false},
      {"the first Message-ID counts", "Message-ID: <1@b>\r\nMessage-ID: <2@b>\r\n\r\n", 38, 0,
       "<1@b>", false, false},
      {"Message-ID without brackets", "Message-ID: 1@b\r\n\r\n", 17, 0, "", false, false},
      {"Message-ID with octets above 127", "Message-ID: <\xc3\xa4@b>\r\n\r\n", 20, 0, "", false,
       false},
      {"Message-ID with a NUL", std::string("Message-ID: <1\0@b>\r\n\r\n", 22), 20, 0, "<1@b>",
       false, false},
      {"blank before the colon", "From : a\r\nDate\t: b\r\n\r\n", 20, 0, "", true, true},
      {"header without body", "From: a\r\n", 9, 0, "", false, true},
      {"last line without end", "From: a", 7, 0, "", false, true},
      {"a line that is no field ends the header", "From: a\r\nhello you\r\nDate: x\r\n", 9, 0, "",
       false, true},
      {"body at once", "hello, world\r\nFrom: a\r\n", 0, 0, "", false, false},
      {"mbox line in front", "From joe Sat Nov 21\r\nFrom: a\r\nDate: b\r\n\r\n", 39, 0, "", true,
       true},
      {"mbox line later is no field", "Date: b\r\nFrom joe 12:00:00\r\n\r\n", 9, 0, "", true,
       false},
      {"similar names are other fields", "X-From: a\r\nDated: b\r\nReceived-SPF: c\r\n\r\n", 38, 0,
       "", false, false},
      {"first line folded", " From: a\r\nDate: x\r\n\r\n", 0, 0, "", false, false},
      {"colon first", ": x\r\nDate: y\r\n", 0, 0, "", false, false},
  };
}

}  // namespace

TEST_CASE("the header scan finds what a relay needs") {
  for (const auto& r : rows()) {
    DYNAMIC_SECTION(r.name) {
      const auto s = scan_header(r.content);
      CHECK(s.length == r.length);
      CHECK(s.received_fields == r.received);
      CHECK(s.message_id == r.message_id);
      CHECK(s.has_date == r.date);
      CHECK(s.has_from == r.from);
      CHECK(header_section(r.content) == std::string_view(r.content).substr(0, r.length));
      // With a line end behind it, the end is seen as it arrives, at the same place.
      const auto whole = r.content + "\r\n\r\n";
      for (std::size_t step = 1; step <= whole.size(); ++step) {
        message::header_end_finder finder;
        bool found = false;
        for (std::size_t n = 0; n < whole.size() && !found;) {
          n = std::min(n + step, whole.size());
          const std::string part = whole.substr(0, n);
          found = finder.find(part);
        }
        REQUIRE(found);
        CHECK(finder.position() == scan_header(whole).length);
      }
    }
  }
}

TEST_CASE("the header scan survives a cut at every octet") {
  for (const auto& r : rows())
    for (std::size_t n = 0; n <= r.content.size(); ++n) {
      const std::string part = r.content.substr(0, n);  // own memory: ASan sees the end
      const auto s = scan_header(part);
      CHECK(s.length <= part.size());
      CHECK(s.received_fields <= r.received + 1);
    }
}

TEST_CASE("octets above 127 in the header are told, those of the body are not") {
  CHECK_FALSE(scan_header("Subject: plain old text\r\n\r\nJ\xc3\xb6rg\r\n").has_utf8);
  for (std::size_t at = 9; at < 40; ++at) {
    std::string header = "Subject: " + std::string(40, 'x') + "\r\n";
    header[at] = '\xc3';
    CHECK(scan_header(header).has_utf8);
    CHECK(scan_header(header + "\r\nbody").has_utf8);
  }
}

TEST_CASE("an endless Message-ID is nobody's") {
  CHECK(scan_header("Message-ID: <" + std::string(2000, 'x') + ">\r\n\r\n").message_id.empty());
  CHECK(scan_header("Message-ID: <" + std::string(900, 'x') + ">\r\n\r\n").message_id.size() ==
        902);
}

TEST_CASE("a hundred Received fields are counted") {
  std::string content;
  for (int i = 0; i < 100; ++i) content += "Received: from a\r\n\tby b;\r\n\tdate\r\n";
  CHECK(scan_header(content + "\r\nReceived: x").received_fields == 100);
}
