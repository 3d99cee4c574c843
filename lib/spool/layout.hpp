// Where things are in the spool's directory, said once.
//
//   incoming/<ID>.message   being written; no name here means anything after a crash
//   incoming/<ID>.states    the successor of a state file, being written
//   messages/<ID>           a message; the rename to here is what makes it exist
//   states/<ID>             what became of its recipients, while some are pending
//   damaged/                set aside by recovery for a person to look at, never deleted
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/queue_id.hpp"

namespace relais::spool::layout {

inline constexpr std::string_view incoming = "incoming";
inline constexpr std::string_view messages = "messages";
inline constexpr std::string_view states = "states";
inline constexpr std::string_view damaged = "damaged";

inline std::string in(std::string_view folder, std::string_view name) {
  std::string path(folder);
  path += '/';
  path += name;
  return path;
}
inline std::string message_file(queue_id id) {
  return in(messages, id.text());
}
inline std::string state_file(queue_id id) {
  return in(states, id.text());
}
inline std::string new_message(queue_id id) {
  return in(incoming, id.text() + ".message");
}
inline std::string new_states(queue_id id) {
  return in(incoming, id.text() + ".states");
}

/// Only the one spelling that we write ourselves.
inline std::optional<queue_id> id_of(std::string_view name) {
  const auto id = queue_id::parse(name);
  if (!id || id->text() != name) return {};
  return id;
}

}  // namespace relais::spool::layout
