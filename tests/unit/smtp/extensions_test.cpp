// The table of extensions: what EHLO announces when, and each parameter of MAIL and RCPT with its
// lawful and its bad values.
#include "smtp/extensions.hpp"

#include <catch2/catch.hpp>
#include <set>

#include "smtp/parameter_values.hpp"
#include "unit/smtp/wire_rows.hpp"

namespace relais::smtp {
namespace {

constexpr wall_time noon =
    std::chrono::sys_days(std::chrono::year(2026) / 11 / 21) + std::chrono::hours(12);

extension_set all_extensions() {
  extension_set all = extension_set::usual();
  return all.add(extension::future_release).add(extension::xclient).add(extension::xforward);
}

session_facts usual_facts() {
  session_facts facts;
  facts.message_size = 1000;
  facts.recipients = 100;
  facts.hold_seconds = 86400;
  facts.hold_until = noon;
  facts.tls_active = true;
  static constexpr std::array<std::string_view, 1> mechanisms{"PLAIN"};
  facts.mechanisms = mechanisms;
  return facts;
}

string announced(extension_set offered, const session_facts& facts) {
  string lines;
  append_keywords(lines, usable_extensions(offered, facts), facts);
  return lines;
}

TEST_CASE("everything that can be announced") {
  auto facts = usual_facts();
  CHECK(
      announced(all_extensions(), facts) ==
      "PIPELINING\nSIZE 1000\n8BITMIME\nCHUNKING\nBINARYMIME\nSMTPUTF8\nENHANCEDSTATUSCODES\nDSN\n"
      "AUTH PLAIN\nLIMITS RCPTMAX=100\nREQUIRETLS\nFUTURERELEASE 86400 2026-11-21T12:00:00Z\n"
      "MT-PRIORITY\nDELIVERBY\nHELP\nXCLIENT NAME ADDR PORT PROTO HELO LOGIN DESTADDR DESTPORT\n"
      "XFORWARD NAME ADDR PORT PROTO HELO IDENT SOURCE\n");
  CHECK(announced({}, facts).empty());
}

TEST_CASE("announced only where it is usable") {
  auto facts = usual_facts();
  const auto says = [&](const char* word) {
    return ("\n" + announced(all_extensions(), facts)).find("\n" + string(word)) != string::npos;
  };
  CHECK_FALSE(says("STARTTLS\n"));
  CHECK(says("REQUIRETLS\n"));
  facts.tls_active = false;
  CHECK_FALSE(says("STARTTLS\n"));
  CHECK_FALSE(says("REQUIRETLS\n"));
  facts.tls_offered = true;
  CHECK(says("STARTTLS\n"));
  CHECK(says("AUTH PLAIN\n"));
  facts.tls_required = true;
  CHECK_FALSE(says("AUTH"));
  facts.hold_seconds = 0;
  CHECK_FALSE(says("FUTURERELEASE"));
  facts.recipients = 0;
  CHECK_FALSE(says("LIMITS"));
  facts.messages = 7;
  CHECK(says("LIMITS MAILMAX=7\n"));
  facts.message_size = 0;
  CHECK(says("SIZE\n"));
  CHECK(usable_extensions(extension_set::usual().remove(extension::chunking), facts)
            .has(extension::eight_bit_mime));
  CHECK_FALSE(usable_extensions(extension_set::usual().remove(extension::chunking), facts)
                  .has(extension::binary_mime));
}

TEST_CASE("keywords lead back to their extension") {
  std::set<string> keywords;
  for (unsigned i = 0; i < static_cast<unsigned>(extension::count_); ++i) {
    const auto e = static_cast<extension>(i);
    CHECK(find_extension(keyword_of(e)) == e);
    keywords.emplace(keyword_of(e));
  }
  CHECK(keywords.size() == static_cast<std::size_t>(extension::count_));
  CHECK(find_extension("mt-priority") == extension::mt_priority);
  CHECK_FALSE(find_extension("SIZ"));
  CHECK_FALSE(find_extension(""));
}

std::optional<reply_id> mail(std::string_view parameters, mail_parameters& into,
                             extension_set of = all_extensions()) {
  const auto facts = usual_facts();
  return parse_mail_parameters(parameters, usable_extensions(of, facts), facts, into);
}

std::optional<reply_id> rcpt(std::string_view parameters, rcpt_parameters& into,
                             bool smtputf8 = false) {
  return parse_rcpt_parameters(parameters, all_extensions(), smtputf8, into);
}

TEST_CASE("lawful parameters of MAIL") {
  mail_parameters m;
  CHECK_FALSE(mail("", m));
  CHECK_FALSE(
      mail("size=1000 body=8bitmime smtputf8 ret=hdrs envid=QQ+2B1 auth=e+3Dmc2@a.example "
           "requiretls holdfor=86400 mt-priority=-9 by=120;rt",
           m));
  CHECK(m.size == 1000);
  CHECK(m.body == body_type::eight_bit_mime);
  CHECK(m.smtputf8);
  CHECK(m.ret == dsn_return::headers);
  CHECK(m.envelope_id == "QQ+2B1");
  CHECK(m.auth == "e=mc2@a.example");
  CHECK(m.require_tls);
  CHECK(m.hold_for == 86400);
  CHECK(m.priority == -9);
  REQUIRE(m.by);
  CHECK((m.by->seconds == 120 && m.by->is_return && m.by->trace));
  CHECK_FALSE(
      mail("BODY=BINARYMIME RET=FULL AUTH=<> HOLDUNTIL=2026-11-21T12:00:00Z MT-PRIORITY=0 "
           "BY=-5;N ENVID=" +
               string(100, 'x'),
           m));
  CHECK(m.body == body_type::binary_mime);
  CHECK(m.ret == dsn_return::full);
  CHECK(m.auth == "<>");
  CHECK(m.hold_until == noon);
  CHECK_FALSE(m.hold_for);
  CHECK(m.priority == 0);
  CHECK((m.by->seconds == -5 && !m.by->is_return && !m.by->trace));
  CHECK_FALSE(m.require_tls);
  CHECK_FALSE(mail("BY=+999999999;r HOLDFOR=1", m));
  CHECK(m.by->seconds == 999999999);
}

TEST_CASE("bad values of MAIL parameters") {
  mail_parameters m;
  for (const string value : {"SMTPUTF8=1",
                             "RET",
                             "RET=",
                             "RET=ALL",
                             "RET=FULL RET=FULL",
                             "ENVID",
                             "ENVID=+0",
                             "ENVID=+",
                             "ENVID=+zz",
                             "ENVID=+2b",
                             "ENVID=+0D+0A",
                             "ENVID=+FF",
                             "AUTH",
                             "AUTH=+",
                             "AUTH=a@@b",
                             "AUTH=a b",
                             "AUTH=a+0A@b",
                             "REQUIRETLS=yes",
                             "HOLDFOR",
                             "HOLDFOR=",
                             "HOLDFOR=0",
                             "HOLDFOR=01",
                             "HOLDFOR=86401",
                             "HOLDFOR=-1",
                             "HOLDFOR=1234567890",
                             "HOLDFOR=1 HOLDUNTIL=2026-11-21T12:00:00Z",
                             "HOLDUNTIL=2026-11-21T12:00:00Z HOLDFOR=1",
                             "HOLDUNTIL",
                             "HOLDUNTIL=2026-11-21T12:00:01Z",
                             "HOLDUNTIL=2026-11-21T12:00:00+01:00",
                             "HOLDUNTIL=2026-11-21T12:00:00.5Z",
                             "HOLDUNTIL=2026-02-30T12:00:00Z",
                             "HOLDUNTIL=2026-11-21 12:00:00Z",
                             "HOLDUNTIL=2026-11-21T24:00:00Z",
                             "HOLDUNTIL=-026-11-21T12:00:00Z",
                             "HOLDUNTIL=2026-11-21t12:00:00z",
                             "MT-PRIORITY",
                             "MT-PRIORITY=10",
                             "MT-PRIORITY=-10",
                             "MT-PRIORITY=+1",
                             "MT-PRIORITY=-0",
                             "MT-PRIORITY=x",
                             "MT-PRIORITY=--1",
                             "BY",
                             "BY=",
                             "BY=1",
                             "BY=1;",
                             "BY=1;X",
                             "BY=1;RX",
                             "BY=1;RTT",
                             "BY=;R",
                             "BY=0;R",
                             "BY=-1;R",
                             "BY=1234567890;N",
                             "BY=1 ;N",
                             "BY=+-1;N",
                             "BODY=BINARY",
                             "SIZE=1 RET"}) {
    CAPTURE(value);
    CHECK(mail(value, m) == reply_id::bad_parameter_value);
  }
  CHECK(mail("ENVID=" + string(101, 'x'), m) == reply_id::bad_parameter_value);
}

TEST_CASE("parameters that are not announced or not known") {
  mail_parameters m;
  rcpt_parameters r;
  const auto none = extension_set();
  for (const string value :
       {"SIZE=1", "BODY=7BIT", "SMTPUTF8", "RET=FULL", "ENVID=x", "AUTH=<>", "REQUIRETLS",
        "HOLDFOR=1", "HOLDUNTIL=2026-11-21T12:00:00Z", "MT-PRIORITY=1", "BY=1;R"}) {
    CAPTURE(value);
    CHECK_FALSE(mail(value, m));
    CHECK(mail(value, m, none) == reply_id::parameter_not_offered);
    CHECK(rcpt(value, r) == reply_id::unknown_parameter);
  }
  CHECK(mail("BODY=BINARYMIME", m, extension_set::usual().remove(extension::binary_mime)) ==
        reply_id::parameter_not_offered);
  CHECK(parse_rcpt_parameters("NOTIFY=NEVER", none, false, r) == reply_id::parameter_not_offered);
  CHECK(parse_rcpt_parameters("ORCPT=rfc822;a", none, false, r) == reply_id::parameter_not_offered);
  CHECK(mail("NOTIFY=NEVER", m) == reply_id::unknown_parameter);
  CHECK(mail("XYZ", m) == reply_id::unknown_parameter);
  CHECK(mail("X_Y=1", m) == reply_id::bad_parameter_value);
}

TEST_CASE("lawful parameters of RCPT") {
  rcpt_parameters r;
  CHECK_FALSE(rcpt("", r));
  CHECK_FALSE(rcpt("NOTIFY=never ORCPT=rfc822;Bob+40far.test", r));
  CHECK(r.notify == dsn_notify{.never = true});
  CHECK(r.original_recipient == "rfc822;Bob+40far.test");
  CHECK_FALSE(rcpt("notify=success,DELAY,failure", r));
  CHECK(r.notify == dsn_notify{.success = true, .failure = true, .delay = true});
  CHECK(r.original_recipient.empty());
  CHECK_FALSE(rcpt("ORCPT=x400;" + string(495, 'x'), r));
  for (const string address : {"utf-8;a@b", "UTF-8;\\x{E5}@b", "utf-8;\\x{1F600}@b"}) {
    CHECK_FALSE(rcpt("ORCPT=" + address, r));
    CHECK(r.original_recipient == address);
  }
  CHECK_FALSE(rcpt("ORCPT=utf-8;j\xc3\xb6@b", r, true));
}

TEST_CASE("bad values of RCPT parameters") {
  rcpt_parameters r;
  for (const string value : {"NOTIFY",
                             "NOTIFY=",
                             "NOTIFY=x",
                             "NOTIFY=NEVER,SUCCESS",
                             "NOTIFY=SUCCESS,",
                             "NOTIFY=,SUCCESS",
                             "NOTIFY=SUCCESS,NEVER",
                             "NOTIFY=SUCCESS;DELAY",
                             "NOTIFY=DELAY NOTIFY=DELAY",
                             "ORCPT",
                             "ORCPT=",
                             "ORCPT=rfc822",
                             "ORCPT=;a",
                             "ORCPT=rfc822;",
                             "ORCPT=rfc 822;a",
                             "ORCPT=rfc822;a+",
                             "ORCPT=rfc822;+0a",
                             "ORCPT=rfc822;+0D+0A",
                             "ORCPT=rfc822;+E5",
                             "ORCPT=r(c;a",
                             "ORCPT=rfc822;a ORCPT=rfc822;a",
                             "ORCPT=utf-8;j\xc3\xb6@b",
                             "ORCPT=utf-8;\\x{0A}",
                             "ORCPT=utf-8;\\x{7F}",
                             "ORCPT=utf-8;\\x{85}",
                             "ORCPT=utf-8;\\x{D800}",
                             "ORCPT=utf-8;\\x{110000}",
                             "ORCPT=utf-8;\\x{e5}",
                             "ORCPT=utf-8;\\x{E5",
                             "ORCPT=utf-8;\\x{}",
                             "ORCPT=utf-8;\\n",
                             "ORCPT=utf-8;a+41"}) {
    CAPTURE(value);
    CHECK(rcpt(value, r) == reply_id::bad_parameter_value);
  }
  CHECK(rcpt("ORCPT=rfc822;" + string(494, 'x'), r) == reply_id::bad_parameter_value);
  for (const string value :
       {"ORCPT=rfc822;j\xc3\xb6@b", "ORCPT=utf-8;\xff", "ORCPT=utf-8;\xc2\x85"}) {
    CAPTURE(value);
    CHECK(rcpt(value, r, true) == reply_id::bad_parameter_value);
  }
}

TEST_CASE("dates as FUTURERELEASE writes them") {
  for (const auto* text :
       {"1970-01-01T00:00:00Z", "2024-02-29T23:59:59Z", "9999-12-31T00:00:00Z"}) {
    const auto at = parse_date_time(text);
    REQUIRE(at);
    CHECK(date_time_text(*at) == text);
  }
}

TEST_CASE("parameters raise the limit of a command line") {
  session_rules rules;
  rules.options.limits.command_line = 512;
  const string orcpt = " ORCPT=rfc822;" + string(493, 'x');
  const string path =
      "RCPT TO:<c@" + string(60, 'd') + "." + string(60, 'd') + "." + string(60, 'd') + ">";
  const auto line = path + " NOTIFY=SUCCESS,FAILURE,DELAY" + orcpt + "\r\n";
  REQUIRE(line.size() > 700);
  CHECK(run(rules, EHLO + MAIL + line, {300}).sent == greeted + ehlo + mail_ok + rcpt_ok);
  CHECK(run(rules, HELO + MAIL + line, {300}).sent ==
        greeted + helo + "250 Ok\r\n500 Command line too long\r\n");
}

TEST_CASE("internationalized addresses") {
  const string declare = "MAIL FROM:<\xc3\xa5@b> SMTPUTF8\r\n";
  const string must_declare = utf8;
  const string unavailable = "553 5.6.7 Address is not ASCII: SMTPUTF8 is not offered\r\n";
  SECTION("offered") {
    const auto row = GENERATE_COPY(values<sequence_row>({
        {"declared", EHLO + declare + "RCPT TO:<a@\xc3\xa5.dk>\r\n", ehlo + mail_ok + rcpt_ok,
         "hmc"},
        {"sender not declared", EHLO + "MAIL FROM:<\xc3\xa5@b> BODY=8BITMIME\r\n",
         ehlo + must_declare, "h"},
        {"recipient not declared", EHLO + MAIL + "RCPT TO:<\xc3\xa5@b>\r\n" + DATA,
         ehlo + mail_ok + must_declare + nobody, "hm"},
        {"declared for one message only",
         EHLO + declare + RCPT + DATA + ".\r\n" + MAIL + "RCPT TO:<\xc3\xa5@b>\r\n",
         ehlo + mail_ok + rcpt_ok + start + queued + mail_ok + must_declare, "hmctem", "|"},
        {"VRFY", EHLO + "VRFY \xc3\xa5 SMTPUTF8\r\nVRFY \xff SMTPUTF8\r\n", ehlo + vrfy + octets,
         "h"},
        {"HELO clients", HELO + "MAIL FROM:<\xc3\xa5@b> SMTPUTF8\r\n",
         helo + "553 Address is not ASCII: SMTPUTF8 is not offered\r\n", "h"},
    }));
    check_rows({}, row);
  }
  SECTION("not offered") {
    session_rules rules;
    rules.options.extensions.remove(extension::smtputf8);
    check_every_way(
        rules, EHLO + declare + MAIL + "RCPT TO:<\xc3\xa5@b>\r\nVRFY \xc3\xa5\r\n",
        {greeted + without(ehlo, "SMTPUTF8") + unavailable + mail_ok + unavailable + octets, "hm",
         ""});
  }
}

}  // namespace
}  // namespace relais::smtp
