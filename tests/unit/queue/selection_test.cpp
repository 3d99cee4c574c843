// Which messages an operator means: a table of selections against one message.
#include "queue/selection.hpp"

#include <catch2/catch.hpp>

namespace relais::queue {
namespace {

using namespace std::chrono_literals;
using spool::recipient_status;

const wall_time arrival{std::chrono::microseconds(1786011072'345678)};

/// Three hours old, 5000 octets, from joe@a.example: ann@far.example waits, bob@b.example was
/// delivered, "C D"@sub.b.example waits untried.
spool::stored_message stored() {
  spool::stored_message m;
  m.id = *queue_id::parse("01A1FC213F830000");
  m.arrival = arrival;
  m.content_size = 5000;
  const auto at = [](std::string_view text) { return *smtp::parse_address(text); };
  m.envelope = {at("joe@a.example"),
                {at("ann@far.example"), at("bob@b.example"), at("\"c d\"@sub.b.example")}};
  m.recipients.resize(3);
  m.recipients[0].diagnostic = "host mx.far.example[192.0.2.9] said: 451 4.7.1 Greylisted, wait";
  m.recipients[0].attempts = 2;
  m.recipients[1].status = recipient_status::delivered;
  return m;
}

way_names way(std::size_t recipient) {
  way_names w;
  if (recipient == 0) {
    w.text = "[Relay.example]:587";
    w.hosts = {"relay.example"};
  } else {
    w.text = "sub.b.example";
    w.hosts = {"sub.b.example"};
  }
  return w;
}

using found = std::vector<std::size_t>;
const found nobody, both{0, 2}, first{0}, last{2};

struct row {
  std::string name;
  std::function<void(selection&)> ask;
  found expected;
};

TEST_CASE("a message is meant if every criterion is met") {
  const auto r = GENERATE(values<row>({
      {"all", [](selection& s) { s.all = true; }, both},
      {"its id", [](selection& s) { s.ids = {queue_id{1}, stored().id, stored().id}; }, both},
      {"another id", [](selection& s) { s.ids = {queue_id{1}}; }, nobody},
      {"its id and another sender",
       [](selection& s) { s.ids = {stored().id}, s.senders = {"jane@a.example"}; }, nobody},
      {"the sender", [](selection& s) { s.senders = {"JOE@A.example"}; }, both},
      {"the sender's domain", [](selection& s) { s.senders = {"x.example", "a.example"}; }, both},
      {"what is below the sender's domain", [](selection& s) { s.senders = {".a.example"}; },
       nobody},
      {"everything below a top level", [](selection& s) { s.senders = {".example"}; }, both},
      {"a local-part", [](selection& s) { s.senders = {"joe@"}; }, both},
      {"reports only", [](selection& s) { s.senders = {"<>"}; }, nobody},
      {"one of the recipients", [](selection& s) { s.recipients = {"ann@far.example"}; }, first},
      {"a quoted local-part", [](selection& s) { s.recipients = {"c d@sub.b.example"}; }, last},
      {"below a domain", [](selection& s) { s.recipients = {".b.example"}; }, last},
      {"a recipient who has it", [](selection& s) { s.recipients = {"bob@b.example"}; }, nobody},
      {"a next hop as it is shown", [](selection& s) { s.destinations = {"[relay.example]:587"}; },
       first},
      {"the host of a next hop", [](selection& s) { s.destinations = {"relay.example"}; }, first},
      {"next hops below a domain", [](selection& s) { s.destinations = {".b.example"}; }, last},
      {"the domain of a recipient that goes elsewhere",
       [](selection& s) { s.destinations = {"far.example"}; }, nobody},
      {"older", [](selection& s) { s.older = 2h; }, both},
      {"not that old", [](selection& s) { s.older = 3h; }, nobody},
      {"younger", [](selection& s) { s.younger = 4h; }, both},
      {"not that young", [](selection& s) { s.younger = 3h; }, nobody},
      {"between two ages", [](selection& s) { s.older = 2h, s.younger = 4h; }, both},
      {"larger", [](selection& s) { s.larger = 4999; }, both},
      {"not larger", [](selection& s) { s.larger = 5000; }, nobody},
      {"smaller", [](selection& s) { s.smaller = 5001; }, both},
      {"not smaller", [](selection& s) { s.smaller = 5000; }, nobody},
      {"held", [](selection& s) { s.held = true; }, nobody},
      {"not held", [](selection& s) { s.held = false; }, both},
      {"a part of the reason", [](selection& s) { s.reason = "greylisted"; }, first},
      {"no reason of that kind", [](selection& s) { s.reason = "grey.*wait"; }, nobody},
      {"a regular expression",
       [](selection& s) { s.reason = "^host .* 45[01] .*Grey", s.reason_is_regex = true; }, first},
      {"a reason of one recipient and the address of another",
       [](selection& s) { s.reason = "greylisted", s.recipients = {".b.example"}; }, nobody},
      {"everything at once",
       [](selection& s) {
         s.ids = {stored().id}, s.senders = {"joe@"}, s.recipients = {"far.example"};
         s.destinations = {"relay.example"}, s.older = 1h, s.larger = 1, s.held = false;
         s.reason = "451";
       },
       first},
  }));
  DYNAMIC_SECTION(r.name) {
    selection asked;
    r.ask(asked);
    CHECK_FALSE(asked.is_empty());
    std::string why;
    const auto made = selector::make(asked, why);
    REQUIRE(made);
    CHECK(made->matching(stored(), arrival + 3h, way) == r.expected);
  }
}

TEST_CASE("a held message is found as held") {
  auto m = stored();
  m.is_held = true;
  selection asked;
  asked.held = true;
  std::string why;
  CHECK(selector::make(asked, why)->matching(m, arrival, way) == both);
}

TEST_CASE("words that can match nothing are refused with a sentence") {
  struct fault {
    std::string name;
    std::function<void(selection&)> ask;
    std::string why;
  };
  const auto r = GENERATE(values<fault>({
      {"a blank in a domain", [](selection& s) { s.senders = {"a b"}; },
       "\"a b\" can be no sender"},
      {"no local-part", [](selection& s) { s.recipients = {"@b.example"}; },
       "\"@b.example\" can be no recipient"},
      {"nothing", [](selection& s) { s.destinations = {""}; }, "\"\" can be no destination"},
      {"a control", [](selection& s) { s.senders = {"\x1b[2J"}; }, "\"\\x1b[2J\" can be no sender"},
      {"an open bracket", [](selection& s) { s.reason = "[", s.reason_is_regex = true; },
       "\"[\" is no regular expression: "},
      {"an endless reason", [](selection& s) { s.reason = std::string(257, 'x'); },
       "the reason is longer than 256 octets"},
  }));
  DYNAMIC_SECTION(r.name) {
    selection asked;
    r.ask(asked);
    std::string why;
    CHECK_FALSE(selector::make(asked, why));
    CHECK(why.substr(0, r.why.size()) == r.why);
  }
}

TEST_CASE("a pattern that would take for ever means nobody") {
  selection asked;
  asked.reason = "(a+)+$";
  asked.reason_is_regex = true;
  auto m = stored();
  m.recipients[0].diagnostic = std::string(1000, 'a') + "b";
  std::string why;
  CHECK(selector::make(asked, why)->matching(m, arrival, way).empty());
}

TEST_CASE("only a list of ids is explicit, and nothing at all is nobody") {
  selection s;
  CHECK(s.is_empty());
  CHECK_FALSE(s.is_explicit());
  s.ids = {queue_id{1}};
  CHECK(s.is_explicit());
  s.older = 1h;
  CHECK_FALSE(s.is_explicit());
}

}  // namespace
}  // namespace relais::queue
