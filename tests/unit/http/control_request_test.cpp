// The requests of the control API: method, target and body -> what is asked, or the refusal.
#include "http/control_request.hpp"

#include <catch2/catch.hpp>

namespace relais::http {
namespace {

using kind = control_request::kind;
using namespace std::chrono_literals;

/// What was understood, as one line.
std::string text_of(const control_request& r) {
  constexpr std::string_view kinds[] = {
      "status", "list", "show", "content", "order", "destinations", "destination order"};
  constexpr std::string_view verbs[] = {"hold", "release", "remove", "bounce", "retry", "reroute"};
  constexpr std::string_view destination_verbs[] = {"suspend", "resume", "retry"};
  std::string t(kinds[static_cast<std::size_t>(r.is)]);
  const auto add = [&](std::string_view name, const auto& list) {
    for (const auto& word : list) t += ' ' + std::string(name) + '=' + word;
  };
  if (r.is == kind::order) t += ' ' + std::string(verbs[static_cast<std::size_t>(r.verb)]);
  if (r.is == kind::destination_order) {
    t += ' ' + std::string(destination_verbs[static_cast<std::size_t>(r.destination_verb)]);
  }
  if (r.id != queue_id{}) t += ' ' + r.id.text();
  for (const auto id : r.which.ids) t += " id=" + id.text();
  if (r.which.all) t += " all";
  add("sender", r.which.senders);
  add("recipient", r.which.recipients);
  add("to", r.which.destinations);
  const auto seconds = [](duration d) { return std::to_string(d / 1s); };
  if (r.which.older) t += " older=" + seconds(*r.which.older);
  if (r.which.younger) t += " younger=" + seconds(*r.which.younger);
  if (r.which.larger) t += " larger=" + std::to_string(*r.which.larger);
  if (r.which.smaller) t += " smaller=" + std::to_string(*r.which.smaller);
  if (r.which.held) t += *r.which.held ? " held" : " not held";
  if (!r.which.reason.empty()) t += (r.which.reason_is_regex ? " ~" : " reason=") + r.which.reason;
  if (r.is_dry) t += " dry";
  if (r.limit != 0) t += " limit=" + std::to_string(r.limit);
  if (r.from.after != queue_id{} || r.from.part != 0) t += " from=" + to_text(r.from);
  if (!r.next_hop.empty()) t += " via=" + r.next_hop;
  if (!r.destination.empty()) t += " destination=" + r.destination;
  if (r.closed_only) t += " closed";
  return t;
}

struct row {
  std::string name, method, target, body, expected;
};

TEST_CASE("a request is understood, or refused with a sentence") {
  const auto r = GENERATE(values<row>({
      {"status", "GET", "/v1/status", "", "status"},
      {"the whole queue", "GET", "/v1/queue", "", "list"},
      {"a page of it", "GET", "/v1/queue?limit=10&cursor=2f-01A1FC213F830000", "",
       "list limit=10 from=2f-01A1FC213F830000"},
      {"criteria in a query", "GET",
       "/v1/queue?sender=%3C%3E&recipient=.b.example&destination=%5Br.example%5D:587&older_than=2h"
       "&younger_than=1d&larger_than=10+KiB&smaller_than=9&held=true&reason=%34%351+later",
       "",
       "list sender=<> recipient=.b.example to=[r.example]:587 older=7200 younger=86400 "
       "larger=10240 smaller=9 held reason=451 later"},
      {"words that repeat", "GET", "/v1/queue?sender=a%40b&sender=c", "",
       "list sender=a@b sender=c"},
      {"one message", "GET", "/v1/queue/01a1fc213f830000", "", "show 01A1FC213F830000"},
      {"its content", "GET", "/v1/queue/01A1FC213F830000/content", "", "content 01A1FC213F830000"},
      {"an id that is none", "GET", "/v1/queue/../etc/passwd", "", "404 no such message"},
      {"hold by id", "POST", "/v1/queue/hold",
       R"({"ids": ["01A1FC213F830000", "01a1fc213f840000"]})",
       "order hold id=01A1FC213F830000 id=01A1FC213F840000"},
      {"one id", "POST", "/v1/queue/release", R"({"id":"01A1FC213F830000"})",
       "order release id=01A1FC213F830000"},
      {"all needs a look first", "POST", "/v1/queue/remove", R"({"all":true})",
       "409 more than ids: look at it with \"dry_run\": true, then \"confirm\": true"},
      {"the look", "POST", "/v1/queue/remove", R"({"all":true,"dry_run":true})",
       "order remove all dry"},
      {"confirmed", "POST", "/v1/queue/bounce",
       R"({"sender":"joe@","larger_than":5000,"held":false,"confirm":true})",
       "order bounce sender=joe@ larger=5000 not held"},
      {"confirm: no", "POST", "/v1/queue/bounce", R"({"sender":"joe@","confirm":false})",
       "409 more than ids: look at it with \"dry_run\": true, then \"confirm\": true"},
      {"ids with another criterion are more than ids", "POST", "/v1/queue/retry",
       R"({"ids":["01A1FC213F830000"],"held":true})",
       "409 more than ids: look at it with \"dry_run\": true, then \"confirm\": true"},
      {"nothing said", "POST", "/v1/queue/remove", R"({"confirm":true})",
       "400 say which messages: \"ids\", \"all\", \"sender\"..."},
      {"an empty list is nothing", "POST", "/v1/queue/remove", R"({"ids":[]})",
       "400 say which messages: \"ids\", \"all\", \"sender\"..."},
      {"all: no is nothing", "POST", "/v1/queue/remove", R"({"all":false,"confirm":true})",
       "400 say which messages: \"ids\", \"all\", \"sender\"..."},
      {"reroute", "POST", "/v1/queue/reroute",
       R"({"id":"01A1FC213F830000","next_hop":"[relay.example]:587"})",
       "order reroute id=01A1FC213F830000 via=[relay.example]:587"},
      {"reroute as routed", "POST", "/v1/queue/reroute",
       R"({"id":"01A1FC213F830000","next_hop":""})", "order reroute id=01A1FC213F830000"},
      {"reroute nowhere", "POST", "/v1/queue/reroute", R"({"id":"01A1FC213F830000"})",
       "400 \"next_hop\" is missing: where to, or \"\" for as routed"},
      {"a next hop for hold", "POST", "/v1/queue/hold",
       R"({"id":"01A1FC213F830000","next_hop":"x"})", "400 there is no \"next_hop\" here"},
      {"a regular expression", "POST", "/v1/queue/retry",
       R"({"reason_regex":"^4[05]1 ","dry_run":true})", "order retry ~^4[05]1  dry"},
      {"two reasons", "POST", "/v1/queue/retry", R"({"reason":"a","reason_regex":"b"})",
       "400 one reason is enough"},
      {"a word that is misspelt", "POST", "/v1/queue/remove", R"({"sendr":"a@b","confirm":true})",
       "400 there is no \"sendr\" here"},
      {"no JSON", "POST", "/v1/queue/remove", "ids=1", "400 the body is no JSON: "},
      {"no object", "POST", "/v1/queue/remove", "[]", "400 the body must be a JSON object"},
      {"deep JSON", "POST", "/v1/queue/remove", std::string(1000, '['),
       "400 the body is no JSON: "},
      {"an object for a word", "POST", "/v1/queue/remove", R"({"sender":{"a":1}})",
       "400 \"sender\" must be a text, a number, true or false"},
      {"no time", "GET", "/v1/queue?older_than=yesterday", "",
       "400 \"yesterday\" is no time: 90s, 5m, 2h30m, 1d"},
      {"no size", "GET", "/v1/queue?larger_than=big", "",
       "400 \"big\" is no size: 5000, 100 KiB, 10 MiB"},
      {"no id", "POST", "/v1/queue/hold", R"({"ids":["all"]})", "400 \"all\" is no queue id"},
      {"neither true nor false", "GET", "/v1/queue?held=maybe", "",
       "400 \"held\" is true or false"},
      {"no cursor", "GET", "/v1/queue?cursor=100-01A1FC213F830000", "", "400 this is no cursor"},
      {"half a cursor", "GET", "/v1/queue?cursor=1", "", "400 this is no cursor"},
      {"half a percent", "GET", "/v1/queue?sender=%4", "",
       "400 a % of the query is not followed by two hexadecimal digits"},
      {"a misspelt query", "GET", "/v1/queue?cursr=1", "", "400 there is no \"cursr\" here"},
      {"destinations", "GET", "/v1/destinations", "", "destinations"},
      {"closed ones", "GET", "/v1/destinations?closed=true", "", "destinations closed"},
      {"destinations have no sender", "GET", "/v1/destinations?sender=a", "",
       "400 only \"closed\" is known here"},
      {"suspend", "POST", "/v1/destinations/suspend", R"({"destination":"b.example"})",
       "destination order suspend destination=b.example"},
      {"suspend all", "POST", "/v1/destinations/suspend", R"({"all":true})",
       "400 \"all\" is for retry only"},
      {"retry all", "POST", "/v1/destinations/retry", R"({"all":true})", "destination order retry"},
      {"resume nothing", "POST", "/v1/destinations/resume", "{}", "400 give one \"destination\""},
      {"resume two", "POST", "/v1/destinations/resume", R"({"destination":["a","b"]})",
       "400 only \"destination\" and \"all\" are known here"},
      {"a verb is not looked at", "GET", "/v1/queue/hold", "", "405 only POST"},
      {"a list is not posted", "POST", "/v1/queue", "", "405 only GET"},
      {"another method", "DELETE", "/v1/queue/01A1FC213F830000", "", "405 only GET"},
      {"another path", "GET", "/v2/queue", "", "404 there is no such thing"},
      {"a longer path", "GET", "/v1/statuses", "", "404 there is no such thing"},
      {"a probe", "GET", "/healthz", "", "404 there is no such thing"},
      {"a destination verb that is none", "POST", "/v1/destinations/remove", "{}",
       "404 there is no such thing"},
  }));
  DYNAMIC_SECTION(r.name) {
    const auto got = parse_control_request(r.method, r.target, r.body);
    const auto* no = std::get_if<refusal>(&got);
    const auto text = no != nullptr ? std::to_string(no->status) + " " + no->sentence
                                    : text_of(std::get<control_request>(got));
    if (r.expected.ends_with(": ")) {
      CHECK(text.substr(0, r.expected.size()) == r.expected);
    } else {
      CHECK(text == r.expected);
    }
    if (no != nullptr) CHECK((no->status == 405) == !no->allow.empty());
  }
}

TEST_CASE("no prefix of a request is taken for more than it says") {
  const std::string body = R"({"ids":["01A1FC213F830000"],"all":true,"confirm":true})";
  for (std::size_t length = 0; length < body.size(); ++length) {
    const auto got = parse_control_request("POST", "/v1/queue/remove", body.substr(0, length));
    CHECK(std::holds_alternative<refusal>(got));
  }
}

}  // namespace
}  // namespace relais::http
