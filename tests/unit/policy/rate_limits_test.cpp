// Rates: windows that slide, several beside each other, whom they count together, and their memory.
#include "policy/rate_limits.hpp"

#include <catch2/catch.hpp>

#include "base/random.hpp"

using namespace relais;
using namespace relais::policy;
using namespace std::chrono_literals;
using config::rate_of;
using config::rate_per;

namespace {

const keyed_hash hash{digest{1, 2, 3}};

config::rate_limit limit_of(rate_of of, rate_per per, std::uint64_t limit, duration window,
                            unsigned line = 1) {
  config::rate_limit l;
  l.of = of;
  l.per = per;
  l.limit = limit;
  l.window = window;
  l.place = {"c.yaml", line};
  return l;
}

config::policy_settings with(std::vector<config::rate_limit> limits) {
  config::policy_settings s;
  s.rates = std::move(limits);
  return s;
}

struct scene {
  rate_limits rates;
  steady_time now{1000h};
  explicit scene(const config::policy_settings& s, std::size_t counters = 1000)
      : rates(s, hash, counters) {}

  /// "" and counted, or the rule.
  std::string take(const std::string& client, const std::string& user = "",
                   const std::string& sender = "", rate_of of = rate_of::messages) {
    const rate_subject who{*ip_address::parse(client), user, sender};
    if (auto rule = rates.exceeded(of, who, now)) return *rule;
    rates.count(of, who, now);
    return "";
  }
  unsigned taken(unsigned tries, const std::string& client) {
    unsigned n = 0;
    for (unsigned i = 0; i < tries; ++i) n += take(client).empty() ? 1u : 0u;
    return n;
  }
};

}  // namespace

TEST_CASE("so many within a window, and the rule is named") {
  scene s(with({limit_of(rate_of::messages, rate_per::client, 3, 1min, 40)}));
  CHECK(s.taken(3, "192.0.2.1") == 3);
  CHECK(s.take("192.0.2.1") == "c.yaml:40: policy.rates");
  CHECK(s.take("192.0.2.2").empty());
  CHECK(s.take("192.0.2.1", "", "", rate_of::recipients).empty());
}

TEST_CASE("the window slides: the last one counts as far as it still reaches") {
  scene s(with({limit_of(rate_of::messages, rate_per::client, 10, 1min)}));
  CHECK(s.taken(20, "192.0.2.1") == 10);
  s.now += 1min;
  CHECK(s.taken(20, "192.0.2.1") == 0);
  s.now += 6s;  // a tenth of the last window is out of sight
  CHECK(s.taken(20, "192.0.2.1") == 1);
  s.now += 24s;  // half of it
  CHECK(s.taken(20, "192.0.2.1") == 4);
  s.now += 30s;  // five in the window that is now the last one
  CHECK(s.taken(20, "192.0.2.1") == 5);
  s.now += 2min;
  CHECK(s.taken(20, "192.0.2.1") == 10);
}

TEST_CASE("what is refused does not count") {
  scene s(with({limit_of(rate_of::messages, rate_per::client, 1, 1min)}));
  CHECK(s.taken(1, "192.0.2.1") == 1);
  for (int i = 0; i < 100; ++i) {
    s.now += 1s;
    CHECK(s.take("192.0.2.1").empty() == (s.now - steady_time(1000h) == 120s));
    if (s.now - steady_time(1000h) >= 100s) break;
  }
  s.now = steady_time(1000h) + 2min;
  CHECK(s.take("192.0.2.1").empty());
}

TEST_CASE("several windows beside each other") {
  scene s(with({limit_of(rate_of::messages, rate_per::client, 5, 1min, 1),
                limit_of(rate_of::messages, rate_per::client, 8, 1h, 2)}));
  CHECK(s.taken(10, "192.0.2.1") == 5);
  CHECK(s.take("192.0.2.1") == "c.yaml:1: policy.rates");
  s.now += 2min;
  CHECK(s.taken(10, "192.0.2.1") == 3);
  CHECK(s.take("192.0.2.1") == "c.yaml:2: policy.rates");
}

