// What an operator's rules make of a refusal.
#include "policy/reply_rules.hpp"

#include <catch2/catch.hpp>
#include <stdexcept>

#include "config/load.hpp"

using namespace relais;
using namespace relais::policy;
using namespace std::chrono_literals;
using config::reply_action;

namespace {

reply_rules rules_of(const std::string& yaml) {
  const auto loaded = config::load_text(yaml, "relais.yaml", config::process_environment());
  for (const auto& m : loaded.mistakes) UNSCOPED_INFO(m.to_text());
  REQUIRE(loaded.mistakes.empty());
  return reply_rules(loaded.values.reply_rules);
}

}  // namespace

TEST_CASE("the first rule that matches the reply and the host and the domain decides") {
  const auto rules = rules_of(R"(reply_rules:
  - {reply: '^421 4\.7\.0', hosts: [.big.example], time: 20m}
  - {reply: 'too (fast|many)', domains: [b.example], action: slow_down}
  - {reply: 'mailbox full', action: bounce}
  - {reply: '^550', hosts: [mx.odd.example], action: defer}
  - {reply: '^421'}
)");
  struct row {
    const char *reply, *host, *domain;
    int rule;  // 0 = none
  };
  const auto r = GENERATE(values<row>({
      {"421 4.7.0 try later", "mx1.big.example", "c.example", 1},
      {"421 4.7.0 Try later", "MX1.big.example.", "c.example", 1},
      {"421 4.7.0 try later", "big.example", "c.example", 5},
      {"421 4.7.0 try later", "", "c.example", 5},
      {"421 4x7.0 try later", "mx1.big.example", "c.example", 5},
      {"451 4.7.1 Too MANY messages", "mx.far.example", "b.example", 2},
      {"451 4.7.1 too many messages", "mx.far.example", "sub.b.example", 0},
      {"451 4.7.1 too slow", "mx.far.example", "b.example", 0},
      {"452 4.2.2 Mailbox full", "", "", 3},
      {"550 5.7.1 no", "mx.odd.example", "x.example", 4},
      {"550 5.7.1 no", "other.odd.example", "x.example", 0},
      {"", "", "", 0},
  }));
  INFO(r.reply << ' ' << r.host << ' ' << r.domain);
  const auto decided = rules.decide(r.reply, r.host, r.domain);
  CHECK(decided.has_value() == (r.rule != 0));
  if (!decided) return;
  CHECK(decided->rule == "relais.yaml:" + std::to_string(r.rule + 1) + ": reply_rules");
  const reply_action actions[] = {reply_action::pause, reply_action::slow_down,
                                  reply_action::bounce, reply_action::defer, reply_action::pause};
  CHECK(decided->action == actions[r.rule - 1]);
  CHECK(decided->time == (r.rule == 1 ? 20min : r.rule == 5 ? 10min : 0min));
}

TEST_CASE("without rules nothing is decided") {
  const reply_rules none({});
  CHECK(none.is_empty());
  CHECK_FALSE(none.decide("421 4.7.0 no", "h", "d"));
}

TEST_CASE("an expression that backtracks without end does not hang and does not match") {
  const auto rules = rules_of("reply_rules: [{reply: '^(([a-z])+.)+[A-Z]([a-z])+$'}]");
  const auto decided = rules.decide(std::string(500, 'a') + "!", "h", "d");
  CHECK_FALSE(decided);
}

TEST_CASE("a reply is looked at up to its 512th octet") {
  const auto rules = rules_of("reply_rules: [{reply: 'needle'}]");
  CHECK(rules.decide(std::string(506, 'x') + "needle", "", ""));
  CHECK_FALSE(rules.decide(std::string(507, 'x') + "needle", "", ""));
  CHECK_FALSE(rules.decide(std::string(100000, '\xff'), "", ""));
}

TEST_CASE("all expressions that are none are told at once") {
  std::vector<config::reply_rule> rules(3);
  rules[0].reply = "(";
  rules[1].reply = "good";
  rules[2].reply = "[z-a]";
  rules[2].place = {"relais.yaml", 9};
  try {
    const reply_rules none(rules);
    FAIL("must throw");
  } catch (const std::runtime_error& fault) {
    const std::string text = fault.what();
    INFO(text);
    CHECK(text.starts_with("reply_rules: is no regular expression: "));
    CHECK(text.find("\nrelais.yaml:9: reply_rules: is no regular expression: ") !=
          std::string::npos);
  }
}
