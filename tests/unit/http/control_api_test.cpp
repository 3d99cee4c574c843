// The control API as text: what is answered when the hand shows and does this and that.
#include "http/control_api.hpp"

#include <catch2/catch.hpp>
#include <deque>

#include "base/error.hpp"
#include "http/control_json.hpp"
#include "support/run_task.hpp"

namespace relais::http {
namespace {

using namespace std::chrono_literals;
using delivery::listed_message;
using spool::recipient_status;

const wall_time arrival{std::chrono::microseconds(1786011072'345678)};

listed_message listed(std::string_view id) {
  listed_message m;
  m.stored.id = *queue_id::parse(id);
  m.stored.arrival = arrival;
  m.stored.content_size = 1234;
  m.stored.envelope = {*smtp::parse_address("joe@a.example"),
                       {*smtp::parse_address("ann@far.example")}};
  m.stored.recipients.resize(1);
  m.next_hops = {"far.example"};
  m.obstacles.resize(1);
  return m;
}

class given_messages final : public delivery::message_stream {
 public:
  explicit given_messages(std::deque<listed_message> all) : all_(std::move(all)) {}
  net::task<std::vector<listed_message>> next(std::size_t most) override {
    std::vector<listed_message> some;
    while (!all_.empty() && some.size() < std::min<std::size_t>(most, 2)) {
      some.push_back(std::move(all_.front()));
      all_.pop_front();
      last_ = some.back().stored.id;
    }
    co_return some;
  }
  std::optional<delivery::queue_position> position() const override {
    if (all_.empty()) return {};
    delivery::queue_position at;
    at.part = 0x2f;
    at.after = last_;
    return at;
  }

 private:
  std::deque<listed_message> all_;
  queue_id last_;
};

/// Gives each piece once, then the end.
template <class T>
class given final : public delivery::stream_of<std::vector<T>> {
 public:
  explicit given(std::deque<std::vector<T>> pieces) : pieces_(std::move(pieces)) {}
  net::task<std::vector<T>> next() override {
    std::vector<T> piece;
    if (!pieces_.empty()) {
      piece = std::move(pieces_.front());
      pieces_.pop_front();
    }
    co_return piece;
  }

 private:
  std::deque<std::vector<T>> pieces_;
};

class three_octets final : public spool::content_reader {
 public:
  explicit three_octets(bool is_damaged) : is_damaged_(is_damaged) {}
  std::uint64_t size() const noexcept override { return 3; }
  result<std::string> next(std::size_t) override {
    if (is_damaged_) return errc::corrupt;
    return std::exchange(left_, "");
  }

 private:
  bool is_damaged_;
  std::string left_ = "a\r\n";
};

delivery::order_outcome outcome(std::string_view id, bool known, error_code error) {
  delivery::order_outcome o;
  o.id = *queue_id::parse(id);
  o.is_known = known;
  o.changes = known && !error;
  o.error = error;
  o.sentence = known ? (error ? "not held: " + error.message() : "held") : "no such message";
  o.octets = 1234;
  o.sender = "joe@a.example";
  o.recipients = o.pending = 2;
  return o;
}

delivery::destination_view down(std::string name) {
  delivery::destination_view d;
  d.name = std::move(name);
  d.route = "MX";
  d.state = queue::destination_state::down;
  d.reason = "connect to mx.far.example[192.0.2.9]:25: \x1b[2J";
  d.until = arrival;
  d.stalled = 7;
  d.failures = 3;
  return d;
}

/// Shows what a test has put there, and notes what it was told to do.
class scripted_hand final : public delivery::operations {
 public:
  std::string fault;
  std::deque<listed_message> messages;
  bool is_damaged = false;
  std::string ordered;
  std::vector<delivery::destination_view> all_destinations;

  std::string not_ready() const override { return fault; }
  net::task<delivery::relay_view> status() override {
    delivery::relay_view v;
    v.since = arrival;
    v.not_ready = fault;
    v.messages = 3;
    v.oldest = arrival;
    v.stalled = 7;
    v.destinations = 5;
    v.down = 1;
    v.troubles = all_destinations;
    v.clients = 2;
    v.deliveries = 4;
    co_return v;
  }
  std::unique_ptr<delivery::message_stream> list(std::shared_ptr<const queue::selector>,
                                                 delivery::queue_position) override {
    return std::make_unique<given_messages>(messages);
  }
  net::task<std::optional<listed_message>> show(queue_id id) override {
    for (const auto& m : messages)
      if (m.stored.id == id) co_return m;
    co_return std::nullopt;
  }
  net::task<result<queue::spool_gate::download>> open_content(queue_id id) override {
    if (id != queue_id{1}) co_return errc::not_found;
    co_return std::make_shared<three_octets>(is_damaged);
  }
  net::task<result<std::string>> next_piece(queue::spool_gate::download from,
                                            std::size_t limit) override {
    co_return from->next(limit);
  }
  std::unique_ptr<delivery::outcome_stream> carry_out(delivery::order what) override {
    ordered = (what.is_dry ? "dry run by " : "by ") + what.by;
    std::deque<std::vector<delivery::order_outcome>> pieces;
    pieces.push_back({outcome("01A1FC213F830000", true, {})});
    pieces.push_back({outcome("01A1FC213F840000", true, make_error_code(errc::no_space)),
                      outcome("01A1FC213F850000", false, {})});
    return std::make_unique<given<delivery::order_outcome>>(std::move(pieces));
  }
  bool is_next_hop(const std::string& text) const override { return text == "b.example"; }
  std::unique_ptr<delivery::destination_stream> destinations(bool) override {
    std::deque<std::vector<delivery::destination_view>> pieces;
    for (const auto& d : all_destinations) pieces.push_back({d});
    return std::make_unique<given<delivery::destination_view>>(std::move(pieces));
  }
  net::task<std::vector<delivery::destination_view>> carry_out(delivery::destination_verb,
                                                               std::string name,
                                                               std::string by) override {
    ordered = name + " by " + by;
    std::vector<delivery::destination_view> seen;
    if (name == "far.example") seen = all_destinations;
    co_return seen;
  }
};

struct heard {
  unsigned status = 0;
  std::string type, body;
  bool is_cut_off = false;
};

net::task<void> ask_for(request asked, delivery::operations& hand, heard& all) {
  auto r = co_await answer_control(std::move(asked), hand);
  all.status = r.status;
  all.type = r.type;
  all.body = r.body;
  while (r.rest) {
    const auto piece = co_await r.rest->next();
    all.is_cut_off = !piece;
    if (!piece || piece->empty()) break;
    all.body += *piece;
  }
}

heard ask(delivery::operations& hand, std::string method, std::string target,
          std::string body = "") {
  request asked;
  asked.method = std::move(method);
  asked.target = std::move(target);
  asked.body = std::move(body);
  asked.user = 0;
  heard all;
  boost::asio::io_context io;
  testing::run_task(io, ask_for(std::move(asked), hand, all));
  return all;
}

std::string message_line(std::string_view id) {
  return R"({"id":")" + std::string(id) +
         R"(","size":1234,"arrival":"2026-08-06T10:11:12.345678Z","held":false,)"
         R"("reverse_path":"joe@a.example","body":"7BIT","smtputf8":false,"recipients":[)"
         R"({"address":"ann@far.example","status":"pending","attempts":0,"next_attempt":null,)"
         R"("diagnostic":"","next_hop":"far.example"}]})";
}

TEST_CASE("a list has one message in each line, and is JSON as a whole") {
  scripted_hand hand;
  CHECK(ask(hand, "GET", "/v1/queue").body == "{\"messages\":[],\"next\":null}\n");
  hand.messages = {listed("01A1FC213F830000"), listed("01A1FC213F840000"),
                   listed("01A1FC213F850000")};
  const auto all = ask(hand, "GET", "/v1/queue");
  CHECK(all.status == 200);
  CHECK(all.type == "application/json");
  CHECK(all.body == "{\"messages\":[\n" + message_line("01A1FC213F830000") + ",\n" +
                        message_line("01A1FC213F840000") + ",\n" +
                        message_line("01A1FC213F850000") + "\n],\"next\":null}\n");
}

TEST_CASE("a list that is cut by its limit says where it goes on") {
  scripted_hand hand;
  hand.messages = {listed("01A1FC213F830000"), listed("01A1FC213F840000"),
                   listed("01A1FC213F850000")};
  CHECK(ask(hand, "GET", "/v1/queue?limit=1").body ==
        "{\"messages\":[\n" + message_line("01A1FC213F830000") +
            "\n],\"next\":\"2f-01A1FC213F830000\"}\n");
  CHECK(ask(hand, "GET", "/v1/queue?limit=3").body.ends_with("\"next\":null}\n"));
}

TEST_CASE("a recipient whose destination is closed says why") {
  scripted_hand hand;
  auto m = listed("0000000000000001");
  m.stored.is_held = true;
  m.stored.next_hop = "b.example";
  m.stored.recipients[0].attempts = 2;
  m.stored.recipients[0].next_attempt = arrival + 5min;
  m.stored.recipients[0].diagnostic = "451 later";
  m.obstacles[0].state = queue::destination_state::paused;
  m.obstacles[0].reason = "reply_rules";
  m.obstacles[0].until = arrival;
  hand.messages = {m};
  CHECK(ask(hand, "GET", "/v1/queue/0000000000000001").body ==
        R"({"id":"0000000000000001","size":1234,"arrival":"2026-08-06T10:11:12.345678Z",)"
        R"("held":true,"reverse_path":"joe@a.example","body":"7BIT","smtputf8":false,)"
        R"("routed_to":"b.example","recipients":[{"address":"ann@far.example",)"
        R"("status":"pending","attempts":2,"next_attempt":"2026-08-06T10:16:12.345678Z",)"
        R"("diagnostic":"451 later","next_hop":"far.example","destination":)"
        R"({"state":"paused","reason":"reply_rules","until":"2026-08-06T10:11:12.345678Z"}}]})"
        "\n");
  const auto missing = ask(hand, "GET", "/v1/queue/0000000000000002");
  CHECK(missing.status == 404);
  CHECK(missing.body == "{\"error\":\"no such message\"}\n");
}

TEST_CASE("a content comes as it is, or is cut off where it is damaged") {
  scripted_hand hand;
  const auto whole = ask(hand, "GET", "/v1/queue/0000000000000001/content");
  CHECK(whole.type == "message/rfc822");
  CHECK(whole.body == "a\r\n");
  CHECK_FALSE(whole.is_cut_off);
  CHECK(ask(hand, "GET", "/v1/queue/0000000000000002/content").status == 404);
  hand.is_damaged = true;
  CHECK(ask(hand, "GET", "/v1/queue/0000000000000001/content").is_cut_off);
}

TEST_CASE("an order tells the outcome of each message, then the sum") {
  scripted_hand hand;
  const auto done = ask(hand, "POST", "/v1/queue/hold", R"({"all":true,"confirm":true})");
  CHECK(hand.ordered == "by uid 0");
  CHECK(
      done.body ==
      R"({"verb":"hold","dry_run":false,"outcomes":[)"
      "\n"
      R"({"id":"01A1FC213F830000","known":true,"changed":true,"failed":false,"in_hand":false,)"
      R"("outcome":"held","size":1234,"reverse_path":"joe@a.example","recipients":2,"pending":2},)"
      "\n"
      R"({"id":"01A1FC213F840000","known":true,"changed":false,"failed":true,"in_hand":false,)"
      R"("outcome":"not held: )" +
          make_error_code(errc::no_space).message() +
          R"(","size":1234,"reverse_path":"joe@a.example","recipients":2,"pending":2},)"
          "\n"
          R"({"id":"01A1FC213F850000","known":false,"changed":false,"failed":false,)"
          R"("in_hand":false,"outcome":"no such message"})"
          "\n],\"selected\":2,\"changed\":1,\"failed\":1}\n");
  ask(hand, "POST", "/v1/queue/hold", R"({"all":true,"dry_run":true})");
  CHECK(hand.ordered == "dry run by uid 0");
}

