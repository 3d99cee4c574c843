// 8-bit messages made 7-bit: whole messages in, whole messages out, and the property that every
// leaf decodes to what it was (by a reader of its own, tests/support/mime_reader.hpp).
#include "message/conversion.hpp"

#include <catch2/catch.hpp>

#include "base/random.hpp"
#include "base/text.hpp"
#include "message/transfer_encodings.hpp"
#include "support/mime_reader.hpp"

using namespace relais;
using message::conversion_fault;
using message::to_7bit;

namespace {

const std::string mime = "From: a@b.example\r\nMIME-Version: 1.0\r\n";

std::string multipart(const std::string& subtype, const std::string& parts) {
  return mime + "Content-Type: multipart/" + subtype + "; boundary=\"b 1\"\r\n\r\n" + parts;
}

void check_sound(const std::string& original, const std::string& result) {
  CHECK_FALSE(message::is_8bit(result));
  CHECK(testing::read_mime(result) == testing::read_mime(original));
  CHECK(result.ends_with("\r\n") == original.ends_with("\r\n"));
  for (auto line : split(result, '\n')) {
    if (line.ends_with('\r')) line.remove_suffix(1);
    CHECK(line.size() <= 998);
  }
  // What is done is not done again.
  CHECK(to_7bit(result, false).content == result);
}

}  // namespace

