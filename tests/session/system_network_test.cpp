// The acceptor and the transport of the real network, where only real sockets show the fault.
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/connect_pair.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <catch2/catch.hpp>

#include "base/error.hpp"
#include "net/socket_transport.hpp"
#include "net/task_group.hpp"
#include "support/run_task.hpp"
#include "support/system_world.hpp"

namespace relais::testing {
namespace {

using namespace std::chrono_literals;
namespace asio = boost::asio;

net::task<void> accept_one(net::acceptor& from, error_code& failure, endpoint& remote) {
  const auto got = co_await from.accept();
  if (got) remote = got->remote;
  if (!got) failure = got.error();
}

TEST_CASE("a client that connects and resets at once is no failure of the listener") {
  system_world w;
  const endpoint any{*ip_address::parse("127.0.0.1"), 0};
  const auto listener = *w.network->listen(any, false);
  {
    asio::ip::tcp::socket client(w.io);
    client.connect({asio::ip::make_address("127.0.0.1"), listener->local().port});
    client.set_option(asio::socket_base::linger(true, 0));
    client.close();
  }
  error_code failure;
  endpoint remote;
  run_task(w.io, accept_one(*listener, failure, remote));
  CHECK_FALSE(failure);
  CHECK(remote.address == *ip_address::parse("127.0.0.1"));
  CHECK(remote.port != 0);
}

net::task<void> write_much(net::transport& to, bool& started, bool& over, error_code& result) {
  const std::string much(8u << 20, 'x');
  const auto all = asio::buffer(much);
  started = true;
  result = co_await to.write(all);
  over = true;
}

TEST_CASE("a write that is cancelled between two of its steps ends, though the peer never reads") {
  system_world w;
  asio::local::stream_protocol::socket near(w.io), far(w.io);
  asio::local::connect_pair(near, far);
  const auto transport = net::make_socket_transport(std::move(near));
  bool started = false, over = false;
  error_code result;
  net::task_group group(w.world, [](const std::string&, const std::string&) {});
  group.spawn("writer", write_much(*transport, started, over, result));
  // The first step has filled the socket, and its completion is not delivered yet.
  for (int turn = 0; turn < 100 && !started; ++turn) w.io.poll_one();
  REQUIRE(started);
  transport->cancel();
  w.io.poll();
  CHECK(over);
  CHECK(result == errc::cancelled);
  far.close();
  w.io.restart();
  w.io.poll();
}

}  // namespace
}  // namespace relais::testing
