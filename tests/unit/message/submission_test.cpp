// Completing headers of submitted mail: raw headers in, raw headers out.
#include "message/submission.hpp"

#include <catch2/catch.hpp>
#include <random>
#include <string>
#include <vector>

#include "base/text.hpp"
#include "message/header_scan.hpp"

using namespace relais;
using message::complete_header;

namespace {

message::submission_rules rules() {
  message::submission_rules r;
  r.domain = "here.example";
  return r;
}

message::submission_facts facts() {
  message::submission_facts f;
  f.id = queue_id{0x019AA12345678901};
  f.arrival = wall_time(std::chrono::microseconds(1795222923000042));
  f.reverse_path = "joe@here.example";
  return f;
}

const std::string date = "Date: Sat, 21 Nov 2026 01:02:03 +0000\r\n";
const std::string message_id = "Message-ID: <019AA12345678901.000042@here.example>\r\n";
const std::string from = "From: joe@here.example\r\n";
/// What makes a header complete.
const std::string rest = "Date: x\r\nMessage-ID: <1@2>\r\n";

struct row {
  const char* name;
  std::string header, completed;
};

void check(const row& r, const message::submission_rules& by, const message::submission_facts& of) {
  DYNAMIC_SECTION(r.name) {
    const auto once = complete_header(r.header, by, of);
    CHECK(once == r.completed);
    CHECK(complete_header(once, by, of) == once);
  }
}

}  // namespace

TEST_CASE("what is missing is added at the end, what is there stays as it is") {
  const std::vector<row> rows{
      {"a complete header", "From: a@b\r\n" + rest, "From: a@b\r\n" + rest},
      {"an empty header", "", from + date + message_id},
      {"no Date", "From: a@b\r\nMessage-ID: <1@2>\r\n",
       "From: a@b\r\nMessage-ID: <1@2>\r\n" + date},
      {"no Message-ID", "date: x\r\nFROM: a@b\r\n", "date: x\r\nFROM: a@b\r\n" + message_id},
      {"no From", rest, rest + from},
      {"an empty Date is there", "From: a@b\r\nDate:\r\nMessage-ID: <1@2>\r\n",
       "From: a@b\r\nDate:\r\nMessage-ID: <1@2>\r\n"},
      {"a malformed Message-ID is there", "From: a@b\r\nDate: x\r\nMessage-ID: nonsense\r\n",
       "From: a@b\r\nDate: x\r\nMessage-ID: nonsense\r\n"},
      {"blanks before the colon", "From : a@b\r\nDate\t: x\r\nMessage-ID: <1@2>\r\n",
       "From : a@b\r\nDate\t: x\r\nMessage-ID: <1@2>\r\n"},
      {"no To is no fault", "Subject: hi\r\n", "Subject: hi\r\n" + from + date + message_id},
      {"the last line has no end", rest + "From: a@b", rest + "From: a@b"},
      {"the last line has no end and something is missing", "From: a@b",
       "From: a@b\r\n" + date + message_id},
      {"a line that is no field", "From: joe\r\nnonsense\r\n", "From: joe\r\nnonsense\r\n"},
      {"a fold in front", " From: joe\r\n", " From: joe\r\n"},
      {"an mbox separator", "From joe Sat Nov 21 01:02:03\r\nFrom: a@b\r\n" + rest,
       "From: a@b\r\n" + rest},
      {"similar names are other fields", "X-From: a\r\nDated: b\r\n" + rest,
       "X-From: a\r\nDated: b\r\n" + rest + from},
  };
  for (const auto& r : rows) check(r, rules(), facts());
}

TEST_CASE("the missing From is the reverse-path, the login, or nobody") {
  auto f = facts();
  f.user = "mary";
  CHECK(complete_header(rest, rules(), f) == rest + from);
  f.reverse_path = "";
  CHECK(complete_header(rest, rules(), f) == rest + "From: mary@here.example\r\n");
  f.user = "mary@there.example";
  CHECK(complete_header(rest, rules(), f) == rest + "From: mary@there.example\r\n");
  f.user = "m y\r\nX: <y";
  CHECK(complete_header(rest, rules(), f) == rest + "From: MAILER-DAEMON@here.example\r\n");
  f.user = "m\xc3\xb6";
  CHECK(complete_header(rest, rules(), f) == rest + "From: MAILER-DAEMON@here.example\r\n");
  f.smtputf8 = true;
  CHECK(complete_header(rest, rules(), f) == rest + "From: m\xc3\xb6@here.example\r\n");
}

