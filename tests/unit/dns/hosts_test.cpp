// From a domain to the addresses to try: RFC 5321 5.1 and RFC 7505 against a scripted zone.
#include "dns/hosts.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <set>

#include "base/error.hpp"
#include "net/runtime.hpp"
#include "run_task.hpp"
#include "support/fake_resolver.hpp"

using namespace relais;
using namespace relais::dns;
using relais::testing::dns_failure;
using relais::testing::fake_resolver;
using relais::testing::run_task;

namespace {

using records = std::vector<mx_record>;

std::vector<ip_address> ips(std::initializer_list<const char*> texts) {
  std::vector<ip_address> list;
  for (const auto* text : texts) list.push_back(ip_address::parse(text).value());
  return list;
}

struct world {
  net::asio::io_context io;
  fake_resolver dns;
  host_options options;
  seeded_random rng{1};

  world() {
    options.own_name = "us.test";
    options.is_own_address = [](const ip_address& a) { return a.text() == "198.51.100.1"; };
    options.is_allowed = [](const ip_address& a) { return !a.is_special(); };
  }
  host_list mail(const std::string& domain) {
    return run_task(io, mail_hosts(dns, domain, options, rng));
  }
  host_list plain(const std::string& name) { return run_task(io, plain_hosts(dns, name, options)); }
};

/// "10 mx.test[192.0.2.1] ..." or the reason.
std::string text_of(const host_list& list) {
  if (list.hosts.empty()) return list.reason;
  std::string all;
  for (const auto& h : list.hosts) {
    all += (all.empty() ? "" : " ") + std::to_string(h.preference) + ':' + h.name + '[' +
           h.address.text() + ']';
  }
  return all;
}

struct row {
  std::string name, domain;
  std::function<void(fake_resolver&)> zone;
  host_fault fault;
  std::string text;
};

std::vector<row> mail_rows() {
  using fake = fake_resolver;
  const auto none = host_fault::none;
  return {
      {"by preference, families interleaved", "d.test",
       [](fake& z) {
         z.add_mx("d.test", 20, "b.test");
         z.add_mx("d.test", 10, "a.test");
         z.add_address("a.test", "192.0.2.1");
         z.add_address("a.test", "192.0.2.2");
         z.add_address("a.test", "2001:db8:1::1");
         z.add_address("b.test", "192.0.2.3");
       },
       none,
       "10:a.test[2001:db8:1::1] 10:a.test[192.0.2.1] 10:a.test[192.0.2.2] 20:b.test[192.0.2.3]"},
      {"implicit MX", "D.test.", [](fake& z) { z.add_address("d.test", "192.0.2.1"); }, none,
       "0:d.test[192.0.2.1]"},
      {"an internationalised domain without MX", "b\xc3\xbc.test",
       [](fake& z) {
         z.zone["b\xc3\xbc.test"] = {};
         z.add_address("xn--b-eha.test", "192.0.2.1");
       },
       none, "0:xn--b-eha.test[192.0.2.1]"},
      {"no such domain", "d.test", [](fake&) {}, host_fault::no_such_domain,
       "domain d.test does not exist"},
      {"neither MX nor address", "d.test", [](fake& z) { z.zone["d.test"] = {}; },
       host_fault::no_mail_host, "host d.test has no address"},
      {"null MX", "d.test",
       [](fake& z) {
         z.add_mx("d.test", 0, "");
         z.add_address("d.test", "192.0.2.1");
       },
       host_fault::null_mx, "domain d.test does not accept mail (null MX)"},
      {"a null MX among others means nothing", "d.test",
       [](fake& z) {
         z.add_mx("d.test", 0, "");
         z.add_mx("d.test", 5, "a.test");
         z.add_address("a.test", "192.0.2.1");
       },
       none, "5:a.test[192.0.2.1]"},
      {"the MX look-up fails for now: no implicit MX", "d.test",
       [](fake& z) {
         z.add_address("d.test", "192.0.2.1");
         z.zone["d.test"].mx_question = dns_failure::servfail;
       },
       host_fault::temporary, "mail hosts of d.test could not be looked up"},
      {"MX present but unusable: no implicit MX", "d.test",
       [](fake& z) {
         z.add_mx("d.test", 5, "gone.test");
         z.add_address("d.test", "192.0.2.1");
       },
       host_fault::no_mail_host, "no mail host of d.test has an address: gone.test"},
      {"one exchange does not resolve", "d.test",
       [](fake& z) {
         z.add_mx("d.test", 5, "gone.test");
         z.add_mx("d.test", 6, "a.test");
         z.add_address("a.test", "192.0.2.1");
       },
       none, "6:a.test[192.0.2.1]"},
      {"one exchange fails for now, another is there", "d.test",
       [](fake& z) {
         z.add_mx("d.test", 5, "slow.test");
         z.fail("slow.test", dns_failure::timeout);
         z.add_mx("d.test", 6, "a.test");
         z.add_address("a.test", "192.0.2.1");
       },
       none, "6:a.test[192.0.2.1]"},
      {"one exchange fails for now, the other for ever", "d.test",
       [](fake& z) {
         z.add_mx("d.test", 5, "gone.test");
         z.add_mx("d.test", 6, "slow.test");
         z.fail("slow.test", dns_failure::timeout);
       },
       host_fault::temporary, "addresses of slow.test could not be looked up"},
      {"one family fails for now, the other is there", "d.test",
       [](fake& z) {
         z.add_address("d.test", "192.0.2.1");
         z.zone["d.test"].aaaa_question = dns_failure::servfail;
       },
       none, "0:d.test[192.0.2.1]"},
      {"one family fails for now, the other is not there", "d.test",
       [](fake& z) { z.zone["d.test"].aaaa_question = dns_failure::servfail; },
       host_fault::temporary, "addresses of d.test could not be looked up"},
      {"an address where a name belongs", "d.test",
       [](fake& z) {
         z.add_mx("d.test", 5, "192.0.2.7");
         z.add_address("192.0.2.7", "192.0.2.7");
       },
       host_fault::no_mail_host, "no mail host of d.test has an address: 192.0.2.7"},
      {"an exchange that is an alias", "d.test",
       [](fake& z) {
         z.add_mx("d.test", 5, "alias.test");
         z.add_alias("alias.test", "a.test");
         z.add_address("a.test", "192.0.2.1");
       },
       none, "5:alias.test[192.0.2.1]"},
      {"a domain that is an alias", "d.test",
       [](fake& z) {
         z.add_alias("d.test", "e.test");
         z.add_mx("e.test", 5, "a.test");
         z.add_address("a.test", "192.0.2.1");
       },
       none, "5:a.test[192.0.2.1]"},
      {"we are the best mail host by name", "d.test",
       [](fake& z) {
         z.add_mx("d.test", 5, "us.test");
         z.add_mx("d.test", 6, "a.test");
         z.add_address("a.test", "192.0.2.1");
       },
       host_fault::loops_to_self,
       "mail for d.test loops back to this host: us.test is its best mail host"},
      {"we are a backup by name", "d.test",
       [](fake& z) {
         z.add_mx("d.test", 5, "a.test");
         z.add_mx("d.test", 6, "US.test");
         z.add_mx("d.test", 6, "equal.test");
         z.add_mx("d.test", 7, "worse.test");
         for (const auto* name : {"a.test", "equal.test", "worse.test"})
           z.add_address(name, "192.0.2.1");
       },
       none, "5:a.test[192.0.2.1]"},
      {"we are a backup by address", "d.test",
       [](fake& z) {
         z.add_mx("d.test", 5, "a.test");
         z.add_address("a.test", "192.0.2.1");
         z.add_mx("d.test", 6, "other-name.test");
         z.add_address("other-name.test", "198.51.100.1");
         z.add_mx("d.test", 7, "worse.test");
         z.add_address("worse.test", "192.0.2.3");
       },
       none, "5:a.test[192.0.2.1]"},
      {"we are the best mail host by address", "d.test",
       [](fake& z) {
         z.add_mx("d.test", 5, "other-name.test");
         z.add_address("other-name.test", "192.0.2.9");
         z.add_address("other-name.test", "198.51.100.1");
         z.add_mx("d.test", 7, "worse.test");
         z.add_address("worse.test", "192.0.2.3");
       },
       host_fault::loops_to_self,
       "mail for d.test loops back to this host: other-name.test[198.51.100.1]"},
      {"a better host that fails for now is waited for, before us", "d.test",
       [](fake& z) {
         z.add_mx("d.test", 5, "slow.test");
         z.fail("slow.test", dns_failure::timeout);
         z.add_mx("d.test", 6, "other-name.test");
         z.add_address("other-name.test", "198.51.100.1");
       },
       host_fault::temporary, "addresses of slow.test could not be looked up"},
      {"the domain is ourselves, without MX", "us.test",
       [](fake& z) { z.add_address("us.test", "192.0.2.1"); }, host_fault::loops_to_self,
       "mail for us.test loops back to this host: us.test is its best mail host"},
      {"forbidden addresses are left out", "d.test",
       [](fake& z) {
         z.add_address("d.test", "127.0.0.1");
         z.add_address("d.test", "192.0.2.1");
       },
       none, "0:d.test[192.0.2.1]"},
      {"only forbidden addresses", "d.test",
       [](fake& z) {
         z.add_mx("d.test", 5, "a.test");
         z.add_address("a.test", "10.0.0.1");
         z.add_address("a.test", "::1");
       },
       host_fault::forbidden_address,
       "mail for d.test leads to an address that is not allowed: a.test[::1], a.test[10.0.0.1]"},
      {"one address by two names", "d.test",
       [](fake& z) {
         z.add_mx("d.test", 5, "a.test");
         z.add_mx("d.test", 6, "b.test");
         z.add_address("a.test", "192.0.2.1");
         z.add_address("b.test", "192.0.2.1");
       },
       none, "5:a.test[192.0.2.1]"},
      {"an IPv4 literal", "[192.0.2.1]", [](fake&) {}, none, "0:192.0.2.1[192.0.2.1]"},
      {"an IPv6 literal", "[IPv6:2001:db8::1]", [](fake&) {}, none, "0:2001:db8::1[2001:db8::1]"},
      {"an IPv4 address with the IPv6 tag", "[IPv6:192.0.2.1]", [](fake&) {},
       host_fault::no_such_domain, "[IPv6:192.0.2.1] is no address literal"},
      {"no literal", "[mail\r\n]", [](fake&) {}, host_fault::no_such_domain,
       "[mail\\x0d\\x0a] is no address literal"},
      {"an unclosed literal", "[192.0.2.1", [](fake&) {}, host_fault::no_such_domain,
       "[192.0.2.1 is no address literal"},
      {"a forbidden literal", "[127.0.0.1]", [](fake&) {}, host_fault::forbidden_address,
       "address [127.0.0.1] is not allowed"},
      {"our own literal", "[198.51.100.1]", [](fake&) {}, host_fault::loops_to_self,
       "mail for [198.51.100.1] loops back to this host"},
  };
}

}  // namespace

