// A host that has all the connections it may have: destinations that share it wait, and each of
// them gets its turn when a connection ends, whatever became of those that waited in front of it.
#include <catch2/catch.hpp>

#include "support/delivery_scene.hpp"

namespace relais::testing {
namespace {

using namespace std::chrono_literals;

// More than the times that a connection's end is told: each of these helps one at most.
constexpr int idlers = 8;

struct scene : delivery_scene {
  scene() {
    dns.zone["far.test"].mx.resize(1);
    settings.delivery.concurrency_per_host = 1;
    for (int i = 0; i <= idlers; ++i) dns.add_mx(name(i), 1, "mx1.far.test");
  }
  static std::string name(int i) { return "d" + std::to_string(i) + ".test"; }

  /// far.test has the only connection, everybody else waits for it, the last one behind all others.
  void fill() {
    first->thinking_time = 1min;
    submit(letter());
    run(1s);
    for (int i = 0; i <= idlers; ++i) {
      submit(letter("me@here.test", "joe@" + name(i)));
      run(1s);
    }
    REQUIRE(first->connections == 1);
    REQUIRE(first->taken.empty());
    first->thinking_time = 0s;
  }
  bool has_served_the_last() const {
    for (const auto& m : first->taken)
      if (m.forward_paths.front() == "joe@" + name(idlers)) return true;
    return false;
  }
};

TEST_CASE("who waits for a host behind destinations that were closed meanwhile gets it") {
  scene s;
  s.fill();
  for (int i = 0; i < idlers; ++i) {
    s.schedule().pause(*s.destination(scene::name(i)), s.world.clock.now() + 10h, "for a test");
  }
  s.run(1h);
  INFO(s.log.text());
  CHECK(s.has_served_the_last());
  CHECK(s.first->taken.size() == 2);
}

TEST_CASE("who waits for a host behind destinations that cannot be looked up any more gets it") {
  scene s;
  s.fill();
  for (int i = 0; i < idlers; ++i) s.dns.fail(scene::name(i), dns_failure::servfail);
  s.run(20min);  // the first of them asks again behind 30
  INFO(s.log.text());
  CHECK(s.log.count("status=deferred") == idlers);
  CHECK(s.has_served_the_last());
}

}  // namespace
}  // namespace relais::testing