TEST_CASE("without add_missing nothing is added") {
  auto r = rules();
  r.add_missing = false;
  CHECK(complete_header("Subject: x\r\nBcc: y\r\n", r, facts()) == "Subject: x\r\n");
}

TEST_CASE("Bcc is removed with its folds, and kept where it shall be") {
  const std::string before = "From: a@b\r\n" + rest;
  const std::vector<row> rows{
      {"one line", before + "Bcc: x@y\r\nTo: a@b\r\n", before + "To: a@b\r\n"},
      {"folded", before + "bcc: x@y,\r\n\tz@y\r\n  , q@y\r\nTo: a@b\r\n", before + "To: a@b\r\n"},
      {"twice", "Bcc: a@b\r\n" + before + "BCC : c@d\r\n", before},
      {"of a resent message", "Resent-Bcc: q@b\r\n" + before, before},
      {"similar names stay", before + "X-Bcc: a@b\r\nBccc: x\r\n",
       before + "X-Bcc: a@b\r\nBccc: x\r\n"},
  };
  for (const auto& r : rows) check(r, rules(), facts());
  auto keep = rules();
  keep.remove_bcc = false;
  CHECK(complete_header(before + "Bcc: joe\r\n", keep, facts()) ==
        before + "Bcc: joe@here.example\r\n");
}

