// The table of outcomes: every step and every class of reply, every failure, every fault of DNS.
#include "delivery/classify.hpp"

#include <catch2/catch.hpp>

#include "base/error.hpp"
#include "dns/hosts.hpp"

using namespace relais;
using namespace relais::delivery;
using smtp::client_step;
using smtp::reply;

namespace {

const std::string host = "mx.d[192.0.2.9]";

std::string shown(const verdict& v) {
  static const char* const whats[] = {"delivered", "deferred", "bounced"};
  static const char* const whoms[] = {"none",       "message", "recipient",
                                      "connection", "host",    "destination"};
  return std::string(whats[static_cast<int>(v.what)]) + " " + whoms[static_cast<int>(v.whom)] +
         " " + v.status + (try_next_host(v) ? " next" : "") +
         (v.retry == policy::retry_reason::greylisted     ? " greylisted"
          : v.retry == policy::retry_reason::lost_content ? " lost"
                                                          : "");
}

smtp::recipient_reply answer(client_step step, unsigned code, const std::string& text = "x") {
  return {step, reply(code, {text}), smtp::local_fault::none};
}

constexpr client_step all_steps[] = {
    client_step::connect, client_step::greeting, client_step::hello, client_step::starttls,
    client_step::auth,    client_step::mail,     client_step::rcpt,  client_step::data,
    client_step::content, client_step::quit};

struct row {
  client_step step;
  unsigned code;
  std::string text, verdict;
};

void check_invariants(const verdict& v) {
  const char klass = v.what == outcome::delivered ? '2' : v.what == outcome::bounced ? '5' : '4';
  CHECK(v.status.front() == klass);
  CHECK_FALSE(v.reason.empty());
  CHECK(v.reason.find_first_of("\r\n\x1b") == std::string::npos);
  CHECK(v.remote_replied == !v.diagnostic.empty());
  if (v.what == outcome::delivered) CHECK_FALSE(try_next_host(v));
  if (v.what != outcome::deferred) {
    CHECK_FALSE(concerns_health(v));
    CHECK(v.retry == policy::retry_reason::usual);
  }
  // What blames the message or a recipient says nothing about the destination.
  if (v.whom == blame::message || v.whom == blame::recipient) CHECK_FALSE(concerns_health(v));
  CHECK(v.may_be_delivered == (v.retry == policy::retry_reason::lost_content));
}

}  // namespace

