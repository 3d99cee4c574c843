#include "delivery/operations.hpp"

namespace relais::delivery {

std::string_view done_word(queue_verb verb) noexcept {
  switch (verb) {
    case queue_verb::hold: return "held";
    case queue_verb::release: return "released";
    case queue_verb::remove: return "removed";
    case queue_verb::bounce: return "bounced";
    case queue_verb::retry: return "tried again";
    case queue_verb::reroute: return "rerouted";
  }
  return "";
}

std::string_view idle_word(queue_verb verb, bool is_held) noexcept {
  switch (verb) {
    case queue_verb::hold: return is_held ? "was held already" : "";
    case queue_verb::release: return is_held ? "" : "was not held";
    case queue_verb::retry: return is_held ? "is held, release it" : "";
    default: return "";
  }
}

spool::state_change removal_of(const spool::stored_message& message,
                               const std::vector<std::size_t>& recipients) {
  spool::state_change change;
  change.id = message.id;
  for (const auto i : recipients) {
    auto state = message.recipients.at(i);
    if (state.status != spool::recipient_status::pending) continue;
    state.status = spool::recipient_status::removed;
    change.entries.push_back({static_cast<std::uint32_t>(i), std::move(state)});
  }
  return change;
}

spool::state_change due_now(const spool::stored_message& message) {
  spool::state_change change;
  change.id = message.id;
  for (std::size_t i = 0; i < message.recipients.size(); ++i) {
    auto state = message.recipients[i];
    if (state.status != spool::recipient_status::pending) continue;
    state.next_attempt = {};
    change.entries.push_back({static_cast<std::uint32_t>(i), std::move(state)});
  }
  return change;
}

void judge(order_outcome& of, queue_verb verb, bool is_held) {
  auto idle = of.is_known ? idle_word(verb, is_held) : "no such message";
  // The way is that of the message.
  const bool is_part = of.is_known && of.recipients < of.pending;
  if (verb == queue_verb::reroute && is_part) {
    idle = "has other recipients as well, give its id to send all there";
  }
  of.changes = idle.empty();
  of.sentence = of.changes ? "would be " + std::string(done_word(verb)) : std::string(idle);
}

}  // namespace relais::delivery