TEST_CASE("bare local addresses are qualified, and nothing else is touched") {
  struct value_row {
    const char* name;
    std::string value, qualified;
  };
  const auto same = [](const char* name, std::string value) {
    return value_row{name, value, value};
  };
  const std::vector<value_row> rows{
      {"bare", " joe", " joe@here.example"},
      {"bare with dots", " joe.doe", " joe.doe@here.example"},
      {"bare with a comment", " joe (Joe Doe)", " joe@here.example (Joe Doe)"},
      {"comments all around", "(a) joe (b (c) \\) d) ", "(a) joe@here.example (b (c) \\) d) "},
      {"in brackets", " Joe Doe <joe>", " Joe Doe <joe@here.example>"},
      {"in brackets with blanks", " Joe < joe >", " Joe < joe@here.example >"},
      {"quoted name", " \"Doe, Joe\" <joe>", " \"Doe, Joe\" <joe@here.example>"},
      {"quoted local-part", " \"joe, doe\"", " \"joe, doe\"@here.example"},
      {"escaped quote", " \"j\\\"oe\" <joe>", " \"j\\\"oe\" <joe@here.example>"},
      {"a list", "a, b@c ,d", "a@here.example, b@c ,d@here.example"},
      {"empty elements", ",a,,b,", ",a@here.example,,b@here.example,"},
      {"folds stay", " a,\r\n\tb\r\n ,c@d", " a@here.example,\r\n\tb@here.example\r\n ,c@d"},
      {"a group", " friends: a, Joe <b>, c@d;",
       " friends: a@here.example, Joe <b@here.example>, c@d;"},
      {"two groups", "a: b;, c: d;", "a: b@here.example;, c: d@here.example;"},
      {"a group and more", "a:;, b", "a:;, b@here.example"},
      {"encoded word as a name", " =?utf-8?q?J=C3=B6?= <joe>",
       " =?utf-8?q?J=C3=B6?= <joe@here.example>"},
      {"initial with a dot", " Joe Q. Doe <joe>", " Joe Q. Doe <joe@here.example>"},
      {"octets above 127 in the name", " J\xf6rg <joe>", " J\xf6rg <joe@here.example>"},
      {"bang path", " host!joe", " host!joe@here.example"},
      same("full", " joe@b.example"),
      same("full in brackets", " Joe <joe@b.example>"),
      same("literal", " joe@[192.0.2.1]"),
      same("literal with a comma", " joe@[a,b]"),
      same("quoted with an at", " \"joe@b\"@c"),
      same("comment with an at", " joe@b (c@d, e)"),
      same("null", " <>"),
      same("empty", ""),
      same("empty group", " undisclosed-recipients:;"),
      same("two words", " Joe Doe"),
      same("a lone encoded word", " =?utf-8?q?J=C3=B6?="),
      same("a route", " <@a,@b:joe@c>"),
      same("a route to a bare one", " <@a:joe>"),
      same("dot at the end", " joe."),
      same("dot in front", " .joe"),
      same("two dots", " a..b"),
      same("no local-part", " @b"),
      same("no domain", " joe@"),
      same("octets above 127", " j\xc3\xb6"),
      same("open quote", " \"joe, mary"),
      same("open comment", " mary, joe (x"),
      same("open bracket", " mary, <joe"),
      same("open literal", " mary, joe@[x"),
      same("open group", " friends: mary"),
      same("bracket in a bracket", " mary, <<joe>>"),
      same("stray bracket", " mary, joe>"),
      same("stray semicolon", " mary; joe"),
      same("stray parenthesis", " mary, joe)"),
      same("words behind a bracket", " mary, <joe> x"),
      same("words behind a group", "a: b; c"),
      same("group in a group", "a: b: c;;"),
      same("backslash", " mary, j\\oe"),
      same("control", " mary, j\x01oe"),
      same("NUL", std::string(" mary, j\0oe", 11)),
      same("CR inside", " mary,\rjoe"),
  };
  for (const char* field : {"From:", "To:", "cc:", "Reply-To :", "SENDER:", "Resent-To:"}) {
    const std::string more = "From: a@b\r\n" + rest;
    for (const auto& r : rows)
      check({r.name, field + r.value + "\r\n" + more, field + r.qualified + "\r\n" + more}, rules(),
            facts());
  }
  check({"a field that has no addresses", "From: a@b\r\nSubject: joe\r\n" + rest,
         "From: a@b\r\nSubject: joe\r\n" + rest},
        rules(), facts());
  auto utf8 = facts();
  utf8.smtputf8 = true;
  check({"octets above 127 with SMTPUTF8", "From: j\xc3\xb6\r\n" + rest,
         "From: j\xc3\xb6@here.example\r\n" + rest},
        rules(), utf8);
  check({"what is no UTF-8 with SMTPUTF8", "From: j\xf6\r\n" + rest, "From: j\xf6\r\n" + rest},
        rules(), utf8);
}