TEST_CASE("a reply in a transaction is classified by its step and its first digit") {
  using enum client_step;
  const auto r = GENERATE(values<row>({
      {content, 250, "2.0.0 Ok: queued as 99", "delivered none 2.0.0"},
      {content, 250, "2.6.0 fine", "delivered none 2.6.0"},
      {content, 250, "fine", "delivered none 2.0.0"},
      {content, 250, "5.1.1 odd", "delivered none 2.0.0"},
      {content, 299, "odd", "delivered none 2.0.0"},
      {content, 354, "go", "deferred connection 4.5.0 next"},
      {content, 450, "4.7.1 later", "deferred message 4.7.1 greylisted"},
      {content, 250, "4.4.1 odd", "delivered none 2.0.0"},
      {content, 199, "odd", "deferred connection 4.5.0 next"},
      {content, 650, "odd", "deferred connection 4.5.0 next"},
      {content, 452, "4.2.2 full", "deferred message 4.2.2"},
      {content, 552, "too big", "bounced message 5.3.4"},
      {content, 552, "5.2.2 full", "bounced message 5.2.2"},
      {content, 421, "4.3.2 bye", "deferred host 4.3.2 next"},
      {content, 550, "5.7.1 spam", "bounced message 5.7.1"},
      {content, 552, "5.3.4 too big", "bounced message 5.3.4"},
      {content, 554, "no", "bounced message 5.0.0"},
      {data, 250, "odd", "deferred connection 4.5.0 next"},
      {data, 354, "odd", "deferred connection 4.5.0 next"},
      {data, 421, "bye", "deferred host 4.0.0 next"},
      {data, 451, "4.3.0 later", "deferred message 4.3.0"},
      {data, 451, "4.7.1 Greylisting in action", "deferred message 4.7.1 greylisted"},
      {data, 480, "odd", "deferred message 4.0.0"},
      {data, 552, "too big", "bounced message 5.3.4"},
      {data, 554, "5.5.1 no", "bounced message 5.5.1"},
      {rcpt, 250, "odd", "deferred connection 4.5.0 next"},
      {rcpt, 354, "odd", "deferred connection 4.5.0 next"},
      {rcpt, 421, "bye", "deferred host 4.0.0 next"},
      {rcpt, 450, "4.2.1 later", "deferred recipient 4.2.1"},
      {rcpt, 452, "4.5.3 too many", "deferred recipient 4.5.3"},
      {rcpt, 450, "5.1.1 classes differ", "deferred recipient 4.0.0"},
      {rcpt, 550, "5.1.1 unknown", "bounced recipient 5.1.1"},
      {rcpt, 550, "4.1.1 classes differ", "bounced recipient 5.0.0"},
      {rcpt, 552, "too many", "deferred recipient 4.5.3"},
      {rcpt, 552, "5.5.3 too many", "deferred recipient 4.5.3"},
      {rcpt, 552, "5.2.2 full", "bounced recipient 5.2.2"},
      {rcpt, 452, "4.2.2 full", "deferred recipient 4.2.2"},
      {rcpt, 450, "4.7.1 try again", "deferred recipient 4.7.1 greylisted"},
      {rcpt, 451, "4.7.1 try again", "deferred recipient 4.7.1 greylisted"},
      {rcpt, 451, "You are graylisted", "deferred recipient 4.0.0 greylisted"},
      {rcpt, 452, "4.7.1 not the code for it", "deferred recipient 4.7.1"},
      {rcpt, 421, "4.7.1 greylisted", "deferred host 4.7.1 next"},
      {rcpt, 530, "5.7.0 login first", "deferred host 4.7.0 next"},
      {rcpt, 599, "odd", "bounced recipient 5.0.0"},
      {mail, 250, "odd", "deferred connection 4.5.0 next"},
      {mail, 354, "odd", "deferred connection 4.5.0 next"},
      {mail, 421, "4.7.0 bye", "deferred host 4.7.0 next"},
      {mail, 451, "4.1.8 later", "deferred message 4.1.8"},
      {mail, 550, "5.7.1 no", "bounced message 5.7.1"},
      {mail, 552, "5.3.4 too big", "bounced message 5.3.4"},
      {mail, 552, "too big", "bounced message 5.3.4"},
      {mail, 552, "4.3.4 classes differ", "bounced message 5.3.4"},
      {mail, 530, "5.7.0 STARTTLS first", "deferred host 4.7.0 next"},
  }));
  DYNAMIC_SECTION(smtp::to_text(r.step) << " " << r.code << " " << r.text) {
    const auto v = classify(answer(r.step, r.code, r.text), host);
    CHECK(shown(v) == r.verdict);
    CHECK(v.remote_replied);
    CHECK(v.diagnostic == std::to_string(r.code) + " " + r.text);
    check_invariants(v);
  }
}

TEST_CASE("classification is total: every step, every code, replied or not") {
  for (const auto step : all_steps) {
    for (unsigned code = 100; code < 1000; ++code) {
      const auto v = classify(answer(step, code, "a\r\n\x1b[2J"), host);
      check_invariants(v);
      // Nothing but 2xx to the final dot delivers; nothing but 5xx in a transaction bounces.
      CHECK((v.what == outcome::delivered) == (step == client_step::content && code / 100 == 2));
      const bool in_transaction = step >= client_step::mail && step <= client_step::content;
      const bool bounces = in_transaction && code / 100 == 5 && code != 530 &&
                           !(step == client_step::rcpt && code == 552);
      CHECK((v.what == outcome::bounced) == bounces);
      const auto f = classify(smtp::client_failure{step, {}, reply(code, {"a"}), {}}, host);
      check_invariants(f);
      CHECK(f.what == outcome::deferred);
    }
    check_invariants(classify(smtp::recipient_reply{step, {}, smtp::local_fault::none}, host));
    for (int error = 0; error <= static_cast<int>(errc::out_of_memory_budget); ++error) {
      for (const auto note : {"", "note"}) {
        const error_code code(error, relais_category());
        const auto f = classify(smtp::client_failure{step, code, {}, note}, host);
        check_invariants(f);
        CHECK(f.what == outcome::deferred);
        CHECK(try_next_host(f));
      }
    }
  }
}

namespace {

/// A transaction that is over: what each recipient was told, as "RCPT 552 too many".
struct transaction_row {
  std::string name;
  std::vector<smtp::recipient_reply> answers;
  std::vector<std::string> verdicts;
};

std::vector<std::string> shown(const std::vector<verdict>& verdicts) {
  std::vector<std::string> all;
  for (const auto& v : verdicts) all.push_back(shown(v));
  return all;
}

}  // namespace