TEST_CASE("the mail hosts of a domain", "[dns]") {
  for (const auto& r : mail_rows()) {
    DYNAMIC_SECTION(r.name) {
      world w;
      r.zone(w.dns);
      const auto list = w.mail(r.domain);
      CHECK(list.fault == r.fault);
      CHECK(list.hosts.empty() == (r.fault != host_fault::none));
      CHECK(text_of(list) == r.text);
    }
  }
}

TEST_CASE("an equal host that is ourselves excludes its equals in every order", "[dns]") {
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    world w;
    w.rng = seeded_random(seed);
    w.dns.add_mx("d.test", 5, "a.test");
    w.dns.add_mx("d.test", 5, "other-name.test");
    w.dns.add_mx("d.test", 5, "slow.test");
    w.dns.add_address("a.test", "192.0.2.1");
    w.dns.add_address("other-name.test", "198.51.100.1");
    w.dns.fail("slow.test", dns_failure::timeout);
    CHECK(w.mail("d.test").fault == host_fault::loops_to_self);
  }
}

TEST_CASE("a domain that is no host name is refused, not deferred", "[dns]") {
  world w;
  struct refusing final : resolver {
    net::task<result<answer<mx_record>>> mx(std::string) override { co_return errc::syntax; }
    net::task<result<answer<ip_address>>> addresses(std::string, family) override {
      co_return errc::syntax;
    }
    net::task<result<answer<std::string>>> names(ip_address) override { co_return errc::no_data; }
  } refuses;
  const auto list = run_task(w.io, mail_hosts(refuses, "a b\n", w.options, w.rng));
  CHECK(list.fault == host_fault::no_such_domain);
  CHECK(list.reason == "a b\\x0a is no domain name");
}

