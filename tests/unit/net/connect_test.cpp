// Real connections: from a source address, and whether anything has come while nobody read.
#include <boost/asio/local/connect_pair.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <catch2/catch.hpp>

#include "net/gather.hpp"
#include "net/socket_transport.hpp"
#include "net/stream.hpp"
#include "net/task_group.hpp"
#include "support/run_task.hpp"
#include "support/system_world.hpp"

namespace relais::testing {
namespace {

using namespace std::chrono_literals;
namespace asio = boost::asio;

[[noreturn]] void escaped(const std::string& label, const std::string& what) {
  throw std::runtime_error(label + ": " + what);
}

net::task<void> connect_from(net::network& network, endpoint to, std::optional<ip_address> source,
                             error_code& failure, bool& is_connected) {
  const auto made = co_await network.connect(to, 10s, source);
  is_connected = made.has_value();
  if (!made) failure = made.error();
}

net::task<void> accept_one(net::acceptor& from, endpoint& remote) {
  const auto got = co_await from.accept();
  if (got) remote = got->remote;
}

TEST_CASE("a connection comes from the address that is asked for") {
  const auto source = GENERATE(as<std::string>{}, "", "127.9.25.7");
  system_world w;
  const endpoint any{*ip_address::parse("127.9.25.1"), 0};
  const auto listener = *w.network->listen(any, false);
  endpoint remote;
  error_code failure;
  bool is_connected = false;
  net::task_group group(w.world, escaped);
  group.spawn("accept", accept_one(*listener, remote));
  std::optional<ip_address> from;
  if (!source.empty()) from = ip_address::parse(source);
  run_task(w.io, connect_from(*w.network, listener->local(), from, failure, is_connected));
  REQUIRE(is_connected);
  while (remote.port == 0) w.io.run_one();
  CHECK(remote.address.text() == (source.empty() ? "127.0.0.1" : source));
  CHECK(remote.port != 0);
}

TEST_CASE("a source address that is not ours fails by its own words") {
  system_world w;
  const endpoint to{*ip_address::parse("127.9.25.1"), 9};
  error_code failure;
  bool is_connected = false;
  run_task(w.io,
           connect_from(*w.network, to, ip_address::parse("192.0.2.1"), failure, is_connected));
  CHECK_FALSE(is_connected);
  CHECK(failure == boost::system::errc::address_not_available);
  error_code mixed;
  run_task(w.io,
           connect_from(*w.network, to, ip_address::parse("2001:db8::1"), mixed, is_connected));
  CHECK(mixed);
}

TEST_CASE("a stream is quiet until the peer has said something or is gone") {
  system_world w;
  asio::local::stream_protocol::socket near(w.io), far(w.io);
  asio::local::connect_pair(near, far);
  net::stream s(net::make_socket_transport(std::move(near)), w.world);
  CHECK(s.is_quiet());
  SECTION("octets") {
    far.send(asio::buffer("421", 3));
    CHECK_FALSE(s.is_quiet());
  }
  SECTION("its end") {
    far.close();
    CHECK_FALSE(s.is_quiet());
  }
  SECTION("octets that were given back") {
    s.unread("x");
    CHECK_FALSE(s.is_quiet());
  }
}

net::task<int> number(net::condition& changed, int& waiting, int value) {
  ++waiting;
  changed.notify_all();
  while (waiting < 5) co_await changed.wait();
  co_return value;
}

net::task<void> gather_five(net::condition& changed, std::vector<int>& results) {
  int waiting = 0;
  std::vector<net::task<int>> jobs;
  for (int i = 0; i < 5; ++i) jobs.push_back(number(changed, waiting, i));
  results = co_await net::gather(std::move(jobs));
  const auto none = co_await net::gather(std::vector<net::task<int>>());
  CHECK(none.empty());
}

TEST_CASE("gathered tasks run at the same time and their results are in order") {
  system_world w;
  net::condition changed(w.io.get_executor());
  std::vector<int> results;
  run_task(w.io, gather_five(changed, results));
  CHECK(results == std::vector<int>{0, 1, 2, 3, 4});
}

net::task<int> wait_for_ever(net::condition& changed, int& ended) {
  struct note {
    int& n;
    ~note() { ++n; }
  };
  const note at_end{ended};
  for (;;) co_await changed.wait();
}

net::task<void> gather_for_ever(net::condition& changed, int& ended) {
  std::vector<net::task<int>> jobs;
  for (int i = 0; i < 5; ++i) jobs.push_back(wait_for_ever(changed, ended));
  co_await net::gather(std::move(jobs));
}

TEST_CASE("one task of a group is stopped: it and all that it gathers end") {
  system_world w;
  net::condition changed(w.io.get_executor());
  // What stopping leaves behind is no news to the group, though all five ended by an exception.
  net::task_group group(w.world, escaped);
  int ended = 0, others = 0;
  const auto one = group.spawn("one", gather_for_ever(changed, ended));
  group.spawn("two", gather_for_ever(changed, others));
  w.io.poll();
  group.stop(one);
  w.io.poll();
  CHECK(ended == 5);
  CHECK(others == 0);
  CHECK(group.labels() == std::vector<std::string>{"two"});
  group.stop(one);  // it is gone
  w.io.poll();
  group.stop();
  w.io.poll();
  CHECK(others == 5);
  CHECK(group.size() == 0);
}

}  // namespace
}  // namespace relais::testing