TEST_CASE("what a refusal means can depend on the other recipients") {
  using enum client_step;
  const auto r = GENERATE(values<transaction_row>({
      {"552 behind accepted ones: too many",
       {answer(content, 250, "ok"), answer(rcpt, 552, "too many"), answer(rcpt, 552, "5.5.3 x")},
       {"delivered none 2.0.0", "deferred recipient 4.5.3", "deferred recipient 4.5.3"}},
      {"early 552 with nobody accepted: this mailbox",
       {answer(rcpt, 552, "quota"), answer(rcpt, 550, "5.1.1 x")},
       {"bounced recipient 5.2.2", "bounced recipient 5.1.1"}},
      {"552 that says more is believed",
       {answer(content, 250, "ok"), answer(rcpt, 552, "5.2.2 full")},
       {"delivered none 2.0.0", "bounced recipient 5.2.2"}},
      {"552 where the accepted were refused later",
       {answer(data, 451, "4.3.0 x"), answer(rcpt, 552, "too many")},
       {"deferred message 4.3.0", "deferred recipient 4.5.3"}},
      {"LMTP: each recipient its own end of data",
       {answer(content, 250, "2.1.5 ok"), answer(content, 452, "4.2.2 full"),
        answer(content, 550, "5.1.1 gone"), answer(rcpt, 550, "5.1.1 unknown")},
       {"delivered none 2.1.5", "deferred message 4.2.2", "bounced message 5.1.1",
        "bounced recipient 5.1.1"}},
      {"LMTP: cut off between the replies",
       {answer(content, 250, "2.1.5 ok"), {content, {}, {}}},
       {"delivered none 2.1.5", "deferred connection 4.4.2 lost"}},
      {"a server that lies",
       {answer(content, 354, "go"), answer(rcpt, 250, "?"), answer(mail, 354, "?")},
       {"deferred connection 4.5.0 next", "deferred connection 4.5.0 next",
        "deferred connection 4.5.0 next"}},
      {"nothing was tried", {}, {}},
  }));
  DYNAMIC_SECTION(r.name) {
    smtp::transaction over;
    over.results = r.answers;
    const auto verdicts = classify(over, host);
    CHECK(shown(verdicts) == r.verdicts);
    for (const auto& v : verdicts) check_invariants(v);
  }
}

TEST_CASE("SMTPUTF8 is missed for an address or for the header") {
  smtp::envelope e(smtp::parse_address("a@b.example").value(),
                   {smtp::parse_address("c@d.example").value(),
                    smtp::parse_address("\xc3\xb6@d.example").value()});
  smtp::transaction over;
  over.message = &e;
  over.recipients = {0, 1};
  const smtp::recipient_reply lacking{
      client_step::mail, {}, smtp::local_fault::smtputf8_not_offered};
  over.results = {lacking, lacking};
  CHECK(shown(classify(over, host)) ==
        std::vector<std::string>{"bounced host 5.6.9 next", "bounced host 5.6.7 next"});
  e.reverse_path = smtp::parse_address("\xc3\xb6@b.example").value();
  CHECK(classify(over, host)[0].status == "5.6.7");
}

TEST_CASE("a destination whose hosts all refuse for good is given up where that is wanted") {
  const auto refused = [](client_step step, unsigned code, const std::string& text) {
    return classify(smtp::client_failure{step, {}, reply(code, {text}), {}}, host);
  };
  const auto v = refused(client_step::greeting, 554, "5.7.1 we do not want you");
  CHECK(shown(v) == "deferred host 4.7.1 next");
  CHECK(v.refuses_for_good);
  CHECK(shown(refused_by_all(v)) == "bounced host 5.7.1 next");
  CHECK(shown(refused_by_all(refused(client_step::greeting, 521, "no"))) ==
        "bounced host 5.0.0 next");
  for (const auto& other :
       {refused(client_step::greeting, 421, "x"), refused(client_step::greeting, 450, "x"),
        refused(client_step::hello, 550, "x"), refused(client_step::auth, 535, "x"),
        refused(client_step::starttls, 502, "x"), connect_failed(errc::timeout, host)}) {
    CHECK_FALSE(other.refuses_for_good);
    CHECK(refused_by_all(other).what == outcome::deferred);
  }
}

