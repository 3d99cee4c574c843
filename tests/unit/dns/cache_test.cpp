// The cache in front of a resolver, with a clock that a test sets.
#include "dns/cache.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <catch2/catch.hpp>

#include "run_task.hpp"
#include "support/fake_resolver.hpp"

using namespace relais;
using namespace relais::dns;
using namespace std::chrono_literals;
using relais::testing::dns_failure;
using relais::testing::fake_resolver;
using relais::testing::run_task;

namespace {

class settable_clock final : public clock {
 public:
  steady_time now() const override { return now_; }
  wall_time wall() const override { return {}; }
  void advance(duration d) { now_ += d; }

 private:
  steady_time now_{1000h};
};

struct world {
  net::asio::io_context io;
  settable_clock time;
  fake_resolver source;
  caching_resolver cache{source, time, small()};

  static cache_options small() {
    cache_options o;
    o.maximum_entries = 3;
    return o;
  }
  auto mx(const std::string& name) { return run_task(io, cache.mx(name)); }
  auto v4(const std::string& name) {
    return run_task(io, cache.addresses(name, resolver::family::v4));
  }
  auto v6(const std::string& name) {
    return run_task(io, cache.addresses(name, resolver::family::v6));
  }
  std::size_t asked() const { return source.asked.size(); }
};

}  // namespace

TEST_CASE("an answer is remembered until its TTL has passed, and its TTL shrinks", "[dns]") {
  world w;
  w.source.add_mx("d.test", 10, "mx.d.test");
  w.source.ttl = 100;
  CHECK(w.mx("d.test")->ttl == 100);
  w.time.advance(99s);
  const auto known = w.mx("D.test.");
  REQUIRE(known.has_value());
  CHECK(known->records == std::vector<mx_record>{{10, "mx.d.test"}});
  CHECK(known->ttl == 1);
  CHECK(w.asked() == 1);
  w.time.advance(1s);
  CHECK(w.mx("d.test")->ttl == 100);
  CHECK(w.asked() == 2);
}

TEST_CASE("types and families are remembered apart", "[dns]") {
  world w;
  w.source.add_mx("d.test", 10, "mx.d.test");
  w.source.add_address("d.test", "192.0.2.1");
  w.source.add_address("d.test", "2001:db8::1");
  for (int round = 0; round < 2; ++round) {
    CHECK(w.mx("d.test")->records.size() == 1);
    CHECK(w.v4("d.test")->records.front().text() == "192.0.2.1");
    CHECK(w.v6("d.test")->records.front().text() == "2001:db8::1");
  }
  CHECK(w.asked() == 3);
}

TEST_CASE("names of an address are remembered, and that there are none", "[dns]") {
  world w;
  w.source.add_ptr("192.0.2.1", "host.test");
  const auto names = [&](const char* address) {
    return run_task(w.io, w.cache.names(*ip_address::parse(address)));
  };
  for (int round = 0; round < 2; ++round) {
    CHECK(names("192.0.2.1")->records == std::vector<std::string>{"host.test"});
    CHECK(names("2001:db8::1").error() == errc::not_found);
  }
  CHECK(w.source.asked == std::vector<std::string>{"PTR 192.0.2.1", "PTR 2001:db8::1"});
}

TEST_CASE("a long TTL counts as one hour", "[dns]") {
  world w;
  w.source.add_address("d.test", "192.0.2.1");
  w.source.ttl = 86400;
  w.v4("d.test");
  w.time.advance(1h - 1ns);
  w.v4("d.test");
  CHECK(w.asked() == 1);
  w.time.advance(1ns);
  w.v4("d.test");
  CHECK(w.asked() == 2);
}

TEST_CASE("a TTL of zero is not remembered", "[dns]") {
  world w;
  w.source.add_address("d.test", "192.0.2.1");
  w.source.ttl = 0;
  w.v4("d.test");
  w.v4("d.test");
  CHECK(w.asked() == 2);
  CHECK(w.cache.size() == 0);
}

TEST_CASE("a no is remembered for the SOA's time, five minutes at most", "[dns]") {
  world w;
  w.source.add_address("d.test", "192.0.2.1");
  w.source.ttl_of_no = 60;
  CHECK(w.v4("none.test").error() == errc::not_found);
  CHECK(w.mx("d.test").error() == errc::no_data);
  w.time.advance(59s);
  CHECK(w.v4("none.test").error() == errc::not_found);
  CHECK(w.cache.negative_ttl() == 1);
  CHECK(w.mx("d.test").error() == errc::no_data);
  CHECK(w.asked() == 2);
  w.time.advance(1s);
  w.source.ttl_of_no = 86400;
  w.v4("none.test");
  CHECK(w.asked() == 3);
  w.time.advance(5min - 1ns);
  w.v4("none.test");
  CHECK(w.asked() == 3);
  w.time.advance(1ns);
  w.v4("none.test");
  CHECK(w.asked() == 4);
}

