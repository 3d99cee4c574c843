// The HTTP server over the simulated network: probes whole, in pieces, pipelined, and garbage.
#include <catch2/catch.hpp>

#include "http/server.hpp"
#include "support/relay_scene.hpp"

namespace relais::testing {
namespace {

using namespace std::chrono_literals;

const ip_address server_address = *ip_address::parse("192.0.2.1");
const endpoint at{server_address, 9025};

net::task<void> ask(sim_world& world, std::string octets, bool in_pieces, std::string& heard,
                    bool& over) {
  const auto& here = world.runtime(*ip_address::parse("192.0.2.10"));
  auto connected = co_await here.network.connect(at, 30s);
  net::stream stream(std::move(*connected), here);
  if (in_pieces) {
    for (const char c : octets) co_await stream.write(std::string(1, c));
  } else {
    co_await stream.write(octets);
  }
  std::string buffer(4096, '\0');
  for (;;) {
    const auto target = net::asio::buffer(buffer);
    const auto got = co_await stream.read_some(target);
    if (!got) break;
    heard.append(buffer, 0, *got);
  }
  over = true;
}

struct row {
  std::string name, input;
  std::vector<std::string> contains;
};

TEST_CASE("probes are answered however their octets arrive") {
  const auto r = GENERATE(values<row>({
      {"a probe that closes",
       "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
       {"HTTP/1.1 200 OK\r\n", "\r\n\r\nok\n"}},
      {"not ready", "GET /readyz HTTP/1.0\r\n\r\n", {"HTTP/1.0 503 ", "because\n"}},
      {"two on one connection",
       "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\nGET /nothing HTTP/1.1\r\nHost: x\r\nConnection: "
       "close\r\n\r\n",
       {"HTTP/1.1 200 OK\r\n", "HTTP/1.1 404 Not Found\r\n"}},
      {"HEAD has no body",
       "HEAD /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
       {"Content-Length: 3\r\n\r\n"}},
      {"garbage", "EHLO probe\r\n\r\n", {"HTTP/1.1 400 Bad Request\r\n"}},
      {"an endless header",
       "GET /healthz HTTP/1.1\r\nX: " + std::string(20000, 'x') + "\r\n\r\n",
       {"HTTP/1.1 400 "}},
  }));
  const bool in_pieces = GENERATE(false, true);
  DYNAMIC_SECTION(r.name << (in_pieces ? ", octet by octet" : "")) {
    sim_world world(1);
    const auto& runtime = world.runtime(server_address);
    http::server server(runtime, std::move(world.node(server_address).listen(at, false)).value(),
                        [] { return http::relay_state{false, "because"}; });
    server.start();
    net::task_group clients(runtime, task_escaped);
    std::string heard;
    bool over = false;
    clients.spawn("client", ask(world, r.input, in_pieces, heard, over));
    world.run_until([&] { return over; }, 5min);
    INFO(heard);
    CHECK(over);
    for (const auto& part : r.contains) CHECK(heard.find(part) != std::string::npos);
    server.stop();
    world.run_until([] { return false; }, 1min);
    CHECK(clients.size() == 0);
  }
}

}  // namespace
}  // namespace relais::testing
