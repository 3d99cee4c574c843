// What an envelope asks for on its way out: engine, settler, schedule and spool in the simulated
// world, with two hosts for far.test that offer what each test says.
#include <catch2/catch.hpp>

#include "delivery/engine.hpp"
#include "support/fake_resolver.hpp"
#include "support/scripted_mta.hpp"
#include "support/sim_disk.hpp"
#include "support/sim_world.hpp"

namespace relais::testing {
namespace {

using namespace std::chrono_literals;
using smtp::extension;

class event_lines final : public event_sink {
 public:
  void emit(const event& e) noexcept override { text += to_text(e) + '\n'; }
  bool has(std::string_view part) const { return text.find(part) != std::string::npos; }
  std::string text;
};

smtp::extension_set without(const std::vector<extension>& missing) {
  auto set = smtp::extension_set::usual();
  for (const auto e : missing) set.remove(e);
  return set;
}

struct scene {
  explicit scene(std::uint64_t seed = 1) : world(seed) {
    for (const int i : {1, 2}) {
      const auto name = "mx" + std::to_string(i) + ".far.test";
      const auto address = "198.51.100." + std::to_string(i);
      dns.add_mx("far.test", static_cast<std::uint16_t>(i), name);
      dns.add_address(name, address);
    }
    dns.add_mx("here.test", 1, "mx.here.test");
    dns.add_address("mx.here.test", "198.51.100.9");
    first = host("198.51.100.1");
    second = host("198.51.100.2");
    home = host("198.51.100.9");
    schedule.intervals = {30min};
    schedule.lifetime = 5h;
    schedule.bounce_lifetime = 5h;
    std::string why;
    auto opened = spool::open_store({disk, *jobs, *jobs, world.clock}, {}, why);
    if (!opened) throw std::runtime_error(why);
    store = std::move(opened->store);
    if (!store->enumerate([](const spool::stored_message&) {})) throw std::runtime_error("spool");
    gate = std::make_unique<queue::spool_gate>(*store, *readers, here);
    settler = std::make_unique<delivery::settler>(here, "relay.test", schedule, scheduler, *gate,
                                                  ids, budget, log);
    delivery::engine_options options;
    options.session.hostname = "relay.test";
    options.session.tls = smtp::tls_level::none;
    options.hosts.own_name = "relay.test";
    options.is_own = [](const endpoint&) { return false; };
    engine = std::make_unique<delivery::engine>(here, std::move(options), dns, scheduler, *gate,
                                                *settler, budget, log);
  }
  ~scene() {
    engine->stop();
    for (auto* mta : {first.get(), second.get(), home.get()})
      if (mta != nullptr) mta->stop();
    world.run_until([] { return false; }, 1h);
  }
  scene(const scene&) = delete;
  scene& operator=(const scene&) = delete;

  std::unique_ptr<scripted_mta> host(const char* address) {
    const auto at = *ip_address::parse(address);
    return std::make_unique<scripted_mta>(world.runtime(at), endpoint{at, 25}, "mx.test");
  }
  /// me@here.test to joe@far.test.
  static smtp::envelope letter() {
    return {smtp::parse_address("me@here.test").value(),
            {smtp::parse_address("joe@far.test").value()}};
  }
  /// Takes the message as the relay does; the future is up to the test.
  void submit(smtp::envelope envelope, std::string content = "Subject: x\r\n\r\nbody\r\n") {
    const auto made = std::make_shared<spool::message>();
    made->id = ids.next(world.clock.wall());
    made->arrival = world.clock.wall();
    made->envelope = std::move(envelope);
    made->content = std::move(content);
    store->append({made, {}, 0}, nobody);
    scheduler.add(queue::make_queued(made, queue::memory_lease(budget)));
  }
  void run(duration time) {
    world.at(world.clock.now() + time, [] {});  // so that it passes
    world.run_until([] { return false; }, time);
  }
  /// The reports that came home.
  std::string reports() const {
    std::string all;
    for (const auto& r : home->taken) all += r.content;
    return all;
  }