TEST_CASE("a no without SOA is asked for again", "[dns]") {
  world w;
  w.source.ttl_of_no = 0;
  w.v4("none.test");
  w.v4("none.test");
  CHECK(w.asked() == 2);
}

TEST_CASE("a temporary failure is never remembered", "[dns]") {
  world w;
  w.source.fail("d.test", dns_failure::servfail);
  CHECK(w.mx("d.test").error() == errc::dns_temporary);
  w.source.zone.clear();
  w.source.add_mx("d.test", 10, "mx.d.test");
  CHECK(w.mx("d.test").has_value());
  CHECK(w.asked() == 2);
}

TEST_CASE("a full cache forgets what was used longest ago", "[dns]") {
  world w;
  for (const char* name : {"a.test", "b.test", "c.test", "d.test"}) {
    w.source.add_address(name, "192.0.2.1");
  }
  w.v4("a.test");
  w.v4("b.test");
  w.v4("c.test");
  w.v4("a.test");  // b is the oldest now
  w.v4("d.test");
  CHECK(w.cache.size() == 3);
  CHECK(w.asked() == 4);
  w.v4("a.test");
  w.v4("c.test");
  w.v4("d.test");
  CHECK(w.asked() == 4);
  w.v4("b.test");
  CHECK(w.asked() == 5);
}

TEST_CASE("a cleared cache asks again", "[dns]") {
  world w;
  w.source.add_address("a.test", "192.0.2.1");
  w.v4("a.test");
  w.cache.clear();
  w.v4("a.test");
  CHECK(w.asked() == 2);
}

namespace {

// Many ask at the same time; the source answers when it is told to.
struct crowd : world {
  explicit crowd(std::size_t askers) {
    source.before_answering = [this]() -> net::task<void> {
      while (!may_answer) co_await gate.wait();
    };
    signals = std::vector<net::asio::cancellation_signal>(askers);
    for (std::size_t i = 0; i < askers; ++i) ask(i);
    turn();
  }
  void ask(std::size_t i) {
    net::asio::co_spawn(
        io, cache.mx("d.test"),
        net::asio::bind_cancellation_slot(
            signals[i].slot(), [this](std::exception_ptr e, result<answer<mx_record>> said) {
              ++(e ? cancelled : said ? answered : failed);
            }));
  }
  void turn() {
    io.restart();
    io.poll();
  }
  void let_answer() {
    may_answer = true;
    gate.notify_all();
    turn();
  }
  net::condition gate{io.get_executor()};
  bool may_answer = false;
  std::vector<net::asio::cancellation_signal> signals;
  std::size_t answered = 0, failed = 0, cancelled = 0;
};

}  // namespace

TEST_CASE("a thousand equal questions at the same time are one", "[dns]") {
  crowd c(1000);
  c.source.add_mx("d.test", 10, "mx.d.test");
  CHECK(c.asked() == 1);
  c.let_answer();
  CHECK(c.answered == 1000);
  CHECK(c.asked() == 1);
}

TEST_CASE("a failure is told to all who wait for it and to nobody later", "[dns]") {
  crowd c(3);
  c.source.fail("d.test", dns_failure::servfail);
  c.let_answer();
  CHECK(c.failed == 3);
  CHECK(c.asked() == 1);
  CHECK(c.mx("d.test").error() == errc::dns_temporary);
  CHECK(c.asked() == 2);
}

TEST_CASE("an answer that must not be remembered serves all who asked meanwhile", "[dns]") {
  crowd c(3);
  c.source.add_mx("d.test", 10, "mx.d.test");
  c.source.ttl = 0;
  c.let_answer();
  CHECK(c.answered == 3);
  CHECK(c.asked() == 1);
  CHECK(c.cache.size() == 0);
}

TEST_CASE("the one who asked is cancelled: another one asks", "[dns]") {
  crowd c(3);
  c.source.add_mx("d.test", 10, "mx.d.test");
  c.signals[0].emit(net::asio::cancellation_type::terminal);
  c.turn();
  CHECK(c.cancelled == 1);
  CHECK(c.asked() == 2);
  c.let_answer();
  CHECK(c.answered == 2);
  CHECK(c.asked() == 2);
}

TEST_CASE("one who waits is cancelled: the others still get their answer", "[dns]") {
  crowd c(3);
  c.source.add_mx("d.test", 10, "mx.d.test");
  c.signals[1].emit(net::asio::cancellation_type::terminal);
  c.turn();
  CHECK(c.cancelled == 1);
  c.let_answer();
  CHECK(c.answered == 2);
  CHECK(c.asked() == 1);
}
