// What a client asked for by extensions survives the queue: each line of an envelope's text, there
// and back, and nothing else.
#include <catch2/catch.hpp>

#include "spool/record.hpp"
#include "unit/spool/spool_world.hpp"

using namespace relais;
using namespace relais::spool;
using relais::testing::make_message;

namespace {

constexpr wall_time later{std::chrono::microseconds(1786011372345678)};

std::string head(const message& m) {
  const auto text = encode_envelope(m);
  return text.substr(0, text.find("\n", text.find("\nfrom ") + 1) + 1);
}

std::string recipient(const message& m, std::size_t number) {
  return "to " + m.envelope.forward_paths[number].text() + "\n";
}

struct request_row {
  const char* lines;
  void (*ask)(smtp::envelope&);
};

bool same(const smtp::envelope& a, const smtp::envelope& b) {
  return a.reverse_path == b.reverse_path && a.forward_paths == b.forward_paths &&
         a.body == b.body && a.smtputf8 == b.smtputf8 && a.ret == b.ret &&
         a.envelope_id == b.envelope_id && a.recipient_options == b.recipient_options &&
         a.require_tls == b.require_tls && a.priority == b.priority &&
         a.hold_until == b.hold_until && a.by == b.by && a.submitter == b.submitter &&
         a.user == b.user && a.listener == b.listener;
}

TEST_CASE("each request of a client has its line and comes back") {
  const auto row = GENERATE(values<request_row>({
      {"", [](auto&) {}},
      {"body 8bitmime\n", [](auto& e) { e.body = smtp::body_type::eight_bit_mime; }},
      {"body binarymime\n", [](auto& e) { e.body = smtp::body_type::binary_mime; }},
      {"smtputf8\n", [](auto& e) { e.smtputf8 = true; }},
      {"ret full\n", [](auto& e) { e.ret = smtp::dsn_return::full; }},
      {"ret hdrs\n", [](auto& e) { e.ret = smtp::dsn_return::headers; }},
      {"envid QQ+2B314159\n", [](auto& e) { e.envelope_id = "QQ+2B314159"; }},
      {"requiretls\n", [](auto& e) { e.require_tls = true; }},
      {"priority -9\n", [](auto& e) { e.priority = -9; }},
      {"priority 9\n", [](auto& e) { e.priority = 9; }},
      {"until 1786011372345678\n", [](auto& e) { e.hold_until = later; }},
      {"by 1786011372345678 R\n", [](auto& e) { e.by = {later, true, false}; }},
      {"by 1786011372345678 NT\n", [](auto& e) { e.by = {later, false, true}; }},
      {"user joe\n", [](auto& e) { e.user = "joe"; }},
      {"listener [::1]:587\n", [](auto& e) { e.listener = "[::1]:587"; }},
      {"submitter <>\n", [](auto& e) { e.submitter = "<>"; }},
      {"submitter j\xc3\xb6@a.example\n", [](auto& e) { e.submitter = "j\xc3\xb6@a.example"; }},
  }));
  auto m = make_message(1, "x", 2);
  row.ask(m->envelope);
  CAPTURE(row.lines);
  const auto text = encode_envelope(*m);
  CHECK(text == head(*m) + row.lines + recipient(*m, 0) + recipient(*m, 1) + "\n");
  const auto back = decode_envelope(text);
  REQUIRE(back);
  CHECK(same(back->envelope, m->envelope));
  const auto outline = outline_envelope(text);
  REQUIRE(outline);
  CHECK(outline->recipients == 2);
  CHECK(outline->length == text.size());
}

TEST_CASE("each request for one recipient stands behind its line") {
  auto m = make_message(1, "x", 4);
  auto& options = m->envelope.recipient_options;
  options.resize(4);
  options[0].notify = {.never = true};
  options[1].original_recipient = "rfc822;Bob+40far.test";
  options[3].notify = {.success = true, .failure = true, .delay = true};
  options[3].original_recipient = "utf-8;\\x{F6}@far.test";
  const auto text = encode_envelope(*m);
  CHECK(text == head(*m) + recipient(*m, 0) + "notify n\n" + recipient(*m, 1) +
                    "orcpt rfc822;Bob+40far.test\n" + recipient(*m, 2) + recipient(*m, 3) +
                    "notify sfd\norcpt utf-8;\\x{F6}@far.test\n\n");
  const auto back = decode_envelope(text);
  REQUIRE(back);
  CHECK(same(back->envelope, m->envelope));
  CHECK(outline_envelope(text)->recipients == 4);
}

TEST_CASE("options of the first recipient alone come back for all") {
  auto m = make_message(1, "x", 3);
  m->envelope.recipient_options.resize(3);
  m->envelope.recipient_options[0].notify.delay = true;
  const auto back = decode_envelope(encode_envelope(*m));
  REQUIRE(back);
  CHECK(same(back->envelope, m->envelope));
}

TEST_CASE("an envelope that would not come back is not stored") {
  auto m = make_message(1, "x", 2);
  SECTION("a line end in an ENVID") {
    m->envelope.envelope_id = "a\nto b@c";
  }
  SECTION("a line end in a submitter") {
    m->envelope.submitter = "a\r";
  }
  SECTION("a line end in an ORCPT") {
    m->envelope.recipient_options.resize(2);
    m->envelope.recipient_options[1].original_recipient = "rfc822;a\nb";
  }
  SECTION("options for some recipients only") {
    m->envelope.recipient_options.resize(1);
  }
  SECTION("a bare local-part") {
    smtp::parsed_path bare;
    REQUIRE_FALSE(smtp::parse_bare_name("<root>", bare));
    m->envelope.forward_paths.push_back(bare.address);
  }
  CHECK(encode_envelope(*m).empty());
}

TEST_CASE("a line that is none of ours is damage") {
  const std::string before = "at 1\nfrom a@b\n";
  const std::string behind = "to c@d\n";
  REQUIRE(decode_envelope(before + behind + "\n"));
  for (const std::string line : {"body 7bit",
                                 "body",
                                 "ret",
                                 "ret none",
                                 "ret full\nret hdrs",
                                 "envid ",
                                 "envid",
                                 "envid a\nenvid b",
                                 "requiretls 1",
                                 "priority 0",
                                 "priority 10",
                                 "priority -10",
                                 "priority x",
                                 "priority 1\npriority 1",
                                 "until",
                                 "until x",
                                 "until 1 2",
                                 "until 1\nuntil 1",
                                 "by 1",
                                 "by 1 ",
                                 "by 1 X",
                                 "by 1 RN",
                                 "by x R",
                                 "by 1 R\nby 1 R",
                                 "submitter ",
                                 "submitter a\nsubmitter a",
                                 "notify s",
                                 "orcpt rfc822;a",
                                 "future 1"}) {
    CAPTURE(line);
    CHECK_FALSE(decode_envelope(before + line + "\n" + behind + "\n"));
  }
  for (const std::string line : {"notify ", "notify", "notify x", "notify ss", "notify ns",
                                 "notify s\nnotify f", "orcpt ", "orcpt a\norcpt a", "x"}) {
    CAPTURE(line);
    CHECK_FALSE(decode_envelope(before + behind + line + "\n\n"));
  }
  CHECK_FALSE(outline_envelope(before + "future 1\n" + behind + "\n"));
}

}  // namespace