  struct no_sink final : spool::completion_sink {
    void complete(std::vector<spool::completion>) override {}
  };
  sim_world world;
  const net::runtime& here = world.runtime(*ip_address::parse("192.0.2.1"));
  sim_disk disk;
  fake_resolver dns;
  event_lines log;
  std::unique_ptr<scripted_mta> first, second, home;
  no_sink nobody;
  std::unique_ptr<spool::store> store;
  std::unique_ptr<spool::runner> jobs = world.make_runner(), readers = world.make_runner(2);
  policy::retry_schedule schedule;
  queue_id_source ids;
  queue::memory_budget budget{16 << 20};
  config::settings settings;
  policy::routes routes{settings};
  queue::scheduler scheduler{here, routes};
  std::unique_ptr<queue::spool_gate> gate;
  std::unique_ptr<delivery::settler> settler;
  std::unique_ptr<delivery::engine> engine;
};

bool has(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

TEST_CASE("what a message asks for arrives at a host that offers it") {
  scene s;
  auto e = scene::letter();
  e.ret = smtp::dsn_return::headers;
  e.envelope_id = "id+2B1";
  e.priority = 3;
  e.by = smtp::deliver_by{s.world.clock.wall() + 1h, true, false};
  e.recipient_options.resize(1);
  e.recipient_options[0].notify.success = true;
  e.recipient_options[0].original_recipient = "rfc822;jim@old.test";
  s.submit(e);
  s.run(1h);
  REQUIRE(s.first->taken.size() == 1);
  const auto& got = s.first->taken[0];
  CHECK(got.mail.ret == smtp::dsn_return::headers);
  CHECK(got.mail.envelope_id == "id+2B1");
  CHECK(got.mail.priority == 3);
  REQUIRE(got.mail.by);
  CHECK(got.mail.by->seconds > 3500);
  CHECK(got.mail.by->seconds < 3600);
  REQUIRE(got.rcpt.size() == 1);
  CHECK(got.rcpt[0].notify.success);
  CHECK(got.rcpt[0].original_recipient == "rfc822;jim@old.test");
  CHECK(s.home->taken.empty());  // success is the next host's to tell
}

TEST_CASE("binary content passes octet for octet, in one chunk") {
  scene s;
  auto e = scene::letter();
  e.body = smtp::body_type::binary_mime;
  std::string content = "Subject: x\r\n\r\n.\r\n.\n\r \n.dot\r\n.\r\n";
  content += std::string(1, '\0') + std::string(200'000, '\xff') + "\r";
  s.submit(e, content);
  s.run(1h);
  REQUIRE(s.first->taken.size() == 1);
  CHECK(s.first->taken[0].content == content);
  CHECK(s.first->taken[0].mail.body == smtp::body_type::binary_mime);
}

struct need_row {
  std::string name;
  std::string status;  ///< of the report, where no host offers it
  std::vector<extension> missing;
  void (*ask)(smtp::envelope&, wall_time now);
};

TEST_CASE("where one host lacks what a message needs, another may have it") {
  const auto r = GENERATE(values<need_row>({
      {"BINARYMIME",
       "5.6.3",
       {extension::binary_mime},
       [](smtp::envelope& e, wall_time) { e.body = smtp::body_type::binary_mime; }},
      {"CHUNKING",
       "5.6.3",
       {extension::chunking},
       [](smtp::envelope& e, wall_time) { e.body = smtp::body_type::binary_mime; }},
      {"SMTPUTF8 of a header",
       "5.6.7",
       {extension::smtputf8},
       [](smtp::envelope& e, wall_time) { e.smtputf8 = true; }},
      {"SMTPUTF8 of an address",
       "5.6.7",
       {extension::smtputf8},
       [](smtp::envelope& e, wall_time) {
         e.smtputf8 = true;
         e.forward_paths[0] = smtp::parse_address("j\xc3\xb6@far.test").value();
       }},
      {"DELIVERBY",
       "5.3.3",
       {extension::deliver_by},
       [](smtp::envelope& e, wall_time now) { e.by = smtp::deliver_by{now + 1h, true, false}; }},
  }));
  DYNAMIC_SECTION(r.name) {
    scene s;
    s.first->extensions = without(r.missing);
    auto e = scene::letter();
    r.ask(e, s.world.clock.wall());
    SECTION("it is there") {
      s.submit(e);
      s.run(1h);
      INFO(s.log.text);
      CHECK(s.first->taken.empty());
      CHECK(s.second->taken.size() == 1);
      CHECK(s.home->taken.empty());
    }
    SECTION("nobody has it") {
      s.second->extensions = s.first->extensions;
      s.submit(e);
      s.run(1h);
      INFO(s.log.text);
      CHECK(s.first->taken.empty());
      CHECK(s.second->taken.empty());
      REQUIRE(s.home->taken.size() == 1);
      CHECK(has(s.reports(), "Action: failed\r\nStatus: " + r.status + "\r\n"));
      CHECK(s.first->connections == 1);
      CHECK(s.second->connections == 1);
    }
    SECTION("the other host cannot be asked now") {
      s.second->stop();
      s.run(1s);
      s.second.reset();
      s.submit(e);
      s.run(10min);
      INFO(s.log.text);
      CHECK(s.home->taken.empty());
      CHECK(s.log.has("status=deferred"));
      s.second = s.host("198.51.100.2");
      s.run(1h);
      CHECK((r.name == "DELIVERBY" || s.second->taken.size() == 1));
    }
  }
}

TEST_CASE("recipients that one host cannot take go elsewhere, the others do not wait") {
  scene s;
  s.first->extensions = without({extension::smtputf8});
  auto e = scene::letter();
  e.forward_paths.push_back(smtp::parse_address("j\xc3\xb6@far.test").value());
  s.submit(e);
  s.run(1h);
  REQUIRE(s.first->taken.size() == 1);
  CHECK(s.first->taken[0].forward_paths == std::vector<std::string>{"joe@far.test"});
  REQUIRE(s.second->taken.size() == 1);
  CHECK(s.second->taken[0].forward_paths == std::vector<std::string>{"j\xc3\xb6@far.test"});
  CHECK(s.home->taken.empty());
}

TEST_CASE("a message too large for one host is taken by another") {
  scene s;
  s.first->message_size = 1000;
  s.submit(scene::letter(), "Subject: x\r\n\r\n" + std::string(2000, 'x') + "\r\n");
  s.run(1h);
  CHECK(s.first->taken.empty());
  CHECK(s.second->taken.size() == 1);
}

TEST_CASE("REQUIRETLS without verified TLS is returned and never sent") {
  scene s;
  auto e = scene::letter();
  e.require_tls = true;
  s.submit(e);
  s.run(1h);
  CHECK(s.first->taken.empty());
  CHECK(s.second->taken.empty());
  CHECK(has(s.reports(), "Status: 5.7.30\r\n"));
}

TEST_CASE("success is reported where the next host cannot") {
  scene s;
  s.first->extensions = without({extension::dsn});
  auto e = scene::letter();
  e.envelope_id = "QQ314159+2Bx";
  e.recipient_options.resize(1);
  e.recipient_options[0].notify.success = true;
  e.recipient_options[0].original_recipient = "rfc822;Bob+40far.test";
  s.submit(e);
  s.run(1h);
  REQUIRE(s.first->taken.size() == 1);
  REQUIRE(s.home->taken.size() == 1);
  const auto report = s.reports();
  CHECK(has(report, "Subject: Successful Mail Delivery Report\r\n"));
  CHECK(has(report, "Original-Envelope-Id: QQ314159+x\r\nReporting-MTA"));
  CHECK(has(report,
            "Original-Recipient: rfc822; Bob@far.test\r\nFinal-Recipient: rfc822; joe@far.test\r\n"
            "Action: relayed\r\nStatus: 2.0.0\r\n"));
  CHECK(s.home->taken[0].reverse_path.empty());
}

TEST_CASE("a sender gets the reports that were asked for") {
  struct report_row {
    smtp::dsn_notify notify;
    bool fails, reported;
  };
  const auto r = GENERATE(values<report_row>({{{}, true, true},
                                              {{}, false, false},
                                              {{true, false, false, false}, true, false},
                                              {{true, false, false, false}, false, false},
                                              {{false, true, false, false}, true, false},
                                              {{false, true, false, false}, false, true},
                                              {{false, false, true, false}, true, true},
                                              {{false, false, true, false}, false, false},
                                              {{false, false, false, true}, true, false},
                                              {{false, true, true, true}, true, true}}));
  scene s;
  s.first->extensions = without({extension::dsn});
  if (r.fails) s.first->answers = {smtp::reply_id::transaction_failed};
  auto e = scene::letter();
  e.recipient_options.resize(1);
  e.recipient_options[0].notify = r.notify;
  s.submit(e);
  s.run(1h);
  INFO(s.log.text);
  CHECK(s.home->taken.size() == (r.reported ? 1 : 0));
  CHECK(s.log.has(": removed"));
}

TEST_CASE("RET says how much of a failed message comes back") {
  struct ret_row {
    smtp::dsn_return ret;
    std::size_t body;
    bool full;
  };
  const auto r = GENERATE(values<ret_row>({{smtp::dsn_return::unspecified, 10, false},
                                           {smtp::dsn_return::headers, 10, false},
                                           {smtp::dsn_return::full, 10, true},
                                           {smtp::dsn_return::full, 500'000, true},
                                           {smtp::dsn_return::full, 2'000'000, false}}));
  scene s;
  s.first->answers = {smtp::reply_id::transaction_failed};
  auto e = scene::letter();
  e.ret = r.ret;
  std::string body;
  while (body.size() < r.body) body += "the body\r\n";
  s.submit(e, "Subject: x\r\n\r\n" + body);
  s.run(1h);
  const auto report = s.reports();
  CHECK(has(report, "Subject: x\r\n"));
  CHECK(has(report, body) == r.full);
  CHECK(has(report, r.full ? "message/rfc822" : "text/rfc822-headers"));
}

TEST_CASE("a message for later waits until then, and its life begins then") {
  scene s;
  s.first->answers = {smtp::reply_id::queue_write_failed};
  auto e = scene::letter();
  const auto begin = s.world.clock.now();
  e.hold_until = s.world.clock.wall() + 48h;
  s.submit(e);
  s.run(47h);
  CHECK(s.first->attempts.empty());
  s.run(4h);
  INFO(s.log.text);
  REQUIRE(s.first->attempts.size() == 2);
  CHECK(s.first->attempts[0] - begin >= 48h);
  CHECK(s.first->attempts[0] - begin < 48h + 1min);
  CHECK(s.first->taken.size() == 1);
  CHECK(s.home->taken.empty());
}

TEST_CASE("what was to wait when the relay stopped waits on") {
  const auto now = wall_time(std::chrono::seconds(1'800'000'000));
  spool::stored_message found;
  found.envelope = scene::letter();
  found.recipients.resize(1);
  CHECK(queue::make_queued(found, now, 4h)->recipients[0].next_attempt == wall_time{});
  found.envelope.hold_until = now + 48h;
  CHECK(queue::make_queued(found, now, 4h)->recipients[0].next_attempt == now + 48h);
  found.recipients[0].attempts = 1;
  found.recipients[0].next_attempt = now + 100h;
  CHECK(queue::make_queued(found, now, 4h)->recipients[0].next_attempt == now + 4h);
}

TEST_CASE("a delivery that must be in time is given up at the end of it") {
  scene s;
  s.first->answers = {smtp::reply_id::queue_write_failed};
  auto e = scene::letter();
  e.by = smtp::deliver_by{s.world.clock.wall() + 10min, true, false};
  s.submit(e);
  s.run(11min);
  INFO(s.log.text);
  CHECK(s.first->taken.empty());
  CHECK(s.first->attempts.size() == 1);
  REQUIRE(s.home->taken.size() == 1);
  CHECK(has(s.reports(), "Action: failed\r\nStatus: 5.4.7\r\n"));
}

}  // namespace
}  // namespace relais::testing