TEST_CASE("what makes no sense is refused before anything is done") {
  scripted_hand hand;
  CHECK(ask(hand, "POST", "/v1/queue/hold", R"({"sender":"a b","confirm":true})").body ==
        "{\"error\":\"\\\"a b\\\" can be no sender\"}\n");
  CHECK(ask(hand, "POST", "/v1/queue/remove", R"({"all":true})").status == 409);
  CHECK(ask(hand, "POST", "/v1/queue/reroute", R"({"id":"0000000000000001","next_hop":"nowhere"})")
            .status == 400);
  CHECK(hand.ordered.empty());
  CHECK(
      ask(hand, "POST", "/v1/queue/reroute", R"({"id":"0000000000000001","next_hop":"b.example"})")
          .status == 200);
}

TEST_CASE("while the spool is being read there is a status and nothing else") {
  scripted_hand hand;
  hand.fault = "the spool is still being read";
  CHECK(ask(hand, "GET", "/v1/status").status == 200);
  for (const std::string target : {"/v1/queue", "/v1/queue/0000000000000001",
                                   "/v1/queue/0000000000000001/content", "/v1/destinations"}) {
    const auto no = ask(hand, "GET", target);
    CHECK(no.status == 503);
    CHECK(no.body == "{\"error\":\"the spool is still being read\"}\n");
  }
  CHECK(ask(hand, "POST", "/v1/queue/remove", R"({"id":"0000000000000001"})").status == 503);
  CHECK(hand.ordered.empty());
}

