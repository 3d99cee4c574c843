#include "bench/workload.hpp"

#include <fmt/format.h>

#include <cstring>

#include "base/random.hpp"

namespace relais::bench {
namespace {

constexpr std::size_t most_content = 1u << 20;
// Small enough for a core's cache: what came from the network a moment ago is there as well.
constexpr std::size_t pool_size = most_content + (1u << 20);

std::uint64_t mixed(queue_id id) {
  auto z = id.value * 0x9e3779b97f4a7c15;
  z = (z ^ (z >> 32)) * 0xbf58476d1ce4e5b9;
  return z ^ (z >> 29);
}

}  // namespace

message_source::message_source() : pool_(pool_size, '\0') {
  seeded_random dice(1);
  for (std::size_t at = 0; at < pool_.size(); at += 8) {
    const auto value = dice.next();
    std::memcpy(pool_.data() + at, &value, 8);
  }
  for (int i = 0; i < 4096; ++i) {
    const auto from = smtp::parse_address(fmt::format("newsletter-{}@mail.example.org", i % 7));
    const auto to =
        smtp::parse_address(fmt::format("recipient.{:04}@customer{}.example.net", i, i % 311));
    std::vector<smtp::path> forward{to.value()};
    envelopes_.emplace_back(from.value(), std::move(forward));
    envelopes_.back().body = smtp::body_type::eight_bit_mime;
  }
}

std::shared_ptr<spool::message> message_source::make_empty() {
  auto made = std::make_shared<spool::message>();
  made->arrival = time_.wall();
  made->id = ids_.next(made->arrival);
  made->envelope = envelopes_[mixed(made->id) % envelopes_.size()];
  return made;
}

std::shared_ptr<const spool::message> message_source::make(std::size_t size) {
  auto made = make_empty();
  made->content = std::string(content_of(made->id, size));
  return made;
}

std::string_view message_source::content_of(queue_id id, std::size_t size) const noexcept {
  return std::string_view(pool_).substr(mixed(id) % (pool_size - most_content), size);
}

bool message_source::is_intact(const spool::message& m, std::size_t size) const noexcept {
  if (m.content.size() != size || m.envelope.forward_paths.size() != 1) return false;
  constexpr std::size_t probe = 64;
  const auto expected = content_of(m.id, size);
  const std::string_view got = m.content;
  return got.substr(0, probe) == expected.substr(0, probe) &&
         got.substr(size - probe) == expected.substr(size - probe) &&
         m.envelope.forward_paths[0] ==
             envelopes_[mixed(m.id) % envelopes_.size()].forward_paths[0];
}

spool::state_change delivered(queue_id id) {
  spool::state_change change;
  change.id = id;
  change.entries.resize(1);
  change.entries[0].state.status = spool::recipient_status::delivered;
  change.entries[0].state.attempts = 1;
  return change;
}

spool::state_change deferred(queue_id id, std::uint32_t attempts, wall_time next) {
  spool::state_change change;
  change.id = id;
  change.entries.resize(1);
  auto& state = change.entries[0].state;
  state.attempts = attempts;
  state.next_attempt = next;
  state.diagnostic =
      "mx1.customer.example.net[192.0.2.25] said: 451 4.7.1 Greylisted, please try again "
      "in 300 seconds";
  return change;
}

}  // namespace relais::bench
