// The real resolver against a real DNS server: sockets of 127.0.0.1, both in one io_context.
#include "dns/cares_resolver.hpp"

#include <unistd.h>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/steady_timer.hpp>
#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>

#include "base/error.hpp"
#include "dns_responder.hpp"
#include "run_task.hpp"

using namespace relais;
using namespace relais::dns;
using namespace std::chrono_literals;
using relais::testing::dns_responder;
using relais::testing::message_builder;
using relais::testing::run_task;

namespace {

resolver_options options_for(const endpoint& server, duration timeout = 10s) {
  resolver_options o;
  o.servers.push_back(server);
  o.timeout = timeout;
  o.attempts = 1;
  return o;
}

struct world {
  net::asio::io_context io{1};
  dns_responder server{io};
  std::unique_ptr<cares_resolver> dns =
      std::make_unique<cares_resolver>(io.get_executor(), options_for(server.address()));

  auto mx(const std::string& name) { return run_task(io, dns->mx(name)); }
  auto v4(const std::string& name) {
    return run_task(io, dns->addresses(name, resolver::family::v4));
  }
};

using asked = std::vector<std::string>;

}  // namespace

TEST_CASE("c-ares: MX, A and AAAA over UDP", "[dns]") {
  world w;
  w.server.answer("mx d.test", message_builder("d.test", record_type::mx)
                                   .mx("d.test", 10, "A.test", 50)
                                   .mx("d.test", 20, "b.test"));
  w.server.answer("a d.test",
                  message_builder("d.test", record_type::a).address("d.test", "192.0.2.1"));
  w.server.answer("aaaa d.test",
                  message_builder("d.test", record_type::aaaa).address("d.test", "2001:db8::1"));
  const auto mx = w.mx("D.Test.");
  REQUIRE(mx.has_value());
  CHECK(mx->records == std::vector<mx_record>{{10, "a.test"}, {20, "b.test"}});
  CHECK(mx->ttl == 50);
  CHECK(mx->canonical_name == "d.test");
  CHECK(w.v4("d.test")->records.front().text() == "192.0.2.1");
  const auto v6 = run_task(w.io, w.dns->addresses("d.test", resolver::family::v6));
  CHECK(v6->records.front().text() == "2001:db8::1");
  CHECK(w.server.asked == asked{"udp mx d.test", "udp a d.test", "udp aaaa d.test"});
}

TEST_CASE("c-ares: names of an address, also behind an alias with a slash", "[dns]") {
  world w;
  w.server.answer("ptr 1.2.0.192.in-addr.arpa",
                  message_builder("1.2.0.192.in-addr.arpa", record_type::ptr)
                      .cname("1.2.0.192.in-addr.arpa", "1.0/25.2.0.192.in-addr.arpa"));
  w.server.answer("ptr 1.0/25.2.0.192.in-addr.arpa",
                  message_builder("1.0/25.2.0.192.in-addr.arpa", record_type::ptr)
                      .pointer("1.0/25.2.0.192.in-addr.arpa", "Host.Test", 70));
  const auto names = [&](const char* address) {
    return run_task(w.io, w.dns->names(*ip_address::parse(address)));
  };
  const auto found = names("192.0.2.1");
  REQUIRE(found.has_value());
  CHECK(found->records == std::vector<std::string>{"host.test"});
  CHECK(found->ttl == 70);
  const std::string six =
      "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa";
  w.server.answer("ptr " + six, message_builder(six, record_type::ptr, 0x8183).soa("arpa", 60, 60));
  CHECK(names("2001:db8::1").error() == errc::not_found);
  CHECK(w.dns->negative_ttl() == 60);
}

TEST_CASE("c-ares: a no, and for how long it holds", "[dns]") {
  world w;
  w.server.answer("mx none.test",
                  message_builder("none.test", record_type::mx, 0x8183).soa("test", 3600, 60));
  w.server.answer("mx d.test", message_builder("d.test", record_type::mx).soa("d.test", 30, 60));
  w.server.answer("a d.test",
                  message_builder("d.test", record_type::a).address("d.test", "192.0.2.1"));
  CHECK(w.mx("none.test").error() == errc::not_found);
  CHECK(w.dns->negative_ttl() == 60);
  CHECK(w.mx("d.test").error() == errc::no_data);
  CHECK(w.dns->negative_ttl() == 30);
  CHECK(w.v4("d.test").has_value());
  CHECK(w.dns->negative_ttl() == 0);
}

TEST_CASE("c-ares: SERVFAIL, REFUSED and nonsense are temporary", "[dns]") {
  world w;
  w.server.answer("mx a.test", message_builder("a.test", record_type::mx, 0x8182));
  w.server.answer("mx b.test", message_builder("b.test", record_type::mx, 0x8185));
  w.server.answer("mx c.test",
                  message_builder("c.test", record_type::mx).record("\xff", 15, 1, "?"));
  for (const auto* name : {"a.test", "b.test", "c.test"}) {
    CHECK(w.mx(name).error() == errc::dns_temporary);
  }
  CHECK(w.dns->negative_ttl() == 0);
}