TEST_CASE("only the encoding of what is 8-bit is changed") {
  struct row {
    std::string name, original, result;
  };
  const auto r = GENERATE(values<row>({
      {"ASCII stays as it is", "A: b\r\n\r\nhello\r\n", "A: b\r\n\r\nhello\r\n"},
      {"text, mostly ASCII",
       mime + "Content-Type: text/plain; charset=utf-8\r\n\r\nEs gr\xc3\xbc\xc3\x9ft die ganze "
              "Familie a = b\r\n",
       mime + "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: "
              "quoted-printable\r\n\r\nEs gr=C3=BC=C3=9Ft die ganze Familie a =3D b\r\n"},
      {"text, mostly not ASCII",
       mime + "Content-Type: text/plain; charset=koi8-r\r\n\r\n\xd0\xd2\xc9\xd7\xc5\xd4\r\n",
       mime + "Content-Type: text/plain; charset=koi8-r\r\nContent-Transfer-Encoding: "
              "base64\r\n\r\n0NLJ18XUDQo=\r\n"},
      {"the field is replaced where it is",
       mime +
           "content-transfer-ENCODING:\r\n 8bit (as usual)\r\nX: y\r\n\r\nna\xefve text here\r\n",
       mime + "Content-Transfer-Encoding: quoted-printable\r\nX: y\r\n\r\nna=EFve text here\r\n"},
      {"no text is base64", mime + "Content-Type: application/x-y\r\n\r\nmostly ascii \xff\r\n",
       mime + "Content-Type: application/x-y\r\nContent-Transfer-Encoding: base64\r\n\r\n"
              "bW9zdGx5IGFzY2lpIP8NCg==\r\n"},
      {"without MIME it becomes MIME of an unknown charset",
       "From: a@b.example\r\n\r\nAm\xe9lie wrote\r\n",
       "From: a@b.example\r\nContent-Transfer-Encoding: quoted-printable\r\nMIME-Version: 1.0\r\n"
       "Content-Type: text/plain; charset=unknown-8bit\r\n\r\nAm=E9lie wrote\r\n"},
      {"parts for themselves",
       multipart("mixed",
                 "pre\xe9mble\r\n--b 1\r\n\r\nAm\xe9lie wrote it\r\n--b 1\r\n\r\nascii\r\n--b "
                 "1\r\nContent-Transfer-Encoding: 8bit\r\n\r\nascii too\r\n--b 1--\r\nepi\xe9\r\n"),
       multipart("mixed",
                 "pre?mble\r\n--b 1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nAm=E9lie "
                 "wrote it\r\n--b 1\r\n\r\nascii\r\n--b 1\r\nContent-Transfer-Encoding: "
                 "7bit\r\n\r\nascii too\r\n--b 1--\r\nepi?\r\n")},
      {"composites are relabelled only",
       mime + "Content-Transfer-Encoding: 8bit\r\nContent-Type: message/rfc822\r\n\r\nA: "
              "b\r\nMIME-Version: 1.0\r\n\r\nAm\xe9lie wrote\r\n",
       mime +
           "Content-Transfer-Encoding: 7bit\r\nContent-Type: message/rfc822\r\n\r\nA: "
           "b\r\nMIME-Version: 1.0\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nAm=E9lie "
           "wrote\r\n"},
      {"a signed part that is ASCII already, beside one that is not",
       multipart(
           "mixed",
           "--b 1\r\nContent-Type: multipart/signed; boundary=s\r\n\r\n--s\r\nContent-Transfer-"
           "Encoding: 8bit\r\n\r\nsigned\r\n--s--\r\n--b 1\r\n\r\nAm\xe9lie wrote\r\n--b "
           "1--\r\n"),
       multipart(
           "mixed",
           "--b 1\r\nContent-Type: multipart/signed; boundary=s\r\n\r\n--s\r\nContent-Transfer-"
           "Encoding: 8bit\r\n\r\nsigned\r\n--s--\r\n--b 1\r\nContent-Transfer-Encoding: "
           "quoted-printable\r\n\r\nAm=E9lie wrote\r\n--b 1--\r\n")},
      {"no closing delimiter", multipart("mixed", "--b 1\r\n\r\nAm\xe9lie wrote it\r\n"),
       multipart("mixed",
                 "--b 1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nAm=E9lie wrote "
                 "it\r\n")},
      {"cut off: the last line end is the part's own",
       multipart("mixed", "--b 1\r\nContent-Type: a/b\r\n\r\n\xe9\r\n"),
       multipart(
           "mixed",
           "--b 1\r\nContent-Type: a/b\r\nContent-Transfer-Encoding: base64\r\n\r\n6Q0K\r\n")},
      {"a digest holds messages",
       multipart("digest", "--b 1\r\n\r\nSubject: x\r\n\r\nAm\xe9lie wrote it\r\n--b 1--\r\n"),
       multipart("digest",
                 "--b 1\r\n\r\nSubject: x\r\nContent-Transfer-Encoding: "
                 "quoted-printable\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; "
                 "charset=unknown-8bit\r\n\r\nAm=E9lie wrote it\r\n--b 1--\r\n")},
      {"a delimiter needs more than the boundary's begin",
       multipart("mixed",
                 "--b 1\r\n\r\nAm\xe9lie\r\n--b 10\r\n--b 1-\r\n --b 1\r\nwrote\r\n--b "
                 "1-- \t\r\n"),
       multipart("mixed",
                 "--b 1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nAm=E9lie\r\n--b "
                 "10\r\n--b 1-\r\n --b 1\r\nwrote\r\n--b 1-- \t\r\n")},
      {"an unclosed inner multipart ends with its part",
       multipart("mixed",
                 "--b 1\r\nContent-Type: multipart/mixed; boundary=in\r\n\r\n--in\r\n\r\nAm\xe9lie "
                 "wrote\r\n--b 1--\r\n"),
       multipart(
           "mixed",
           "--b 1\r\nContent-Type: multipart/mixed; boundary=in\r\n\r\n--in\r\n"
           "Content-Transfer-Encoding: quoted-printable\r\n\r\nAm=E9lie wrote\r\n--b 1--\r\n")},
  }));
  DYNAMIC_SECTION(r.name) {
    const auto done = to_7bit(r.original, false);
    CHECK(done.fault == conversion_fault::none);
    CHECK(done.content == r.result);
    check_sound(r.original, done.content);
  }
}

