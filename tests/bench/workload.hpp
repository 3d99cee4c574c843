// The messages of the benchmarks, made as the daemon makes them (inbound/session.cpp): one object
// per message, an envelope with one recipient, the content a string of its own. Contents are
// incompressible and can be recognised by the id, so that what is read back can be checked.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/queue_id.hpp"
#include "spool/store.hpp"

namespace relais::bench {

class message_source {
 public:
  message_source();

  /// Safe from any thread.
  std::shared_ptr<const spool::message> make(std::size_t size);
  /// For contents that go another way than in a message object.
  std::shared_ptr<spool::message> make_empty();
  std::string_view content_of(queue_id id, std::size_t size) const noexcept;
  /// Whether this is the message that make() gave that id. Looks at both ends: the store has
  /// verified the checksum of the whole.
  bool is_intact(const spool::message& m, std::size_t size) const noexcept;

  void raise(queue_id seen) { ids_.raise(seen); }
  wall_time wall() const { return time_.wall(); }

 private:
  std::string pool_;
  std::vector<smtp::envelope> envelopes_;
  system_clocks time_;
  queue_id_source ids_;
};

spool::state_change delivered(queue_id id);
/// With a reply of a next hop of about 100 octets.
spool::state_change deferred(queue_id id, std::uint32_t attempts, wall_time next);

}  // namespace relais::bench
