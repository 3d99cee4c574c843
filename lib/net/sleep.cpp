// Suspension for a time of the injected clock.
#include "net/runtime.hpp"

namespace relais::net {

task<void> sleep_for(const runtime& world, duration time) {
  condition rung(world.executor);
  bool over = false;
  const auto bell = world.alarms.make([&] {
    over = true;
    rung.notify_all();
  });
  bell->set(world.clock.now() + time);
  while (!over) co_await rung.wait();
}

}  // namespace relais::net