TEST_CASE("c-ares: a truncated answer is asked for again over TCP", "[dns]") {
  world w;
  w.server.udp_answers["mx d.test"] = message_builder("d.test", record_type::mx, 0x8380).text();
  message_builder long_answer("d.test", record_type::mx);
  for (unsigned i = 0; i < 200; ++i)
    long_answer.mx("d.test", 200 - i, "mx" + std::to_string(i) + ".d.test");
  w.server.tcp_answers["mx d.test"] = long_answer.text();
  for (int round = 0; round < 2; ++round) {
    const auto mx = w.mx("d.test");
    REQUIRE(mx.has_value());
    // The nearest ones of too many.
    CHECK(mx->records.size() == 100);
    CHECK(mx->records.front() == mx_record(1, "mx199.d.test"));
    CHECK(mx->records.back() == mx_record(100, "mx100.d.test"));
  }
  CHECK(w.server.asked ==
        asked{"udp mx d.test", "tcp mx d.test", "udp mx d.test", "tcp mx d.test"});
}

TEST_CASE("c-ares: an alias whose target is elsewhere is asked for", "[dns]") {
  world w;
  w.server.answer("a d.test",
                  message_builder("d.test", record_type::a).cname("d.test", "e.test", 20));
  w.server.answer("a e.test",
                  message_builder("e.test", record_type::a).address("e.test", "192.0.2.1", 300));
  const auto found = w.v4("d.test");
  REQUIRE(found.has_value());
  CHECK(found->records.front().text() == "192.0.2.1");
  CHECK(found->canonical_name == "e.test");
  CHECK(found->ttl == 20);
}

TEST_CASE("c-ares: aliases in a circle over messages end", "[dns]") {
  world w;
  w.server.answer("a d.test", message_builder("d.test", record_type::a).cname("d.test", "e.test"));
  w.server.answer("a e.test", message_builder("e.test", record_type::a).cname("e.test", "d.test"));
  CHECK(w.v4("d.test").error() == errc::dns_temporary);
  CHECK(w.server.asked.size() == 9);
}

TEST_CASE("c-ares: an internationalised domain is asked for by A-labels", "[dns]") {
  world w;
  w.server.answer(
      "mx xn--bcher-kva.test",
      message_builder("xn--bcher-kva.test", record_type::mx).mx("xn--bcher-kva.test", 1, "a.test"));
  CHECK(w.mx("b\xc3\xbc"
             "cher.test")
            .has_value());
}

TEST_CASE("c-ares: what is no host name is not asked for", "[dns]") {
  world w;
  for (const std::string name : {"", "a b", "a\nb.test", "[192.0.2.1]", "\xff.test"}) {
    CHECK(w.mx(name).error() == errc::syntax);
  }
  CHECK(w.server.asked.empty());
}

TEST_CASE("c-ares: a silent server is given up", "[dns]") {
  world w;
  w.dns =
      std::make_unique<cares_resolver>(w.io.get_executor(), options_for(w.server.address(), 50ms));
  CHECK(w.mx("d.test").error() == errc::dns_temporary);
  CHECK(w.server.asked.size() == 1);
}

TEST_CASE("c-ares: a second server helps", "[dns]") {
  world w;
  dns_responder silent(w.io);
  auto options = options_for(silent.address(), 50ms);
  options.servers.push_back(w.server.address());
  w.dns = std::make_unique<cares_resolver>(w.io.get_executor(), options);
  w.server.answer("a d.test",
                  message_builder("d.test", record_type::a).address("d.test", "192.0.2.1"));
  CHECK(w.v4("d.test").has_value());
  CHECK(silent.asked.size() == 1);
}

TEST_CASE("c-ares: a port where nobody listens is temporary", "[dns]") {
  net::asio::io_context io{1};
  endpoint nobody{ip_address::v4(0x7f000001), 0};
  {
    using udp = net::asio::ip::udp;
    const udp::socket gone(io, udp::endpoint(net::asio::ip::address_v4::loopback(), 0));
    nobody.port = gone.local_endpoint().port();
  }
  cares_resolver dns(io.get_executor(), options_for(nobody, 50ms));
  CHECK(run_task(io, dns.mx("d.test")).error() == errc::dns_temporary);
}

TEST_CASE("c-ares: many questions at once", "[dns]") {
  world w;
  int found = 0, ended = 0;
  for (int i = 0; i < 200; ++i) {
    const auto name = "d" + std::to_string(i) + ".test";
    w.server.answer("a " + name, message_builder(name, record_type::a).address(name, "192.0.2.1"));
    auto question = w.dns->addresses(name, resolver::family::v4);
    net::asio::co_spawn(w.io, std::move(question),
                        [&](std::exception_ptr, result<answer<ip_address>> a) {
                          found += a.has_value() ? 1 : 0;
                          ++ended;
                        });
  }
  const auto limit = std::chrono::steady_clock::now() + 20s;
  while (ended < 200 && w.io.run_one_until(limit) > 0) {
  }
  CHECK(found == 200);
}

