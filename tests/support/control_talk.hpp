// The operator of a simulated relay: asks its control API, one request for each connection, and
// runs the world until the answer is there.
#pragma once

#include <boost/asio/co_spawn.hpp>
#include <boost/json.hpp>
#include <string>

#include "support/simulated_relay.hpp"

namespace relais::testing {

/// The body of the answer, as one JSON document; the status under "status".
struct control_answer {
  std::string heard;  ///< whole, as it came
  bool over = false;

  unsigned status() const { return heard.size() < 12 ? 0 : unsigned(std::stoul(heard.substr(9))); }
  std::string body() const {
    const auto end = heard.find("\r\n\r\n");
    return end == std::string::npos ? std::string() : heard.substr(end + 4);
  }
  boost::json::object json() const { return boost::json::parse(body()).as_object(); }
};

namespace detail {
inline net::task<void> talk(sim_world& world, std::string octets, control_answer& answer) {
  using namespace std::chrono_literals;
  const auto& here = world.runtime(simulated_relay::client_address);
  auto connected = co_await here.network.connect(simulated_relay::control_endpoint, 30s);
  if (connected) {
    net::stream stream(std::move(*connected), here);
    co_await stream.write(octets);
    std::string buffer(64 * 1024, '\0');
    for (;;) {
      const auto target = net::asio::buffer(buffer);
      const auto got = co_await stream.read_some(target);
      if (!got) break;
      answer.heard.append(buffer, 0, *got);
    }
  }
  answer.over = true;
}
}  // namespace detail

/// Only sends it off: the answer comes while the world runs. `answer` outlives that.
inline void begin_asking(sim_world& world, const std::string& target, const std::string& body,
                         control_answer& answer) {
  // HTTP/1.0: the answer comes without chunks, and ends with the connection.
  auto octets = (body.empty() ? "GET " : "POST ") + target + " HTTP/1.0\r\n";
  octets += "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
  auto talking = detail::talk(world, std::move(octets), answer);
  net::asio::co_spawn(world.io, std::move(talking), [](const std::exception_ptr& e) {
    if (e) std::rethrow_exception(e);
  });
}

/// `body` "" = GET.
inline control_answer ask_control(sim_world& world, const std::string& target,
                                  const std::string& body = "") {
  using namespace std::chrono_literals;
  control_answer answer;
  begin_asking(world, target, body, answer);
  world.run_until([&] { return answer.over; }, 10min);
  return answer;
}

}  // namespace relais::testing