TEST_CASE("what must not or cannot be converted is refused with the reason") {
  struct row {
    std::string name, original;
    conversion_fault fault;
  };
  using enum conversion_fault;
  const std::string e = "\xe9\r\n";
  const auto r = GENERATE_COPY(values<row>({
      {"8-bit header", "Subject: " + e + "\r\nx\r\n", header_is_8bit},
      {"8-bit header of a part", multipart("mixed", "--b 1\r\nX: " + e + "\r\nx\r\n--b 1--\r\n"),
       header_is_8bit},
      {"signed", multipart("signed", "--b 1\r\n\r\n" + e + "--b 1--\r\n"), is_signed},
      {"encrypted", multipart("encrypted", "--b 1\r\n\r\n" + e + "--b 1--\r\n"), is_signed},
      {"signed deep inside",
       multipart("mixed", "--b 1\r\nContent-Type: Multipart/Signed; boundary=s\r\n\r\n--s\r\n\r\n" +
                              e + "--s--\r\n--b 1--\r\n"),
       is_signed},
      {"multipart without boundary", mime + "Content-Type: multipart/mixed\r\n\r\n" + e, malformed},
      {"two boundaries",
       mime + "Content-Type: multipart/mixed; boundary=a; boundary=b\r\n\r\n--a\r\n\r\n" + e,
       malformed},
      {"no delimiter", multipart("mixed", e), malformed},
      {"two types", mime + "Content-Type: text/plain\r\nContent-Type: text/html\r\n\r\n" + e,
       malformed},
      {"two encodings",
       mime + "Content-Transfer-Encoding: 8bit\r\nContent-Transfer-Encoding: 7bit\r\n\r\n" + e,
       malformed},
      {"encoded and 8-bit", mime + "Content-Transfer-Encoding: quoted-printable\r\n\r\n" + e,
       malformed},
      {"an encoding that nobody knows", mime + "Content-Transfer-Encoding: x-uuencode\r\n\r\n" + e,
       malformed},
      {"an encoded multipart",
       mime +
           "Content-Type: multipart/mixed; boundary=a\r\nContent-Transfer-Encoding: "
           "base64\r\n\r\n--a\r\n\r\n" +
           e,
       malformed},
      {"a fragment", mime + "Content-Type: message/partial; id=x\r\n\r\nA: b\r\n\r\n" + e,
       malformed},
      {"a multipart of no subtype",
       mime + "Content-Type: multipart/[x; boundary=b\r\n\r\n--b\r\n\r\n" + e, malformed},
      {"a message of no subtype", mime + "Content-Type: message\r\n\r\n" + e, malformed},
      {"a header without end", "A: b\r\nno field" + e, malformed},
  }));
  DYNAMIC_SECTION(r.name) {
    const auto done = to_7bit(r.original, false);
    CHECK(done.fault == r.fault);
    CHECK(done.content.empty());
    CHECK_FALSE(message::to_text(done.fault).empty());
  }
}

TEST_CASE("a broken structure without an 8-bit octet beside a sound one does no harm") {
  const auto original = multipart(
      "mixed",
      "--b 1\r\nContent-Type: multipart/mixed\r\n\r\nascii\r\n--b 1\r\n\r\nAm\xe9lie wrote\r\n--b "
      "1--\r\n");
  const auto done = to_7bit(original, false);
  CHECK(done.fault == conversion_fault::none);
  CHECK(done.content.find("multipart/mixed\r\n\r\nascii\r\n--b 1\r\n") != std::string::npos);
}

TEST_CASE("signed parts are converted where that is allowed") {
  const auto original = multipart("signed", "--b 1\r\n\r\nAm\xe9lie wrote\r\n--b 1--\r\n");
  const auto done = to_7bit(original, true);
  CHECK(done.fault == conversion_fault::none);
  check_sound(original, done.content);
}

TEST_CASE("binary content: bare line ends and NUL survive") {
  const std::string body("a\rb\nc\0d\r\n\xff=\r\n", 13);
  for (const auto& type : {"text/plain", "application/octet-stream"}) {
    const auto original =
        mime + "Content-Type: " + type + "\r\nContent-Transfer-Encoding: binary\r\n\r\n" + body;
    const auto done = to_7bit(original, false);
    CHECK(done.fault == conversion_fault::none);
    REQUIRE(testing::read_mime(done.content).size() == 1);
    CHECK(testing::read_mime(done.content)[0].body == body);
    CHECK(done.content.find('\0') == std::string::npos);
  }
}

TEST_CASE("long lines are broken up, in ASCII parts too") {
  const auto original =
      multipart("mixed", "--b 1\r\n\r\n" + std::string(5000, 'x') + "\r\n--b 1\r\n\r\n" +
                             std::string(998, 'y') + "\r\n--b 1\r\n\r\n\xe9\r\n--b 1--\r\n");
  const auto done = to_7bit(original, false);
  CHECK(done.fault == conversion_fault::none);
  check_sound(original, done.content);
  CHECK(done.content.find("\r\n" + std::string(998, 'y') + "\r\n") != std::string::npos);
}

