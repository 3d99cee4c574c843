// The way people write the hosts of a route and the text of an error.
#include "config/route_words.hpp"

#include <catch2/catch.hpp>

using namespace relais::config;

TEST_CASE("a next hop of a route is a host or mx or a socket with preference and weight") {
  struct row {
    const char* text;
    next_hop_target target;
  };
  const auto r = GENERATE(values<row>({
      {"mx", {"", 25, true, false, 0, 1}},
      {"mx:587", {"", 587, true, false, 0, 1}},
      {"MX", {"", 25, true, false, 0, 1}},
      {"[mx]", {"mx", 25, false, false, 0, 1}},
      {"relay.example", {"relay.example", 25, true, false, 0, 1}},
      {"[relay.example]:587", {"relay.example", 587, false, false, 0, 1}},
      {"[2001:DB8::1]", {"2001:db8::1", 25, false, false, 0, 1}},
      {"unix:/run/Lmtp", {"/run/Lmtp", 0, false, true, 0, 1}},
      {"mx, preference 10", {"", 25, true, false, 10, 1}},
      {"mx,preference 10,weight 3", {"", 25, true, false, 10, 3}},
      {"[h],  weight  0 ,preference 65535", {"h", 25, false, false, 65535, 0}},
      {"unix:/run/lmtp, weight 65535", {"/run/lmtp", 0, false, true, 0, 65535}},
  }));
  INFO(r.text);
  CHECK(parse_next_hop(r.text, 25) == r.target);
}

TEST_CASE("what is no next hop of a route is refused") {
  const auto* text =
      GENERATE("", ",", "mx,", "mx, ", "mx preference 10", "mx, preference", "mx, preference -1",
               "mx, preference 65536", "mx, preference 1, preference 2", "mx, weight 1, weight 1",
               "mx, priority 1", "mx, weight1", "mx, preference 10 20", "unix:", "unix:relative",
               "unix:/run/lmtp/", "unix:/run/lmtp:25", "[h]:0", "[h", "a b", "mx:", "mx:0");
  INFO(text);
  // A path may hold a colon.
  CHECK(parse_next_hop(text, 25).has_value() == (std::string_view(text) == "unix:/run/lmtp:25"));
}

TEST_CASE("a port that is written is told from the usual one") {
  CHECK(has_written_port("[h]:24"));
  CHECK(has_written_port("[h]:1, preference 3"));
  CHECK_FALSE(has_written_port("[h]"));
  CHECK_FALSE(has_written_port("h.example, weight 3"));
}

TEST_CASE("the text of an error has a status of class 5 or none") {
  struct row {
    const char *text, *status, *sentence;
  };
  const auto r = GENERATE(values<row>({
      {"", "5.1.1", "No mail is taken for this address"},
      {"no such user", "5.1.1", "no such user"},
      {"5.7.1 not from here", "5.7.1", "not from here"},
      {"5.1.10  two blanks", "5.1.10", "two blanks"},
      {"5 apples", "5.1.1", "5 apples"},
      {"5.1 is no status", "5.1.1", "5.1 is no status"},
      {"5.1.x is no status", "5.1.1", "5.1.x is no status"},
  }));
  INFO(r.text);
  CHECK(parse_error_text(r.text) == error_text{r.status, r.sentence});
  for (const auto* bad :
       {"4.7.1 later", "2.0.0 fine", "5.1.1", "5.1.1 ", "5.1000.1 x", "5.1.1000 x", "15.1.1 x"}) {
    INFO(bad);
    CHECK_FALSE(parse_error_text(bad));
  }
}
