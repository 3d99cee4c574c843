// What names must be: HELO, domains of addresses, the client's own; and DNS lists.
#include "policy/name_checks.hpp"

#include <catch2/catch.hpp>

#include "policy/dns_lists.hpp"
#include "policy/keyed_hash.hpp"
#include "policy/relay_access.hpp"

using namespace relais;
using namespace relais::policy;
using config::reverse_dns_check;
using smtp::reply_id;

TEST_CASE("what may be said to HELO") {
  for (const auto* good : {"mail.b.example", "[192.0.2.1]", "[IPv6:2001:db8::1]",
                           "b\xc3\xbc"
                           "cher.test"}) {
    INFO(good);
    CHECK(is_hello_syntax(good));
  }
  for (const auto* bad :
       {"", "localhost", "a_b.test", "192.0.2.1", "2001:db8::1", "[192.0.2.1", "[2001:db8::1]",
        "a b", "-a.test", "a..test", ".test", "a@b.test", "[]", "a/b"}) {
    INFO(bad);
    CHECK_FALSE(is_hello_syntax(bad));
  }
}

TEST_CASE("domains of addresses") {
  using enum looked_up;
  struct row {
    const char* name;
    looked_up mx;
    bool null_mx;
    looked_up v4, v6;
    domain_state state;
  };
  const auto r = GENERATE(values<row>({
      {"an MX record", found, false, no_name, no_name, domain_state::good},
      {"a null MX", found, true, found, found, domain_state::null_mx},
      {"no such name", no_name, false, found, found, domain_state::unknown},
      {"MX fails", failed, false, found, found, domain_state::unresolved},
      {"only an address", no_record, false, found, no_record, domain_state::good},
      {"only an IPv6 address", no_record, false, no_record, found, domain_state::good},
      {"an address of either family is enough", no_record, false, failed, found,
       domain_state::good},
      {"no record at all", no_record, false, no_record, no_record, domain_state::unknown},
      {"no name for addresses", no_record, false, no_name, no_name, domain_state::unknown},
      {"one family fails", no_record, false, no_record, failed, domain_state::unresolved},
  }));
  DYNAMIC_SECTION(r.name) {
    CHECK(judge_domain(r.mx, r.null_mx, r.v4, r.v6) == r.state);
  }
}

TEST_CASE("each fault of a domain has its reply") {
  CHECK_FALSE(refusal_of_sender(domain_state::good));
  CHECK(refusal_of_sender(domain_state::null_mx) == reply_id::sender_null_mx);
  CHECK(refusal_of_sender(domain_state::unknown) == reply_id::sender_domain_unknown);
  CHECK(refusal_of_sender(domain_state::unresolved) == reply_id::sender_domain_unresolved);
  CHECK_FALSE(refusal_of_recipient(domain_state::good));
  CHECK(refusal_of_recipient(domain_state::null_mx) == reply_id::recipient_null_mx);
  CHECK(refusal_of_recipient(domain_state::unknown) == reply_id::recipient_domain_unknown);
  CHECK(refusal_of_recipient(domain_state::unresolved) == reply_id::recipient_domain_unresolved);
}

TEST_CASE("which addresses have a domain to ask for") {
  CHECK(has_domain_in_dns(smtp::parse_address("a@b.test").value()));
  CHECK_FALSE(has_domain_in_dns(smtp::path()));
  CHECK_FALSE(has_domain_in_dns(smtp::parse_address("a@[192.0.2.1]").value()));
  CHECK_FALSE(has_domain_in_dns(smtp::parse_address("postmaster").value()));
}

TEST_CASE("the client's own name") {
  struct row {
    reverse_dns_check check;
    const char *name, *unconfirmed;
    bool failed;
    std::optional<reply_id> refusal;
  };
  const auto r = GENERATE(values<row>({
      {reverse_dns_check::off, "unknown", "", true, {}},
      {reverse_dns_check::name, "h.test", "h.test", false, {}},
      {reverse_dns_check::name, "unknown", "h.test", true, {}},
      {reverse_dns_check::name, "unknown", "", false, reply_id::reverse_dns_failed},
      {reverse_dns_check::name, "unknown", "", true, reply_id::reverse_dns_deferred},
      {reverse_dns_check::confirmed, "h.test", "", false, {}},
      {reverse_dns_check::confirmed, "unknown", "h.test", false, reply_id::reverse_dns_failed},
      {reverse_dns_check::confirmed, "unknown", "h.test", true, reply_id::reverse_dns_deferred},
  }));
  CHECK(refusal_of_client_name(r.check, r.name, r.unconfirmed, r.failed) == r.refusal);
}