TEST_CASE("no line becomes too long, and no header grows without end") {
  std::string list = "To: " + std::string(970, 'x');
  const auto tail = "\r\nFrom: a@b\r\n" + rest;
  CHECK(complete_header(list + tail, rules(), facts()) == list + tail);
  std::string many = "To: a";
  while (many.size() < 200'000) many += ",\r\n a";
  const auto header = many + tail;
  CHECK(complete_header(header, rules(), facts()) == header);
  CHECK(complete_header(many + "\r\n", rules(), facts()).size() <=
        many.size() + message::most_growth);
}

TEST_CASE("Sender says who logged in, where From does not") {
  auto by = rules();
  by.add_sender = true;
  auto of = facts();
  of.user = "joe";
  const std::string sender = "Sender: joe@here.example\r\n";
  const std::vector<row> rows{
      {"the same", "From: Joe <joe@HERE.example>\r\n" + rest,
       "From: Joe <joe@HERE.example>\r\n" + rest},
      {"the same bare", "From: joe\r\n" + rest, "From: joe@here.example\r\n" + rest},
      {"another", "From: boss@b\r\n" + rest, "From: boss@b\r\n" + rest + sender},
      {"two authors", "From: joe, boss@b\r\n" + rest,
       "From: joe@here.example, boss@b\r\n" + rest + sender},
      {"another Sender is replaced", "From: a@b\r\nsender: x@y,\r\n z\r\n" + rest,
       "From: a@b\r\nsender: joe@here.example\r\n" + rest},
      {"the right Sender stays", "From: a@b\r\nSender: J <joe>\r\n" + rest,
       "From: a@b\r\nSender: J <joe@here.example>\r\n" + rest},
      {"a malformed From", "From: <x\r\n" + rest, "From: <x\r\n" + rest + sender},
      {"a missing From that will be the same", rest, rest + from},
      {"a resent message", "Resent-From: a@b\r\nResent-Date: x\r\nResent-Message-ID: <3@4>\r\n",
       "Resent-Sender: joe@here.example\r\nResent-From: a@b\r\nResent-Date: "
       "x\r\nResent-Message-ID: <3@4>\r\n"},
      {"a resent message of one's own",
       "Resent-From: joe@here.example\r\nResent-Date: x\r\nResent-Message-ID: <3@4>\r\n",
       "Resent-From: joe@here.example\r\nResent-Date: x\r\nResent-Message-ID: <3@4>\r\n"},
  };
  for (const auto& r : rows) check(r, by, of);
  of.user = "";
  check({"nobody logged in", "From: boss@b\r\n" + rest, "From: boss@b\r\n" + rest}, by, of);
}

TEST_CASE("of a resent message only the topmost Resent block is completed") {
  const std::string resent_date = "Resent-" + date;
  const std::string resent_id = "Resent-" + message_id;
  const std::string old = "Received: x\r\nSubject: y\r\n";
  const std::vector<row> rows{
      {"both are missing", "Resent-From: a@b\r\nResent-To: c@d\r\n" + old,
       resent_date + resent_id + "Resent-From: a@b\r\nResent-To: c@d\r\n" + old},
      {"nothing is missing",
       "Resent-Date: x\r\nResent-From: a@b\r\nResent-Message-ID: <1@2>\r\n" + old,
       "Resent-Date: x\r\nResent-From: a@b\r\nResent-Message-ID: <1@2>\r\n" + old},
      {"no Resent-From, nothing is known", "Resent-To: c@d\r\n" + old, "Resent-To: c@d\r\n" + old},
      {"an older block behind a trace field has its own",
       "X: 1\r\nResent-From: a@b\r\nReceived: x\r\nResent-Date: y\r\nResent-From: c@d\r\n",
       "X: 1\r\n" + resent_date + resent_id +
           "Resent-From: a@b\r\nReceived: x\r\nResent-Date: y\r\nResent-From: c@d\r\n"},
      {"an older block without a trace field between",
       "Resent-From: a@b\r\nResent-From: c@d\r\nResent-Date: y\r\nResent-Message-ID: <1@2>\r\n",
       resent_date + resent_id +
           "Resent-From: a@b\r\nResent-From: c@d\r\nResent-Date: y\r\nResent-Message-ID: "
           "<1@2>\r\n"},
  };
  for (const auto& r : rows) check(r, rules(), facts());
}

TEST_CASE("any header comes out of a completion as one that needs no other") {
  std::mt19937 random(4711);
  const std::vector<std::string> pieces{"From:",       "To:",  "Resent-From:",
                                        "Sender:",     "Bcc:", "Date: x",
                                        "Received: x", "\r\n", "\r\n",
                                        "\r\n",        " joe", ",",
                                        "<",           ">",    "\"",
                                        "(",           ")",    ":",
                                        ";",           "@",    ".",
                                        "[",           "]",    "\\",
                                        "\t",          "\xc3", "a b",
                                        "=?x?=",       "X",    "From joe\r\n",
                                        "\n",          "\r"};
  auto by = rules();
  by.add_sender = true;
  auto of = facts();
  of.user = "mary";
  for (int i = 0; i < 20'000; ++i) {
    std::string text;
    for (auto n = random() % 30; n > 0; --n) text += pieces[random() % pieces.size()];
    const std::string header(message::header_section(text));
    const auto once = complete_header(header, by, of);
    CAPTURE(header, once);
    REQUIRE(complete_header(once, by, of) == once);
    REQUIRE(message::header_section(once) == once);
    const auto s = message::scan_header(once);
    const bool is_resent = to_lower(once).find("resent-") != std::string::npos;
    REQUIRE((is_resent || (s.has_date && s.has_from)));
  }
}
