// How a worker notices that it has too much to do: by how late it comes to its acknowledgements.
#include "queue/spool_gate.hpp"

#include <boost/asio/co_spawn.hpp>
#include <catch2/catch.hpp>

#include "unit/queue/schedule_scene.hpp"

namespace relais {
namespace {

using namespace std::chrono_literals;

/// Acknowledges when it is told to.
struct patient_store final : testing::map_store {
  void append(spool::append_request request, spool::completion_sink& sink) override {
    to = &sink;
    token = request.token;
  }
  void acknowledge() {
    spool::completion c;
    c.token = token;
    to->complete({c});
  }
  spool::completion_sink* to = nullptr;
  std::uint64_t token = 0;
};

struct no_runner final : spool::runner {
  void run(std::function<void()>) override {}
  void run_after(duration, std::function<void()>) override {}
};

TEST_CASE_METHOD(testing::schedule_scene, "the lag is what lies between telling and coming") {
  patient_store spool;
  no_runner readers;
  queue::spool_gate gate(spool, readers, world);
  CHECK(gate.lag() == 0s);
  for (const auto busy : {0ms, 5ms, 3ms}) {
    bool is_over = false;
    boost::asio::co_spawn(io, gate.append(std::make_shared<spool::message>(), {}),
                          [&](const std::exception_ptr&, error_code) { is_over = true; });
    io.restart();
    io.poll();
    REQUIRE(spool.to != nullptr);
    spool.acknowledge();
    clock.elapsed += busy;
    io.restart();
    io.poll();
    CHECK(is_over);
    CHECK(gate.lag() == busy);
  }
}

}  // namespace
}  // namespace relais