TEST_CASE("c-ares: a coroutine that is cancelled mid-query leaves nothing behind", "[dns]") {
  world w;
  net::asio::cancellation_signal stop;
  w.server.when_asked = [&] { stop.emit(net::asio::cancellation_type::terminal); };
  bool ended = false;
  error_code said;
  {
    auto question = w.dns->mx("silent.test");
    net::asio::co_spawn(w.io, std::move(question),
                        net::asio::bind_cancellation_slot(
                            stop.slot(), [&](std::exception_ptr, result<answer<mx_record>> a) {
                              if (a.has_error()) said = a.error();
                              ended = true;
                            }));
  }
  const auto limit = std::chrono::steady_clock::now() + 20s;
  while (!ended && w.io.run_one_until(limit) > 0) {
  }
  REQUIRE(ended);
  CHECK(said == errc::cancelled);

  // The query lives on in c-ares; the resolver still answers others, then goes away with it.
  w.server.when_asked = nullptr;
  w.server.answer("a d.test",
                  message_builder("d.test", record_type::a).address("d.test", "192.0.2.1"));
  CHECK(w.v4("d.test").has_value());
  w.dns.reset();
  w.io.restart();
  w.io.poll();
}

TEST_CASE("c-ares: destroying the resolver ends its questions", "[dns]") {
  world w;
  // Destroyed in a turn of its own, as a composition root does it; the second time with an answer
  // that has arrived but has not been seen by its coroutine.
  const bool is_answered = GENERATE(false, true);
  if (is_answered) {
    w.server.answer("mx d.test",
                    message_builder("d.test", record_type::mx).cname("d.test", "e.test"));
  }
  w.server.when_asked = [&] {
    if (!is_answered) net::asio::post(w.io, [&] { w.dns.reset(); });
  };
  bool ended = false;
  error_code said;
  auto question = w.dns->mx("d.test");
  net::asio::co_spawn(w.io, std::move(question),
                      [&](std::exception_ptr, result<answer<mx_record>> a) {
                        if (a.has_error()) said = a.error();
                        ended = true;
                      });
  if (is_answered) {
    // Asks e.test, too, which is not answered: destroyed between any two turns in some run.
    for (int turn = 0; turn < 6; ++turn) w.io.run_one_for(1s);
    w.dns.reset();
  }
  const auto limit = std::chrono::steady_clock::now() + 20s;
  while (!ended && w.io.run_one_until(limit) > 0) {
  }
  REQUIRE(ended);
  CHECK(said == errc::cancelled);
}

TEST_CASE("c-ares: destroyed after every number of turns, nothing dangles", "[dns]") {
  for (int turns = 0; turns < 14; ++turns) {
    world w;
    w.server.udp_answers["mx d.test"] =
        message_builder("d.test", record_type::mx).cname("d.test", "e.test").text();
    w.server.udp_answers["mx e.test"] = message_builder("e.test", record_type::mx, 0x8380).text();
    w.server.tcp_answers["mx e.test"] =
        message_builder("e.test", record_type::mx).mx("e.test", 1, "a.test").text();
    bool ended = false;
    auto question = w.dns->mx("d.test");
    net::asio::co_spawn(w.io, std::move(question),
                        [&](std::exception_ptr, result<answer<mx_record>>) { ended = true; });
    for (int turn = 0; turn < turns && !ended; ++turn) w.io.run_one_for(1s);
    w.dns.reset();
    const auto limit = std::chrono::steady_clock::now() + 20s;
    while (!ended && w.io.run_one_until(limit) > 0) {
    }
    CHECK(ended);
  }
}

TEST_CASE("c-ares: an io_context that goes away with a question under way", "[dns]") {
  world w;
  auto question = w.dns->mx("silent.test");
  net::asio::co_spawn(w.io, std::move(question),
                      [](std::exception_ptr, result<answer<mx_record>>) {});
  w.io.run_one_for(1s);
  CHECK(w.dns != nullptr);  // world destroys the resolver, then the server, then the io_context
}

TEST_CASE("c-ares: the servers of the system are read again when its file changes", "[dns]") {
  const auto folder =
      std::filesystem::temp_directory_path() / ("relais-dns-" + std::to_string(::getpid()));
  std::filesystem::create_directory(folder);
  const auto file = folder / "resolv.conf";
  net::asio::io_context io{1};
  dns_responder server(io);
  server.answer("a d.test",
                message_builder("d.test", record_type::a).address("d.test", "192.0.2.1"));
  resolver_options options;
  options.system_file = file.string();
  options.system_port = server.address().port;
  options.attempts = 1;
  std::ofstream(file) << "nameserver 127.0.0.2\n";  // nobody listens: refused at once
  cares_resolver dns(io.get_executor(), options);
  const auto ask = [&] { return run_task(io, dns.addresses("d.test", resolver::family::v4)); };
  CHECK(ask().error() == errc::dns_temporary);
  CHECK(server.asked.empty());
  std::ofstream(file) << "# the network is up\nnameserver 127.0.0.1\n";
  CHECK(ask().has_value());
  CHECK(ask().has_value());
  // Without the file c-ares asks 127.0.0.1, too; what matters is that nothing breaks.
  std::filesystem::remove_all(folder);
  CHECK(ask().has_value());
  CHECK(server.asked.size() == 3);
}
