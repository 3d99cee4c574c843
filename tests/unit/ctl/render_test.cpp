// What people and programs read of the queue: the shapes of mailq, and JSON.
#include "daemon/ctl/render.hpp"

#include <boost/json.hpp>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <ctime>

using namespace relais;
using namespace relais::ctl;
using spool::recipient_status;

namespace {

// 2026-08-06 10:11:12.345678 UTC, a Thursday.
constexpr wall_time arrival{std::chrono::microseconds(1786011072'345678)};

smtp::path address(std::string_view text) {
  return *smtp::parse_address(text);
}

spool::recipient_state state(recipient_status status, std::uint32_t attempts,
                             std::string diagnostic) {
  spool::recipient_state s;
  s.status = status;
  s.attempts = attempts;
  if (attempts > 0) s.next_attempt = arrival + std::chrono::minutes(5);
  s.diagnostic = std::move(diagnostic);
  return s;
}

spool::stored_message stored() {
  ::setenv("TZ", "UTC0", 1);
  ::tzset();
  spool::stored_message m;
  m.id = *queue_id::parse("01A1FC213F830000");
  m.arrival = arrival;
  m.content_size = 1234;
  m.envelope = {address("joe@example.org"), {address("ann@example.net"), address("bob@b.example")}};
  m.recipients = {state(recipient_status::pending, 0, ""),
                  state(recipient_status::pending, 2, "451 4.3.0 later")};
  return m;
}

boost::json::object object(const spool::stored_message& m) {
  return http::to_object(m);
}

std::string to_json(const spool::stored_message& m) {
  return http::to_line(object(m));
}

boost::json::object parsed(std::string_view text) {
  return boost::json::parse(boost::json::string_view(text.data(), text.size())).as_object();
}

}  // namespace

TEST_CASE("a message is listed in the columns of mailq, with its reasons at column 76") {
  CHECK(list_heading() + list_entry(object(stored())) ==
        "----Queue ID----- --Size-- ---Arrival Time---- --Sender/Recipient------\n"
        "01A1FC213F830000      1234 Thu Aug  6 10:11:12 joe@example.org\n"
        "                                               ann@example.net\n"
        "                         (451 4.3.0 later; next attempt Thu Aug  6 10:16:12)\n"
        "                                               bob@b.example\n"
        "\n");
}

TEST_CASE("a held message has an exclamation mark behind its id") {
  auto m = stored();
  m.is_held = true;
  CHECK(list_entry(object(m)).starts_with("01A1FC213F830000!     1234 Thu"));
}

TEST_CASE("the null sender is listed as MAILER-DAEMON") {
  auto m = stored();
  m.envelope.reverse_path = {};
  CHECK(list_entry(object(m)).find(" MAILER-DAEMON\n") != std::string::npos);
  CHECK(details(object(m)).find("sender      MAILER-DAEMON\n") != std::string::npos);
  CHECK(to_json(m).find(R"("reverse_path":"",)") != std::string::npos);
}

TEST_CASE("recipients that wait no more are not listed, but shown") {
  auto m = stored();
  m.recipients[0] = state(recipient_status::delivered, 1, "250 2.0.0 fine");
  CHECK(list_entry(object(m)).find("ann@") == std::string::npos);
  CHECK(details(object(m)) ==
        "id          01A1FC213F830000\n"
        "arrival     Thu Aug  6 10:11:12\n"
        "size        1234 octets\n"
        "held        no\n"
        "body        7BIT\n"
        "sender      joe@example.org\n"
        "recipient   ann@example.net\n"
        "            delivered, 1 attempt\n"
        "            250 2.0.0 fine\n"
        "recipient   bob@b.example\n"
        "            pending, 2 attempts, next attempt Thu Aug  6 10:16:12\n"
        "            451 4.3.0 later\n");
}

TEST_CASE("a recipient that was never tried is due at once") {
  CHECK(details(object(stored())).find("pending, next attempt at once\n") != std::string::npos);
}

TEST_CASE("what other hosts said cannot drive a terminal") {
  auto m = stored();
  m.recipients[1].diagnostic = "550 \x1b[2J\xc2\x9b no";
  CHECK(list_entry(object(m)).find("(550 \\x1b[2J\\xc2\\x9b no; next") != std::string::npos);
  CHECK(details(object(m)).find("550 \\x1b[2J\\xc2\\x9b no\n") != std::string::npos);
  CHECK(to_json(m).find("550 \\u001b[2J\\u009b no") != std::string::npos);
}

TEST_CASE("the last line is the one that monitoring scripts read") {
  CHECK(list_summary(0, 0) == "Mail queue is empty\n");
  CHECK(list_summary(1, 1) == "-- 1 Kbytes in 1 Request.\n");
  CHECK(list_summary(3, 12 * 1024) == "-- 12 Kbytes in 3 Requests.\n");
  CHECK(list_summary(3, 12 * 1024 + 1) == "-- 13 Kbytes in 3 Requests.\n");
}

TEST_CASE("the JSON of a message has every field, times in RFC 3339") {
  auto m = stored();
  m.envelope.body = smtp::body_type::eight_bit_mime;
  m.envelope.smtputf8 = true;
  m.is_held = true;
  CHECK(to_json(m) ==
        R"({"id":"01A1FC213F830000","size":1234,"arrival":"2026-08-06T10:11:12.345678Z",)"
        R"("held":true,"reverse_path":"joe@example.org","body":"8BITMIME","smtputf8":true,)"
        R"("recipients":[{"address":"ann@example.net","status":"pending","attempts":0,)"
        R"("next_attempt":null,"diagnostic":""},{"address":"bob@b.example","status":"pending",)"
        R"("attempts":2,"next_attempt":"2026-08-06T10:16:12.345678Z",)"
        R"("diagnostic":"451 4.3.0 later"}]})");
}

TEST_CASE("a string of JSON keeps every character and no control") {
  CHECK(json_string("a\"\\\n\x7f") == R"("a\"\\\n\u007f")");
  CHECK(json_string("J\xc3\xb6rg \xc2\xa0\xc2\x85\xc2") == "\"J\xc3\xb6rg \xc2\xa0\\u0085\xc2\"");
}

TEST_CASE("a time before 1970 has a positive fraction") {
  CHECK(rfc3339(wall_time(std::chrono::microseconds(-1))) == "1969-12-31T23:59:59.999999Z");
}

TEST_CASE("an array is legal JSON with no, one and two elements") {
  json_array none;
  CHECK(none.end() == "[]\n");
  json_array array;
  auto text = array.next("1");
  text += array.next("2");
  CHECK(text + array.end() == "[\n1,\n2\n]\n");
}

TEST_CASE("a recipient whose destination is closed says so, and when that ends") {
  auto o = object(stored());
  auto& second = o["recipients"].as_array()[1].as_object();
  second["next_hop"] = "[relay.example]:587";
  second["destination"] = parsed(
      R"({"state":"down","reason":"refused \u001b[2J","until":"2026-08-06T10:20:00.000000Z"})");
  CHECK(
      list_entry(o).find("(next hop [relay.example]:587 is down: refused \\x1b[2J; next probe Thu "
                         "Aug  6 10:20:00)\n") != std::string::npos);
  CHECK(
      details(o).ends_with("            next hop [relay.example]:587 is down: refused \\x1b[2J; "
                           "next probe Thu Aug  6 10:20:00\n"));
  second["destination"] = parsed(R"({"state":"suspended","reason":"","until":null})");
  CHECK(details(o).ends_with("            next hop [relay.example]:587 is suspended\n"));
}

TEST_CASE("what became of a message is one line") {
  struct row {
    std::string name, json, line;
  };
  const auto r = GENERATE(values<row>({
      {"a change",
       R"({"id":"01A1FC213F830000","known":true,"outcome":"held","size":12,)"
       R"("reverse_path":"a@b","recipients":2,"pending":2})",
       "01A1FC213F830000: held (12 octets from a@b, 2 pending)\n"},
      {"of some recipients",
       R"({"id":"01A1FC213F830000","known":true,"outcome":"would be removed",)"
       R"("size":12,"reverse_path":"","recipients":1,"pending":2})",
       "01A1FC213F830000: would be removed (12 octets from MAILER-DAEMON, 1 of 2 pending)\n"},
      {"nobody knows it", R"({"id":"\u001b[2J","known":false,"outcome":"no such message"})",
       "\\x1b[2J: no such message\n"},
      {"a daemon of another time", R"({"id":7,"size":"x"})", ": \n"},
  }));
  DYNAMIC_SECTION(r.name) {
    CHECK(outcome_line(parsed(r.json)) == r.line);
  }
}

TEST_CASE("the status names what is wrong") {
  ::setenv("TZ", "UTC0", 1);
  ::tzset();
  const auto state = parsed(
      R"({"version":"1.2","since":"2026-08-06T10:11:12.345678Z","ready":false,"reason":"full",)"
      R"("queue":{"messages":3,"oldest":"2026-08-06T09:11:12.345678Z","ready":1,"waiting":2,)"
      R"("stalled":7,"in_hand":4},"destinations":{"known":5,"down":1,"paused":0,"suspended":0,)"
      R"("closed":[{"destination":"far.example","state":"paused","reason":"421 4.7.0 slow",)"
      R"("until":"2026-08-06T10:20:00.000000Z","ready":0,"waiting":1,"stalled":7}]},)"
      R"("connections":{"clients":2,"deliveries":6}})");
  CHECK(status_text(state, arrival + std::chrono::minutes(5)) ==
        "relais 1.2, running since Thu Aug  6 10:11:12 (5m)\n"
        "intake        NO mail is taken: full\n"
        "queue         3 messages, the oldest since Thu Aug  6 09:11:12 (1h5m)\n"
        "deliveries    1 ready, 2 waiting, 7 waiting for their destination, 4 under way\n"
        "connections   2 of clients, 6 to next hops\n"
        "destinations  5: 1 down, 0 paused, 0 suspended\n"
        "              far.example (8 waiting): paused: 421 4.7.0 slow; until Thu Aug  6 "
        "10:20:00\n");
}

TEST_CASE("times are read as they are written, and nothing else is a time") {
  CHECK(parse_rfc3339(rfc3339(arrival)) == arrival);
  for (const std::string text :
       {"", "2026-08-06", "2026-08-06T10:11:12Z", "x", "2026-08-06T10:11:12.345678Z "}) {
    CHECK_FALSE(parse_rfc3339(text));
  }
}
