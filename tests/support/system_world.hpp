// The operating system's world of one worker, for tests that need real sockets.
#pragma once

#include <boost/asio/io_context.hpp>
#include <memory>

#include "net/runtime.hpp"

namespace relais::testing {

struct system_world {
  boost::asio::io_context io;
  system_clocks time;
  seeded_random random{1};
  std::unique_ptr<net::alarms> alarms = net::make_system_alarms(io.get_executor());
  std::unique_ptr<net::network> network =
      net::make_system_network(io.get_executor(), *alarms, time);
  net::runtime world{io.get_executor(), time, random, *alarms, *network};
};

}  // namespace relais::testing