TEST_CASE("the status says how the relay is, and which destinations are closed") {
  scripted_hand hand;
  hand.all_destinations = {down("far.example")};
  const auto line =
      R"({"destination":"far.example","route":"MX","state":"down","reason":)"
      R"("connect to mx.far.example[192.0.2.9]:25: \u001b[2J",)"
      R"("until":"2026-08-06T10:11:12.345678Z","ready":0,"waiting":0,"stalled":7,"in_hand":0,)"
      R"("failures":3})";
  CHECK(ask(hand, "GET", "/v1/status").body ==
        "{\"version\":\"" RELAIS_VERSION
        "\",\"since\":\"2026-08-06T10:11:12.345678Z\",\"ready\":true,\"reason\":\"\",\"queue\":{"
        "\"messages\":3,\"oldest\":\"2026-08-06T10:11:12.345678Z\",\"ready\":0,\"waiting\":0,"
        "\"stalled\":7,\"in_hand\":0},\"destinations\":{\"known\":5,\"down\":1,\"paused\":0,"
        "\"suspended\":0,\"closed\":[" +
            std::string(line) + "]},\"connections\":{\"clients\":2,\"deliveries\":4}}\n");
  CHECK(ask(hand, "GET", "/v1/destinations").body ==
        "{\"destinations\":[\n" + std::string(line) + "\n]}\n");
}

TEST_CASE("a destination that is not there is told so") {
  scripted_hand hand;
  hand.all_destinations = {down("far.example")};
  const auto there =
      ask(hand, "POST", "/v1/destinations/resume", R"({"destination":"far.example"})");
  CHECK(hand.ordered == "far.example by uid 0");
  CHECK(there.body.starts_with("{\"destinations\":[\n{\"destination\":\"far.example\""));
  CHECK(ask(hand, "POST", "/v1/destinations/resume", R"({"destination":"x.example"})").status ==
        404);
  const auto all = ask(hand, "POST", "/v1/destinations/retry", R"({"all":true})");
  CHECK(all.body == "{\"destinations\":[]}\n");
}

TEST_CASE("controls of the second kind are escaped in JSON") {
  CHECK(json_string("a\x7f\xc2\x9b"
                    "b\xc3\xa9\n") == "\"a\\u007f\\u009bb\xc3\xa9\\n\"");
}

}  // namespace
}  // namespace relais::http