TEST_CASE("limits of look-ups and of hosts", "[dns]") {
  world w;
  w.options.maximum_exchanges = 4;
  w.options.maximum_hosts = 3;
  for (std::uint16_t i = 1; i <= 9; ++i) {
    const auto name = "mx" + std::to_string(i) + ".test";
    w.dns.add_mx("d.test", i, name);
    if (i > 1) w.dns.add_address(name, "192.0.2." + std::to_string(i));
  }
  CHECK(text_of(w.mail("d.test")) ==
        "2:mx2.test[192.0.2.2] 3:mx3.test[192.0.2.3] 4:mx4.test[192.0.2.4]");
  CHECK(w.dns.asked.size() == 1 + 2 * 4);
  w.dns.asked.clear();
  w.options.maximum_hosts = 1;
  CHECK(text_of(w.mail("d.test")) == "2:mx2.test[192.0.2.2]");
  CHECK(w.dns.asked.size() == 1 + 2 * 4);
  // The one host that was looked at has no address: the others may have.
  w.options.maximum_exchanges = 1;
  CHECK(w.mail("d.test").fault == host_fault::temporary);
}

TEST_CASE("a family that is switched off is not asked for", "[dns]") {
  world w;
  w.options.ipv6 = false;
  w.dns.add_address("d.test", "192.0.2.1");
  w.dns.add_address("d.test", "2001:db8::1");
  CHECK(text_of(w.mail("d.test")) == "0:d.test[192.0.2.1]");
  CHECK(w.dns.asked == std::vector<std::string>{"MX d.test", "A d.test"});
  CHECK(w.mail("[IPv6:2001:db8::1]").fault == host_fault::no_mail_host);
}