TEST_CASE("the health of a destination is a matter of hosts and connections") {
  using enum client_step;
  CHECK(concerns_health(connect_failed(errc::timeout, host)));
  CHECK(concerns_health(classify(answer(rcpt, 421, "x"), host)));
  CHECK(concerns_health(classify(smtp::recipient_reply{content, {}, {}}, host)));
  CHECK(concerns_health(classify(dns::host_fault::temporary, "x")));
  CHECK_FALSE(concerns_health(classify(answer(rcpt, 450, "x"), host)));
  CHECK_FALSE(concerns_health(classify(answer(content, 451, "x"), host)));
  CHECK_FALSE(concerns_health(
      classify(smtp::recipient_reply{mail, {}, smtp::local_fault::size_exceeds_limit}, host)));
  CHECK_FALSE(concerns_health(classify(dns::host_fault::null_mx, "x")));
}

TEST_CASE("reasons are lines that postmasters know") {
  using enum client_step;
  CHECK(classify(answer(content, 250, "2.0.0 Ok: queued as 99"), host).reason ==
        "250 2.0.0 Ok: queued as 99");
  CHECK(classify(answer(rcpt, 450, "4.7.1 greylisted"), host).reason ==
        "host mx.d[192.0.2.9] said: 450 4.7.1 greylisted (in reply to RCPT TO command)");
  CHECK(classify(answer(content, 554, "no"), host).reason ==
        "host mx.d[192.0.2.9] said: 554 no (in reply to end of DATA command)");
  CHECK(connect_failed(errc::connection_failed, "mx.d[192.0.2.9]:25").reason ==
        "connect to mx.d[192.0.2.9]:25: connection failed");
  CHECK(connect_failed({ECONNREFUSED, boost::system::system_category()}, "mx.d[192.0.2.9]:25")
            .reason == "connect to mx.d[192.0.2.9]:25: Connection refused");
  CHECK(shown(connect_failed(errc::timeout, host)) == "deferred connection 4.4.1 next");
}

TEST_CASE("a reply lost behind the final dot is deferred, and no other host is tried at once") {
  const auto v = classify(smtp::recipient_reply{client_step::content, {}, {}}, host);
  CHECK(shown(v) == "deferred connection 4.4.2 lost");
  CHECK(v.may_be_delivered);
  CHECK(
      v.reason ==
      "lost connection with mx.d[192.0.2.9] while sending end of data -- message may be sent more "
      "than once");
  CHECK_FALSE(v.remote_replied);
}

TEST_CASE("a reply lost earlier is deferred, and the next host is tried") {
  const auto v = classify(smtp::recipient_reply{client_step::rcpt, {}, {}}, host);
  CHECK(shown(v) == "deferred connection 4.4.2 next");
  CHECK(v.reason == "lost connection with mx.d[192.0.2.9] while sending RCPT TO");
}

TEST_CASE("what the next hop cannot take bounces, unless another host can") {
  using enum smtp::local_fault;
  struct fault_row {
    smtp::local_fault fault;
    std::string verdict, reason;
  };
  const auto r = GENERATE(values<fault_row>({
      {size_exceeds_limit, "bounced host 5.3.4 next",
       "message size exceeds the size limit stated by host mx.d[192.0.2.9]"},
      {smtputf8_not_offered, "bounced host 5.6.7 next",
       "an address or the header needs SMTPUTF8, but it was not offered by host mx.d[192.0.2.9]"},
      {eight_bit_not_offered, "bounced host 5.6.3 next",
       "the content is 8-bit and is not to be converted, but 8BITMIME was not offered by host "
       "mx.d[192.0.2.9]"},
      {binary_not_offered, "bounced host 5.6.3 next",
       "the content is binary, but BINARYMIME was not offered by host mx.d[192.0.2.9]"},
      {require_tls_not_met, "bounced host 5.7.30 next",
       "the sender requires TLS with a verified host that offers REQUIRETLS, unlike host "
       "mx.d[192.0.2.9]"},
      {deliver_by_not_offered, "bounced host 5.3.3 next",
       "a delivery in time, which the sender requires, is not promised by host mx.d[192.0.2.9]"},
      {deliver_by_over, "bounced message 5.4.7",
       "the time within which the sender wanted it delivered is over"},
  }));
  DYNAMIC_SECTION(r.reason) {
    const auto v = classify(smtp::recipient_reply{client_step::mail, {}, r.fault}, host);
    CHECK(shown(v) == r.verdict);
    CHECK(v.reason == r.reason);
    check_invariants(v);
  }
}

