// net::stream over real socket pairs: TLS in place, deadlines, interruption, the end of TLS.
#include "net/stream.hpp"

#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/local/connect_pair.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <catch2/catch.hpp>
#include <vector>

#include "base/error.hpp"
#include "net/socket_transport.hpp"
#include "net/task_group.hpp"
#include "support/relay_scene.hpp"
#include "support/run_task.hpp"
#include "support/system_world.hpp"
#include "support/test_certificate.hpp"
#include "tls/client_context.hpp"

namespace relais::testing {
namespace {

using namespace std::chrono_literals;
namespace asio = boost::asio;

struct pair_of_streams : system_world {
  pair_of_streams() {
    asio::local::stream_protocol::socket a(io), b(io);
    asio::local::connect_pair(a, b);
    client = std::make_unique<net::stream>(net::make_socket_transport(std::move(a)), world);
    server = std::make_unique<net::stream>(net::make_socket_transport(std::move(b)), world);
  }
  std::unique_ptr<net::stream> client, server;
  net::task_group group{world, task_escaped};
};

net::task<std::string> read_all(net::stream& s, std::size_t octets) {
  std::string all, buffer(4096, '\0');
  while (all.size() < octets) {
    const auto target = asio::buffer(buffer);
    const auto got = co_await s.read_some(target);
    if (!got) break;
    all.append(buffer, 0, *got);
  }
  co_return all;
}

net::task<void> serve_tls(net::stream& s, SSL_CTX* context, error_code& result) {
  net::tls_parameters p;
  p.context = context;
  p.role = net::tls_role::server;
  result = co_await s.start_tls(std::move(p));
  if (result) co_return;
  const auto heard = co_await read_all(s, 5);
  co_await s.write(heard);
  co_await s.close();
}

net::task<void> talk_tls(pair_of_streams& p, SSL_CTX* context, std::string name, bool verify,
                         error_code& result, std::string& heard, error_code& end) {
  net::tls_parameters t;
  t.context = context;
  t.peer_name = std::move(name);
  t.verify = verify;
  result = co_await p.client->start_tls(std::move(t));
  if (result) co_return co_await p.client->close();
  co_await p.client->write("hello");
  heard = co_await read_all(*p.client, 5);
  std::string buffer(10, '\0');
  const auto target = asio::buffer(buffer);
  const auto got = co_await p.client->read_some(target);
  if (!got) end = got.error();
}

TEST_CASE(
    "STARTTLS turns a stream into TLS in place, and the end of TLS is the end of the stream") {
  pair_of_streams p;
  const auto server = self_signed_server("mx.test");
  const auto client = tls::make_client_context("");
  error_code server_result, client_result, end;
  std::string heard;
  p.group.spawn("server", serve_tls(*p.server, server.get(), server_result));
  run_task(p.io, talk_tls(p, client.get(), "mx.test", false, client_result, heard, end));
  CHECK_FALSE(client_result);
  CHECK_FALSE(server_result);
  CHECK(heard == "hello");
  CHECK(end == errc::peer_closed);
  CHECK(p.client->tls_description().starts_with("TLSv1.3 with cipher "));
}

TEST_CASE("a certificate that nobody vouches for is refused where verification is demanded") {
  pair_of_streams p;
  const auto server = self_signed_server("mx.test");
  const auto client = tls::make_client_context("");
  error_code server_result, client_result, end;
  std::string heard;
  p.group.spawn("server", serve_tls(*p.server, server.get(), server_result));
  run_task(p.io, talk_tls(p, client.get(), "mx.test", true, client_result, heard, end));
  CHECK(client_result == errc::tls_failed);
  CHECK(p.client->tls_failure().find("self-signed") != std::string::npos);
}

net::task<void> say(net::stream& s, std::string text) {
  co_await s.write(text);
}

TEST_CASE("a peer that answers STARTTLS with garbage fails the handshake") {
  pair_of_streams p;
  const auto client = tls::make_client_context("");
  error_code result, end;
  std::string heard;
  p.group.spawn("server", say(*p.server, "this is no handshake at all\r\n"));
  run_task(p.io, talk_tls(p, client.get(), "mx.test", false, result, heard, end));
  CHECK(result == errc::tls_failed);
}

net::task<void> wait_for_nothing(net::stream& s, error_code& first, error_code& write) {
  std::string buffer(10, '\0');
  s.expires_after(1ms);
  const auto target = asio::buffer(buffer);
  const auto got = co_await s.read_some(target);
  first = got ? error_code{} : got.error();
  s.expires_after(10s);
  write = co_await s.write("421 last words\r\n");
}

TEST_CASE("a deadline ends the read, not the connection: the last words still go out") {
  pair_of_streams p;
  error_code first, write;
  run_task(p.io, wait_for_nothing(*p.server, first, write));
  CHECK(first == errc::timeout);
  CHECK_FALSE(write);
  run_task(p.io, [](net::stream& s) -> net::task<void> {
    const auto heard = co_await read_all(s, 16);
    CHECK(heard == "421 last words\r\n");
  }(*p.client));
}

net::task<void> read_interrupted(net::stream& s, error_code& first, std::string& second) {
  std::string buffer(10, '\0');
  const auto target = asio::buffer(buffer);
  const auto got = co_await s.read_some(target);
  first = got ? error_code{} : got.error();
  second = co_await read_all(s, 2);
}

TEST_CASE(
    "an interruption ends one read, whether it waits already or comes later, and loses no octet") {
  for (const bool before : {false, true}) {
    pair_of_streams p;
    error_code first;
    std::string second;
    if (before) p.server->interrupt();
    p.group.spawn("reader", read_interrupted(*p.server, first, second));
    p.io.poll();
    if (!before) p.server->interrupt();
    run_task(p.io, say(*p.client, "ok"));
    run_task(p.io, [](net::task_group& g) -> net::task<void> { co_await g.join(10s); }(p.group));
    CHECK(first == errc::cancelled);
    CHECK(second == "ok");
  }
}

net::task<void> read_twice(net::stream& s, std::size_t first_size, std::string& first,
                           std::string& rest) {
  std::string buffer(first_size, '\0');
  const auto target = asio::buffer(buffer);
  const auto got = co_await s.read_some(target);
  if (got) first = buffer.substr(0, *got);
  rest = co_await read_all(s, 16 - first.size());
}

TEST_CASE("octets that were given back are read first and whole") {
  const auto size = GENERATE(as<std::size_t>(), 1, 5, 8, 100);
  pair_of_streams p;
  p.server->unread("given back");
  p.server->unread("first ");
  p.group.spawn("client", say(*p.client, "!"));
  std::string first, rest;
  run_task(p.io, read_twice(*p.server, size, first, rest));
  CHECK(first.size() == std::min<std::size_t>(size, 16));
  CHECK(first + rest == "first given back");
  run_task(p.io, [](net::stream& s) -> net::task<void> {
    const auto heard = co_await read_all(s, 1);
    CHECK(heard == "!");
  }(*p.server));
}

// As a server behind a load balancer does: reads too much, and gives back what is TLS already.
net::task<void> serve_tls_late(net::stream& s, SSL_CTX* context, error_code& result) {
  std::string buffer(100, '\0');
  const auto target = asio::buffer(buffer);
  const auto got = co_await s.read_some(target);
  if (got) s.unread(std::string_view(buffer).substr(0, *got));
  co_await serve_tls(s, context, result);
}

TEST_CASE("a handshake begins with what was given back") {
  pair_of_streams p;
  const auto server = self_signed_server("mx.test");
  const auto client = tls::make_client_context("");
  error_code server_result, client_result, end;
  std::string heard;
  p.group.spawn("server", serve_tls_late(*p.server, server.get(), server_result));
  run_task(p.io, talk_tls(p, client.get(), "mx.test", false, client_result, heard, end));
  CHECK_FALSE(client_result);
  CHECK_FALSE(server_result);
  CHECK(heard == "hello");
}

net::task<void> shake_hands(net::stream& s, SSL_CTX* context, error_code& result) {
  net::tls_parameters t;
  t.context = context;
  result = co_await s.start_tls(std::move(t));
}

TEST_CASE("an interruption ends no handshake but the read behind it") {
  pair_of_streams p;
  const auto server = self_signed_server("mx.test");
  const auto client = tls::make_client_context("");
  error_code server_result = errc::timeout, first;
  std::string second;
  p.group.spawn("server",
                [](net::stream& s, SSL_CTX* c, error_code& result, error_code& read,
                   std::string& then) -> net::task<void> {
                  net::tls_parameters t;
                  t.context = c;
                  t.role = net::tls_role::server;
                  result = co_await s.start_tls(std::move(t));
                  co_await read_interrupted(s, read, then);
                }(*p.server, server.get(), server_result, first, second));
  p.io.poll();
  p.server->interrupt();
  error_code client_result;
  run_task(p.io, shake_hands(*p.client, client.get(), client_result));
  p.io.poll();
  run_task(p.io, say(*p.client, "ok"));
  run_task(p.io, [](net::task_group& g) -> net::task<void> { co_await g.join(10s); }(p.group));
  CHECK_FALSE(server_result);
  CHECK_FALSE(client_result);
  CHECK(first == errc::cancelled);
  CHECK(second == "ok");
}

std::string content_of(std::size_t size) {
  std::string made(size, '\0');
  for (std::size_t i = 0; i < size; ++i) made[i] = static_cast<char>(i * 31 + i / 251);
  return made;
}

// Lines, content, lines: the buffers grow and shrink on the way.
net::task<void> say_all(net::stream& s, SSL_CTX* context, const std::vector<std::size_t>& sizes) {
  net::tls_parameters t;
  t.context = context;
  if (co_await s.start_tls(std::move(t))) co_return;
  for (const auto size : sizes) {
    const auto content = content_of(size);
    co_await s.write(content);
    const auto echo = co_await read_all(s, 3);
    if (echo != "ok\n") co_return;
  }
  co_await s.close();
}

TEST_CASE("lines and content of any size pass through TLS unchanged") {
  pair_of_streams p;
  const auto server = self_signed_server("mx.test");
  const auto client = tls::make_client_context("");
  const std::vector<std::size_t> sizes{6, 1000, 1024, 1025, 16384, 16385, 1u << 20, 6, 40000, 1};
  p.group.spawn("client", say_all(*p.client, client.get(), sizes));
  std::size_t good = 0;
  run_task(p.io,
           [](net::stream& s, SSL_CTX* c, const std::vector<std::size_t>& all,
              std::size_t& count) -> net::task<void> {
             net::tls_parameters t;
             t.context = c;
             t.role = net::tls_role::server;
             if (co_await s.start_tls(std::move(t))) co_return;
             const std::string ok = "ok\n";
             for (const auto size : all) {
               const auto heard = co_await read_all(s, size);
               if (heard == content_of(size)) ++count;
               co_await s.write(ok);
             }
           }(*p.server, server.get(), sizes, good));
  CHECK(good == sizes.size());
  run_task(p.io, [](net::task_group& g) -> net::task<void> { co_await g.join(10s); }(p.group));
}

}  // namespace
}  // namespace relais::testing