namespace {

config::dns_list list(std::string zone, std::int64_t score, std::string answers = "",
                      std::string text = "") {
  config::dns_list l;
  l.zone = std::move(zone);
  l.score = score;
  if (!answers.empty()) l.answers = {ip_network::parse(answers).value()};
  l.text = std::move(text);
  l.place = {"c.yaml", 9};
  return l;
}

}  // namespace

TEST_CASE("DNS lists are asked by the reversed address") {
  CHECK(dns_list_query(list("z.test", 1), *ip_address::parse("192.0.2.1")) == "1.2.0.192.z.test");
  CHECK(dns_list_query(list("z.test", 1), *ip_address::parse("2001:db8::1")) ==
        "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.z.test");
}

TEST_CASE("which answers of a DNS list count") {
  struct row {
    const char *filter, *answer;
    bool counts;
  };
  const auto r = GENERATE(values<row>({
      {"", "127.0.0.2", true},
      {"", "127.9.9.9", true},
      {"", "127.255.255.254", false},  // "you may not ask": says nothing about the client
      {"", "203.0.113.1", false},      // a parked zone answers everything
      {"127.0.0.4/30", "127.0.0.6", true},
      {"127.0.0.4/30", "127.0.0.2", false},
      {"127.255.255.254", "127.255.255.254", true},
  }));
  CAPTURE(r.filter, r.answer);
  CHECK(is_listed(list("z.test", 1, r.filter), {*ip_address::parse(r.answer)}) == r.counts);
  CHECK_FALSE(is_listed(list("z.test", 1, r.filter), {}));
}

TEST_CASE("scores of DNS lists add up, allow lists take away") {
  config::policy_settings s;
  s.dns_lists = {list("block.test", 2), list("worse.test", 3, "", "go, {client}: {zone} {client}"),
                 list("allow.test", -4)};
  s.dns_reject_score = 2;
  const auto client = *ip_address::parse("192.0.2.1");
  const auto text = [&](std::vector<bool> listed) {
    const auto v = judge_dns_lists(s, listed, client);
    return v ? v->text + " [" + v->rule + "]" : "-";
  };
  CHECK(text({false, false, false}) == "-");
  CHECK(text({true, false, false}) ==
        "192.0.2.1 listed by block.test [c.yaml:9: policy.dns_lists block.test, score 2]");
  CHECK(text({true, true, false}) ==
        "go, 192.0.2.1: worse.test 192.0.2.1 [c.yaml:9: policy.dns_lists worse.test, score 5]");
  CHECK(text({true, true, true}) == "-");
  CHECK(text({false, true, true}) == "-");
  s.dns_reject_score = 6;
  CHECK(text({true, true, false}) == "-");
  s.dns_reject_score = 0;
  CHECK(text({false, false, false}) == "-");
}

TEST_CASE("digests are of the list of parts and of the secret") {
  const keyed_hash one(digest{1}), two(digest{2});
  CHECK(one({"a", "bc"}) == one({"a", "bc"}));
  CHECK(one({"a", "bc"}) != one({"ab", "c"}));
  CHECK(one({"a", ""}) != one({"a"}));
  CHECK(one({"a"}) != two({"a"}));
  CHECK(parse_digest(to_hex(one({"a"}))) == one({"a"}));
  CHECK_FALSE(parse_digest("0123"));
}

TEST_CASE("who may relay and which certificates are trusted") {
  config::relay_settings settings;
  settings.trusted_certificates = {"AB:CD:01"};
  settings.domains = {"r.test", ".sub.test"};
  const relay_access access(settings);
  CHECK(access.is_trusted_certificate("abcd01"));
  CHECK(access.is_trusted_certificate("ab:cd:01"));
  CHECK_FALSE(access.is_trusted_certificate("abcd02"));
  CHECK_FALSE(access.is_trusted_certificate(""));

  const auto to = [](std::string_view a) { return smtp::parse_address(a).value(); };
  CHECK(access.may_relay(true, to("x@far.test")));
  for (const auto* good : {"x@r.test", "x@R.TEST", "x@a.sub.test", "postmaster"})
    CHECK(access.may_relay(false, to(good)));
  for (const auto* bad : {"x@far.test", "x@sub.test", "x%r.test@far.test", "\"x@r.test\"@far.test",
                          "r.test!x@far.test", "x@[192.0.2.1]"})
    CHECK_FALSE(access.may_relay(false, to(bad)));
}