TEST_CASE("a session that cannot be set up is deferred, whatever the host says") {
  using enum client_step;
  const auto refused = GENERATE(values<row>({
      {greeting, 554, "5.3.2 no", "deferred host 4.3.2 next"},
      {greeting, 421, "busy", "deferred host 4.0.0 next"},
      {greeting, 450, "4.7.1 later", "deferred host 4.7.1 next"},
      {greeting, 250, "odd", "deferred connection 4.5.0 next"},
      {hello, 550, "no", "deferred host 4.0.0 next"},
      {hello, 421, "no", "deferred host 4.0.0 next"},
      {starttls, 454, "4.7.0 no", "deferred host 4.7.4 next"},
      {starttls, 502, "no", "deferred host 4.7.4 next"},
      {auth, 535, "5.7.8 bad", "deferred host 4.7.0 next"},
      {auth, 454, "4.7.0 later", "deferred host 4.7.0 next"},
      {mail, 421, "4.3.2 bye", "deferred host 4.3.2 next"},
  }));
  DYNAMIC_SECTION(smtp::to_text(refused.step) << " " << refused.code) {
    const smtp::client_failure f{refused.step, {}, reply(refused.code, {refused.text}), {}};
    CHECK(shown(classify(f, host)) == refused.verdict);
    CHECK(classify(f, host).remote_replied);
  }
}

TEST_CASE("a session that broke without a reply says how") {
  struct failure_row {
    client_step step;
    errc error;
    std::string note, verdict, reason;
  };
  using enum client_step;
  const auto r = GENERATE(values<failure_row>({
      {greeting, errc::timeout, "", "deferred connection 4.4.2 next",
       "conversation with mx.d[192.0.2.9] timed out while receiving the initial server greeting"},
      {hello, errc::peer_closed, "", "deferred connection 4.4.2 next",
       "lost connection with mx.d[192.0.2.9] while performing the EHLO handshake"},
      {hello, errc::protocol_error, "a line that is no reply", "deferred host 4.5.0 next",
       "host mx.d[192.0.2.9] broke the protocol while performing the EHLO handshake: a line that "
       "is "
       "no reply"},
      {starttls, errc::tls_failed, "STARTTLS is not offered", "deferred host 4.7.4 next",
       "cannot start TLS with host mx.d[192.0.2.9]: STARTTLS is not offered"},
      {starttls, errc::tls_failed, "", "deferred host 4.7.5 next",
       "cannot start TLS with host mx.d[192.0.2.9]: TLS failure"},
      {auth, errc::tls_failed, "a login needs TLS", "deferred host 4.7.0 next",
       "authentication with host mx.d[192.0.2.9] is not possible: a login needs TLS"},
      {auth, errc::protocol_error, "x", "deferred host 4.7.0 next",
       "host mx.d[192.0.2.9] broke the protocol while sending AUTH: x"},
      {connect, errc::timeout, "", "deferred connection 4.4.1 next",
       "connect to mx.d[192.0.2.9]: timed out"},
      {mail, errc::connection_failed, "", "deferred connection 4.4.2 next",
       "lost connection with mx.d[192.0.2.9] while sending MAIL FROM"},
  }));
  DYNAMIC_SECTION(r.reason) {
    const auto v = classify(smtp::client_failure{r.step, r.error, {}, r.note}, host);
    CHECK(shown(v) == r.verdict);
    CHECK(v.reason == r.reason);
  }
}

TEST_CASE("only a definite no of DNS is permanent") {
  using dns::host_fault;
  CHECK(shown(classify(host_fault::no_such_domain, "x")) == "bounced destination 5.1.2");
  CHECK(shown(classify(host_fault::no_mail_host, "x")) == "bounced destination 5.4.4");
  CHECK(shown(classify(host_fault::null_mx, "x")) == "bounced destination 5.1.10");
  CHECK(shown(classify(host_fault::loops_to_self, "x")) == "bounced destination 5.4.6");
  CHECK(shown(classify(host_fault::forbidden_address, "x")) == "bounced destination 5.4.4");
  CHECK(shown(classify(host_fault::temporary, "x")) == "deferred destination 4.4.3");
  CHECK(shown(classify(host_fault::none, "x")) == "deferred destination 4.4.0");
  CHECK(classify(host_fault::temporary, "SERVFAIL\nfor d").reason == "SERVFAIL\\x0afor d");
}