TEST_CASE("nesting is bounded") {
  const auto nested = [](unsigned depth) {
    std::string text = mime;
    for (unsigned i = 0; i < depth; ++i) {
      const auto b = "b" + std::to_string(i);
      text += "Content-Type: multipart/mixed; boundary=" + b + "\r\n\r\n--" + b + "\r\n";
    }
    return text + "\r\n\xe9\r\n";
  };
  CHECK(to_7bit(nested(30), false).fault == conversion_fault::none);
  CHECK(to_7bit(nested(10000), false).fault == conversion_fault::malformed);
}

TEST_CASE("no boundary comes into being by a soft line break") {
  const std::string line = std::string(75, 'x') + "--b 1--";
  const auto original =
      multipart("mixed", "--b 1\r\n\r\n\xe9" + line + "\r\n--b 1\r\n\r\nlast\r\n--b 1--\r\n");
  for (std::size_t shift = 0; shift < 80; ++shift) {
    auto shifted = original;
    shifted.insert(shifted.find("\xe9") + 1, shift, 'y');
    const auto done = to_7bit(shifted, false);
    REQUIRE(done.fault == conversion_fault::none);
    check_sound(shifted, done.content);
  }
}

TEST_CASE("both encodings carry any octets in lines of 76 columns") {
  seeded_random rng(5);
  for (int round = 0; round < 3000; ++round) {
    std::string octets;
    const auto length = rng.below(300);
    static constexpr char odd[] =
        "\r\n\r\n= \t-.=\xe9\xff\x00"
        "ab";
    const bool is_odd = rng.below(2) == 0;
    for (std::uint64_t i = 0; i < length; ++i)
      octets += is_odd ? odd[rng.below(sizeof odd - 1)] : static_cast<char>(rng.below(256));
    const auto quoted = message::quoted_printable(octets);
    const auto base64 = message::base64_body(octets);
    REQUIRE(testing::mime::from_quoted_printable(quoted) == octets);
    REQUIRE(testing::mime::from_base64(base64) == octets);
    REQUIRE(base64.size() == message::base64_size(octets.size()));
    for (const auto& text : {quoted, base64}) {
      REQUIRE_FALSE(message::is_8bit(text));
      for (auto line : split(text, '\n')) {
        if (line.ends_with('\r')) line.remove_suffix(1);
        REQUIRE(line.size() <= 76);
        REQUIRE_FALSE(line.ends_with(' '));
        REQUIRE_FALSE(line.ends_with('\t'));
      }
    }
  }
}

namespace {

std::string random_entity(relais::random& rng, unsigned depth, bool is_message) {
  const auto text = [&](std::size_t most) {
    std::string t;
    const auto lines = rng.below(most);
    for (std::uint64_t i = 0; i < lines; ++i) {
      const auto columns = rng.below(120);
      for (std::uint64_t c = 0; c < columns; ++c)
        t += static_cast<char>(rng.below(12) == 0 ? 128 + rng.below(128) : 32 + rng.below(95));
      t += "\r\n";
    }
    return t;
  };
  std::string head = is_message ? mime + "Subject: s\r\n" : "";
  if (rng.below(3) == 0)
    head += rng.below(2) == 0 ? "Content-Transfer-Encoding: 8bit\r\n"
                              : "Content-Transfer-Encoding: binary\r\n";
  const auto kind = depth == 0 ? rng.below(2) : rng.below(4);
  if (kind == 0) return head + "\r\n" + text(8);
  if (kind == 1) return head + "Content-Type: application/x; a=\"b;c\" (d)\r\n\r\n" + text(8);
  if (kind == 2)
    return head + "Content-Type: message/rfc822\r\n\r\n" + random_entity(rng, depth - 1, true);
  const auto boundary = "=_" + std::to_string(depth) + "x" + std::to_string(rng.below(1000));
  std::string whole =
      head + "Content-Type: multipart/mixed;\r\n boundary=\"" + boundary + "\"\r\n\r\n" + text(3);
  for (auto parts = 1 + rng.below(3); parts > 0; --parts)
    whole += "--" + boundary + "\r\n" + random_entity(rng, depth - 1, false) + "\r\n";
  return whole + "--" + boundary + "--\r\n" + text(2);
}

}  // namespace

TEST_CASE("every part decodes to what it was") {
  seeded_random rng(11);
  for (int round = 0; round < 400; ++round) {
    const auto original = random_entity(rng, 4, true);
    const auto done = to_7bit(original, false);
    INFO(original);
    REQUIRE(done.fault == conversion_fault::none);
    check_sound(original, done.content);
  }
}
