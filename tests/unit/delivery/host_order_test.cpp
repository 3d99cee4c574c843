// The order in which hosts are tried: preference, weight, families, the dead and the slow.
#include "delivery/host_order.hpp"

#include <catch2/catch.hpp>
#include <map>

namespace relais::delivery {
namespace {

using namespace std::chrono_literals;
using hosts = std::vector<policy::route_host>;

const steady_time now{1000h};

policy::route_host host(const char* name, std::uint16_t preference, unsigned weight = 1) {
  policy::route_host h;
  h.name = name;
  h.preference = preference;
  h.weight = weight;
  return h;
}

std::string names(const hosts& list) {
  std::string all;
  for (const auto& h : list) all += h.name;
  return all;
}

TEST_CASE("hosts are drawn by preference and every order of equals comes up") {
  std::map<std::string, int> orders;
  for (std::uint64_t seed = 0; seed < 600; ++seed) {
    seeded_random rng(seed);
    ++orders[names(draw_order({host("d", 20), host("a", 10), host("b", 10), host("c", 10)}, rng))];
  }
  CHECK(orders.size() == 6);
  for (const auto& [order, count] : orders) {
    CHECK(order.ends_with('d'));
    CHECK(count > 50);
  }
}

TEST_CASE("the first of equals is drawn in proportion to the weights") {
  std::map<char, int> first;
  for (std::uint64_t seed = 0; seed < 4000; ++seed) {
    seeded_random rng(seed);
    ++first[names(draw_order({host("a", 5, 3), host("b", 5, 1), host("c", 5, 0)}, rng)).front()];
  }
  CHECK(first['a'] > 2850);
  CHECK(first['a'] < 3150);
  CHECK(first['b'] > 850);
  CHECK(first['c'] == 0);
}

TEST_CASE("hosts without any weight are equals") {
  std::map<char, int> first;
  for (std::uint64_t seed = 0; seed < 1000; ++seed) {
    seeded_random rng(seed);
    ++first[names(draw_order({host("a", 5, 0), host("b", 5, 0)}, rng)).front()];
  }
  CHECK(first['a'] > 430);
  CHECK(first['b'] > 430);
}

TEST_CASE("one host and none are their own order") {
  seeded_random rng(1);
  CHECK(names(draw_order({host("a", 5, 0)}, rng)) == "a");
  CHECK(draw_order({}, rng).empty());
}

candidate at(std::uint32_t tier, const char* address) {
  candidate c;
  c.tier = tier;
  if (*address == '/') {
    c.to.local_path = address;
  } else {
    c.to.host.name = "mx.test";
    c.to.host.address = ip_address::parse(address).value();
  }
  return c;
}

std::string text_of(const attempt_plan& plan) {
  std::string all;
  for (const auto& c : plan.hosts) {
    const auto address = c.to.local_path.empty() ? c.to.host.address.text() : c.to.local_path;
    all += (all.empty() ? "" : " ") + std::to_string(c.tier) + ':' + address;
  }
  return all;
}

struct plan_row {
  std::string name;
  std::vector<candidate> all;
  std::vector<std::string> dead, slow;  // the first one died first
  std::string text;
  bool is_probe = false, has_left_out = false;
};

std::vector<plan_row> plan_rows() {
  return {
      {"nobody is there", {}, {}, {}, ""},
      {"as they come",
       {at(0, "192.0.2.1"), at(0, "192.0.2.2"), at(1, "192.0.2.3")},
       {},
       {},
       "0:192.0.2.1 0:192.0.2.2 1:192.0.2.3"},
      {"families alternate within a tier, beginning with that of the first",
       {at(0, "2001:db8::1"), at(0, "2001:db8::2"), at(0, "192.0.2.1"), at(1, "192.0.2.3"),
        at(1, "192.0.2.4"), at(1, "2001:db8::4")},
       {},
       {},
       "0:2001:db8::1 0:192.0.2.1 0:2001:db8::2 1:192.0.2.3 1:2001:db8::4 1:192.0.2.4"},
      {"the dead are left out",
       {at(0, "192.0.2.1"), at(0, "192.0.2.2"), at(1, "192.0.2.3")},
       {"192.0.2.1:25"},
       {},
       "0:192.0.2.2 1:192.0.2.3",
       false,
       true},
      {"of a tier that is dead the next one is tried",
       {at(0, "192.0.2.1"), at(1, "192.0.2.3")},
       {"192.0.2.1:25"},
       {},
       "1:192.0.2.3",
       false,
       true},
      {"all are dead: the one whose failure is the longest ago",
       {at(0, "192.0.2.1"), at(0, "192.0.2.2"), at(1, "192.0.2.3")},
       {"192.0.2.2:25", "192.0.2.3:25", "192.0.2.1:25"},
       {},
       "0:192.0.2.2",
       true,
       true},
      {"the only one is dead", {at(0, "/run/lmtp")}, {"/run/lmtp"}, {}, "0:/run/lmtp", true},
      {"the slow come behind their equals, not behind their betters",
       {at(0, "192.0.2.1"), at(0, "192.0.2.2"), at(1, "192.0.2.3")},
       {},
       {"192.0.2.1:25"},
       "0:192.0.2.2 0:192.0.2.1 1:192.0.2.3"},
      {"a port of its own is a host of its own",
       {at(0, "192.0.2.1")},
       {"192.0.2.1:587"},
       {},
       "0:192.0.2.1"},
  };
}

TEST_CASE("the plan of an attempt") {
  for (const auto& r : plan_rows()) {
    DYNAMIC_SECTION(r.name) {
      host_book book{host_book_options{}};
      auto when = now - 5min;
      for (const auto& where : r.dead) book.failed(where, when += 1s, host_failure{});
      for (const auto& where : r.slow) book.was_slow(where, now);
      const auto plan = plan_attempts(r.all, book, now);
      CHECK(text_of(plan) == r.text);
      CHECK(plan.is_probe == r.is_probe);
      CHECK(plan.has_left_out == r.has_left_out);
    }
  }
}

TEST_CASE("where a session leads") {
  auto c = at(0, "2001:db8::1");
  c.to.port = 587;
  CHECK(where_text(c.to) == "[2001:db8::1]:587");
  CHECK(relay_text(c.to) == "mx.test[2001:db8::1]:587");
  const auto local = at(0, "/run/lmtp");
  CHECK(where_text(local.to) == "/run/lmtp");
  CHECK(relay_text(local.to) == "unix:/run/lmtp");
}

}  // namespace
}  // namespace relais::delivery
