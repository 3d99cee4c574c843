// A stop while mail is on its way: who has not begun a transaction ends at once and unblamed, who
// is amid one may end it.
#include <boost/asio/this_coro.hpp>
#include <catch2/catch.hpp>
#include <memory>

#include "session/connections_scene.hpp"
#include "support/relay_scene.hpp"

namespace relais::testing {
namespace {

using namespace std::chrono_literals;

// What a stop does not end goes on for hours here.
constexpr auto for_hours = 5h;

struct scene : relay_scene {
  scene() : relay_scene(1) {
    auto& t = relay.settings.client_timeout;
    t.connect = t.greeting = t.hello = t.end_of_data = for_hours;
    relay.settings.server_timeout.shutdown = for_hours;
    relay.settings.delivery.concurrency_per_destination = 1;
    dns.add_mx("far.test", 20, "mx2.far.test");
    dns.add_address("mx2.far.test", second_address.text());
  }
  ~scene() {
    relay.shut_down(2 * for_hours);
    if (!deaf) return;
    deaf->stop();
    world.run_until([&] { return deaf->is_idle(); }, 1min);
  }
  void black_hole(const ip_address& address) { world.connect_takes[address] = 2 * for_hours; }
  void submit() {
    client_session client;
    client.lines = {"EHLO c.test\r\n",
                    "MAIL FROM:<me@here.test>\r\n",
                    "RCPT TO:<you@far.test>\r\n",
                    "DATA\r\n",
                    "Subject: x\r\n\r\n" + std::string(200, 'x') + "\r\n.\r\n",
                    "QUIT\r\n"};
    run_client(world, clients, endpoint{simulated_relay::address, 25}, client);
    REQUIRE(world.run_until([&] { return client.over; }, 1min));
  }
  void pass(duration time) {
    world.at(world.clock.now() + time, [] {});
    world.run_until([] { return false; }, time);
  }
  /// One answer of the DNS takes so long, whoever waits for it.
  net::task<void> think_about(std::string question, duration time, bool may_be_cancelled) {
    if (dns.asked.back() != question) co_return;
    if (!may_be_cancelled) {
      const auto none = net::asio::disable_cancellation();
      co_await net::asio::this_coro::reset_cancellation_state(none);
    }
    co_await net::sleep_for(world.runtime(simulated_relay::address), time);
  }

  ip_address second_address = *ip_address::parse("198.51.100.26");
  std::unique_ptr<mail_host> deaf;  ///< answers no EHLO
};

TEST_CASE("a stop does not wait for sessions that have no connection yet and blames nobody") {
  struct row {
    std::string name;
    void (*prepare)(scene&);
  };
  const auto r = GENERATE(values<row>({
      {"the DNS does not answer",
       [](scene& s) {
         s.dns.before_answering = [&s] { return s.think_about("MX far.test", for_hours, true); };
       }},
      {"the host does not answer", [](scene& s) { s.black_hole(s.remote_address); }},
      {"two hosts are raced",
       [](scene& s) {
         s.dns.zone["far.test"].mx.back().preference = 10;
         s.black_hole(s.remote_address);
         s.black_hole(s.second_address);
       }},
      {"it does not greet",
       [](scene& s) {
         s.remote_comes_up();
         s.remote->silent = 1000;
       }},
      {"it does not answer EHLO",
       [](scene& s) {
         s.deaf = std::make_unique<mail_host>(s.world, endpoint{s.remote_address, 25});
         s.deaf->is_deaf = true;
       }},
      {"another host may have what the first one lacks",
       [](scene& s) {
         s.remote_comes_up();
         s.remote->message_size = 100;
         s.black_hole(s.second_address);
       }},
  }));
  DYNAMIC_SECTION(r.name) {
    scene s;
    r.prepare(s);
    s.relay.start();
    s.submit();
    s.pass(1min);
    CHECK(s.relay.shut_down(1s));
    CHECK(s.relay.is_deserted());
    INFO(s.relay.log.text());
    CHECK(s.relay.log.count("status=") == 0);
    CHECK(s.relay.log.count("smtp: ") == 0);
    CHECK(s.relay.log.count("cut off") == 0);
    const auto left = s.relay.spooled();
    REQUIRE(left.size() == 1);
    CHECK(left[0].recipients == std::vector<spool::recipient_state>(1));
  }
}

TEST_CASE("a stop lets the transaction that is under way end and begins no other") {
  scene s;
  s.remote_comes_up();
  s.remote->thinking_time = 1h;
  s.relay.start();
  s.submit();
  s.submit();
  s.pass(1min);
  REQUIRE(s.remote->open_now == 1);
  CHECK(s.relay.shut_down(2h));
  CHECK(s.relay.is_deserted());
  CHECK(s.remote->taken.size() == 1);
  CHECK(s.relay.log.count("status=sent") == 1);
  CHECK(s.relay.log.count("status=") == 1);
  CHECK(s.relay.spooled().size() == 1);
}

TEST_CASE("a relay that somebody is left in knows it") {
  scene s;
  s.relay.settings.server_timeout.shutdown = 1s;
  s.dns.before_answering = [&s] { return s.think_about("MX far.test", for_hours, false); };
  s.relay.start();
  s.submit();
  s.pass(1s);
  CHECK(s.relay.shut_down(1min));
  CHECK_FALSE(s.relay.is_deserted());
  CHECK(s.relay.log.count("1 deliveries and 0 sessions did not end in time") == 1);
  s.pass(2 * for_hours);
}

}  // namespace
}  // namespace relais::testing
