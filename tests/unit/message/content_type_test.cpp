// What is read out of the two MIME fields that decide about conversion, and what is not believed.
#include "message/content_type.hpp"

#include <catch2/catch.hpp>

using namespace relais;
using namespace relais::message;

TEST_CASE("types and boundaries are read for certain or not at all") {
  struct row {
    std::string value, type, boundary;
  };
  const auto r = GENERATE(values<row>({
      {" text/plain", "text/plain", ""},
      {" Text/HTML; charset=\"a;b\"\r\n", "text/html", ""},
      {"multipart/mixed; boundary=abc", "multipart/mixed", "abc"},
      {"multipart/mixed;\r\n\tBOUNDARY=\"a b\\\"c  \" ; x=y", "multipart/mixed", "a b\"c"},
      {"multipart/mixed; boundary=----=_Part_1/?:", "multipart/mixed", "----=_Part_1/?:"},
      {"(a (b) \\) c) multipart / (x) mixed (y); (z) boundary (q) = (r) abc (s)", "multipart/mixed",
       "abc"},
      {"multipart/mixed; boundary=a; boundary=a", "multipart/mixed", ""},
      {"multipart/mixed; boundary=a b", "multipart/mixed", ""},
      {"multipart/mixed; boundary=\"a\"b", "multipart/mixed", ""},
      {"multipart/mixed; boundary", "multipart/mixed", ""},
      {"multipart/mixed; boundary=", "multipart/mixed", ""},
      {"multipart/mixed; charset; boundary=a", "multipart/mixed", "a"},
      {"multipart/mixed; x=y z \";\" ; boundary=a; y=(", "multipart/mixed", "a"},
      {"multipart/mixed;; boundary=a;", "multipart/mixed", "a"},
      {"multipart/mixed boundary=a", "multipart/", ""},
      {"multipart/digest?; boundary=a", "multipart/", ""},
      {"text", "text/", ""},
      {"", "/", ""},
      {"/plain", "/", ""},
      {"multipart/mixed; boundary=\"a", "multipart/mixed", "a"},
      {"(unclosed", "/", ""},
  }));
  DYNAMIC_SECTION(r.value) {
    const auto t = parse_content_type(r.value);
    CHECK(t.type + "/" + t.subtype == r.type);
    CHECK(t.boundary == r.boundary);
  }
}

TEST_CASE("a transfer encoding is one word") {
  using enum transfer_encoding;
  CHECK(parse_transfer_encoding(" 7BIT\r\n") == seven_bit);
  CHECK(parse_transfer_encoding("8bit (hello)") == eight_bit);
  CHECK(parse_transfer_encoding("binary") == binary);
  CHECK(parse_transfer_encoding("Quoted-Printable") == quoted_printable);
  CHECK(parse_transfer_encoding("base64") == base64);
  CHECK(parse_transfer_encoding("base64 x") == other);
  CHECK(parse_transfer_encoding("8bit;") == other);
  CHECK(parse_transfer_encoding("") == other);
  CHECK(parse_transfer_encoding("x-uuencode") == other);
}

TEST_CASE("a head says where the body begins and what cannot be trusted") {
  CHECK(read_head("A: b\r\n\r\nbody").body == 8);
  CHECK(read_head("\r\nbody").body == 2);
  CHECK(read_head("").body == 0);
  CHECK_FALSE(read_head("").is_broken);
  CHECK_FALSE(read_head("A: b\r\n").is_broken);
  CHECK(read_head("A: b\r\nno field\r\n").is_broken);
  CHECK(read_head("Content-Type: a/b\r\ncontent-type: a/b\r\n\r\n").is_broken);
  CHECK(read_head("mime-version: 1.0\r\n\r\n").has_version);
}