TEST_CASE("plain hosts: no MX, nothing forbidden", "[dns]") {
  struct row {
    std::string name, asked;
    host_fault fault;
    std::string text;
  };
  const auto r = GENERATE(values<row>({
      {"a name", "relay.test", host_fault::none, "0:relay.test[10.0.0.9]"},
      {"a name in brackets", "[Relay.test]", host_fault::none, "0:relay.test[10.0.0.9]"},
      {"our own name", "us.test", host_fault::none, "0:us.test[127.0.0.1]"},
      {"a bare address", "127.0.0.1", host_fault::none, "0:127.0.0.1[127.0.0.1]"},
      {"a bare IPv6 address", "::1", host_fault::none, "0:::1[::1]"},
      {"a literal", "[10.1.1.1]", host_fault::none, "0:10.1.1.1[10.1.1.1]"},
      {"an IPv6 literal", "[IPv6:::1]", host_fault::none, "0:::1[::1]"},
      {"an IPv6 address in brackets", "[::1]", host_fault::none, "0:::1[::1]"},
      {"ourselves at that port", "198.51.100.1", host_fault::loops_to_self,
       "mail for [198.51.100.1] loops back to this host"},
      {"no such name", "none.test", host_fault::no_mail_host, "host none.test has no address"},
      {"fails for now", "slow.test", host_fault::temporary,
       "addresses of slow.test could not be looked up"},
      {"no host name", "a b", host_fault::no_such_domain, "a b is no host name"},
      {"empty brackets", "[]", host_fault::no_such_domain, " is no host name"},
  }));
  DYNAMIC_SECTION(r.name) {
    world w;
    w.dns.add_mx("relay.test", 5, "elsewhere.test");
    w.dns.add_address("relay.test", "10.0.0.9");
    w.dns.add_address("us.test", "127.0.0.1");
    w.dns.fail("slow.test", dns_failure::servfail);
    const auto list = w.plain(r.asked);
    CHECK(list.fault == r.fault);
    CHECK(text_of(list) == r.text);
  }
}