TEST_CASE("per what is counted together") {
  struct row {
    const char* name;
    rate_per per;
    std::vector<std::string> first, second;  // client, user, sender
    bool together;
  };
  const auto r = GENERATE(values<row>({
      {"two addresses of a /24", rate_per::network, {"192.0.2.1"}, {"192.0.2.200"}, true},
      {"two /24", rate_per::network, {"192.0.2.1"}, {"192.0.3.1"}, false},
      {"two addresses of a /64", rate_per::network, {"2001:db8::1"}, {"2001:db8::f:0:0:1"}, true},
      {"two /64", rate_per::network, {"2001:db8::1"}, {"2001:db8:0:1::1"}, false},
      {"two addresses", rate_per::client, {"192.0.2.1"}, {"192.0.2.2"}, false},
      {"a user from anywhere", rate_per::user, {"192.0.2.1", "joe"}, {"10.0.0.1", "joe"}, true},
      {"two users", rate_per::user, {"192.0.2.1", "joe"}, {"192.0.2.1", "jim"}, false},
      {"nobody logged in", rate_per::user, {"192.0.2.1"}, {"192.0.2.1"}, false},
      {"a sender in another case",
       rate_per::sender,
       {"192.0.2.1", "", "a@b.test"},
       {"10.0.0.1", "", "A@B.test"},
       true},
      {"two senders",
       rate_per::sender,
       {"192.0.2.1", "", "a@b.test"},
       {"192.0.2.1", "", "b@b.test"},
       false},
      {"the null sender", rate_per::sender, {"192.0.2.1", "", ""}, {"192.0.2.1", "", ""}, false},
  }));
  DYNAMIC_SECTION(r.name) {
    scene s(with({limit_of(rate_of::messages, r.per, 1, 1min)}));
    const auto take = [&](std::vector<std::string> who) {
      who.resize(3);
      return s.take(who[0], who[1], who[2]);
    };
    CHECK(take(r.first).empty());
    CHECK(take(r.second).empty() != r.together);
  }
}

TEST_CASE("exempt networks are neither limited nor counted") {
  auto settings = with({limit_of(rate_of::messages, rate_per::network, 1, 1min)});
  settings.rate_exempt = {*ip_network::parse("192.0.2.0/25")};
  scene s(settings);
  CHECK_FALSE(s.rates.concern(rate_of::messages, *ip_address::parse("192.0.2.1")));
  CHECK(s.rates.concern(rate_of::messages, *ip_address::parse("192.0.2.128")));
  CHECK_FALSE(s.rates.concern(rate_of::recipients, *ip_address::parse("192.0.2.128")));
  CHECK(s.taken(9, "192.0.2.1") == 9);
  CHECK(s.rates.counters() == 0);
  CHECK(s.taken(9, "192.0.2.128") == 1);
}

TEST_CASE("a limit of zero lets nobody through") {
  scene s(with({limit_of(rate_of::messages, rate_per::client, 0, 1min)}));
  CHECK(s.taken(5, "192.0.2.1") == 0);
}

TEST_CASE("counters are bounded, the one used longest ago goes") {
  scene s(with({limit_of(rate_of::messages, rate_per::client, 1, 1h)}), 100);
  CHECK(s.taken(1, "10.0.0.0") == 1);
  for (unsigned i = 1; i < 10'000; ++i) {
    s.take(ip_address::v4(0x0a000000 + i).text());
    REQUIRE(s.rates.counters() <= 100);
    REQUIRE_FALSE(s.take("10.0.0.0").empty());  // in use all the time: never forgotten
  }
  CHECK(s.take("10.0.0.1").empty());  // forgotten
}

TEST_CASE("in no fixed window more than the limit passes, in no time more than twice") {
  seeded_random rng(3);
  scene s(with({limit_of(rate_of::messages, rate_per::client, 20, 1min)}));
  std::vector<steady_time> passed;
  for (int i = 0; i < 20'000; ++i) {
    s.now += duration(static_cast<std::int64_t>(rng.below(3'000'000'000)));
    if (s.take("192.0.2.1").empty()) passed.push_back(s.now);
  }
  std::size_t most = 0;
  for (std::size_t i = 0, j = 0; i < passed.size(); ++i) {
    while (passed[i] - passed[j] >= 1min) ++j;
    most = std::max(most, i - j + 1);
  }
  CHECK(most <= 40);
  // And what is lawful is let through: close to the limit in the long run.
  const auto minutes = static_cast<double>((s.now - steady_time(1000h)) / 1s) / 60;
  CHECK(static_cast<double>(passed.size()) > 15 * minutes);
  CHECK(static_cast<double>(passed.size()) < 21 * minutes);
}