TEST_CASE("a resolver that takes its time is waited for", "[dns]") {
  world w;
  int waits = 0;
  w.dns.before_answering = [&]() -> net::task<void> {
    ++waits;
    co_return;
  };
  w.dns.add_address("d.test", "192.0.2.1");
  CHECK(w.mail("d.test").fault == host_fault::none);
  CHECK(waits == 3);
}

TEST_CASE("all mail hosts are asked for at once in both families", "[dns]") {
  world w;
  net::condition all_asked(w.io.get_executor());
  w.dns.before_answering = [&]() -> net::task<void> {
    if (w.dns.asked.size() == 1) co_return;  // the MX question comes first
    if (w.dns.asked.size() == 1 + 2 * 3) all_asked.notify_all();
    while (w.dns.asked.size() < 1 + 2 * 3) co_await all_asked.wait();
  };
  for (const auto* name : {"a.test", "b.test", "c.test"}) {
    w.dns.add_mx("d.test", 10, name);
    w.dns.add_address(name, name == std::string("a.test") ? "192.0.2.1" : "2001:db8::1");
  }
  CHECK(w.mail("d.test").hosts.size() == 2);
  CHECK(w.dns.asked.size() == 1 + 2 * 3);
}

TEST_CASE("a list says whether there may be other hosts", "[dns]") {
  world w;
  w.dns.add_mx("d.test", 5, "a.test");
  w.dns.add_address("a.test", "192.0.2.1");
  CHECK(w.mail("d.test").is_complete);
  w.dns.add_mx("d.test", 6, "gone.test");
  CHECK(w.mail("d.test").is_complete);
  w.dns.add_mx("d.test", 7, "slow.test");
  w.dns.fail("slow.test", dns_failure::servfail);
  CHECK_FALSE(w.mail("d.test").is_complete);
  CHECK(w.plain("192.0.2.1").is_complete);
}

TEST_CASE("order_exchanges keeps the records, sorts them and shuffles equals", "[dns]") {
  std::set<std::vector<std::string>> orders;
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    seeded_random rng(seed);
    records given;
    for (std::uint16_t i = 0; i < 9; ++i) {
      given.emplace_back(static_cast<std::uint16_t>(i % 3), "mx" + std::to_string(i));
    }
    const auto ordered = order_exchanges(given, "us.test", rng);
    CHECK(std::ranges::is_sorted(ordered, {}, &mx_record::preference));
    CHECK(std::ranges::is_permutation(ordered, given));
    orders.insert({ordered[0].exchange, ordered[1].exchange, ordered[2].exchange});

    seeded_random again(seed);
    std::ranges::reverse(given);
    CHECK(order_exchanges(given, "us.test", again) == ordered);
  }
  CHECK(orders.size() == 6);  // every order of three equals
}

TEST_CASE("order_exchanges drops us, our equals and worse", "[dns]") {
  seeded_random rng(3);
  const records given{{20, "Us.Test"}, {10, "a"}, {20, "b"}, {30, "c"}};
  CHECK(order_exchanges(given, "us.test.", rng) == records{{10, "a"}});
  CHECK(order_exchanges({{5, "us.test"}, {5, "a"}, {9, "b"}}, "us.test", rng).empty());
  CHECK(order_exchanges({{5, "us.test"}, {9, "us.test"}, {7, "a"}}, "us.test", rng).empty());
  CHECK(order_exchanges({{5, "a"}, {5, ""}}, "", rng).size() == 2);
  CHECK(order_exchanges({}, "us.test", rng).empty());
}

TEST_CASE("interleave alternates, IPv6 first", "[dns]") {
  const auto v6 = ips({"::1", "::2", "::3"});
  const auto v4 = ips({"192.0.2.1"});
  CHECK(interleave(v6, v4) == ips({"::1", "192.0.2.1", "::2", "::3"}));
  CHECK(interleave({}, v4) == v4);
  CHECK(interleave(v6, {}) == v6);
  CHECK(interleave(v4, v6) == ips({"192.0.2.1", "::1", "::2", "::3"}));
  CHECK(interleave({}, {}).empty());
}
