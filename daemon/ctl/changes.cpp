// relaisctl queue remove, hold, release: an operator's hand on the states of messages.
#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "base/text.hpp"
#include "daemon/ctl/offline_spool.hpp"
#include "daemon/ctl/output.hpp"
#include "daemon/ctl/queue_verbs.hpp"
#include "daemon/ctl/render.hpp"

namespace relais::ctl {
namespace {

/// What becomes of one message that was named.
struct outcome {
  std::string id;
  const spool::stored_message* message = nullptr;
  bool changes = false;  ///< false: nothing to do, or no such message
  error_code error;
};

std::string_view done_word(change what) {
  switch (what) {
    case change::remove: return "removed";
    case change::hold: return "held";
    case change::release: return "released";
  }
  return "";
}

std::string_view idle_word(change what) {
  return what == change::hold ? "was held already" : "was not held";
}

bool changes_something(change what, const spool::stored_message& message) {
  return what == change::remove || message.is_held != (what == change::hold);
}

spool::state_change change_of(change what, const spool::stored_message& message) {
  spool::state_change c;
  c.id = message.id;
  if (what != change::remove) {
    c.hold = what == change::hold;
    return c;
  }
  for (std::uint32_t i = 0; i < message.recipients.size(); ++i) {
    if (message.recipients[i].status != spool::recipient_status::pending) continue;
    auto state = message.recipients[i];
    state.status = spool::recipient_status::removed;
    c.entries.push_back({i, std::move(state)});
  }
  return c;
}

/// Each message once, however often and in whatever case it was named.
std::vector<outcome> select(const offline_spool& spool, change what, const selection& which) {
  std::vector<outcome> chosen;
  const auto add = [&](std::string id, const spool::stored_message* message) {
    const bool known = !which.all && std::ranges::find(chosen, id, &outcome::id) != chosen.end();
    if (known) return;
    const bool changes = message != nullptr && changes_something(what, *message);
    chosen.push_back({std::move(id), message, changes, {}});
  };
  if (which.all) {
    for (const auto& message : spool.messages()) add(message.id.text(), &message);
  }
  for (const auto& text : which.ids) {
    const auto id = queue_id::parse(text);
    add(id ? id->text() : text, id ? spool.find(*id) : nullptr);
  }
  return chosen;
}

std::string sentence(change what, const outcome& o, bool only_planned) {
  if (o.message == nullptr) return "no such message";
  if (!o.changes) return std::string(idle_word(what));
  if (o.error) return "not " + std::string(done_word(what)) + ": " + o.error.message();
  return (only_planned ? "would be " : "") + std::string(done_word(what));
}

std::string line_of(change what, const outcome& o, bool only_planned) {
  auto line = printable(o.id) + ": " + sentence(what, o, only_planned);
  if (o.message == nullptr) return line + "\n";
  const auto pending = std::ranges::count(o.message->recipients, spool::recipient_status::pending,
                                          &spool::recipient_state::status);
  line += fmt::format(" ({} octets from {}, {} pending)", o.message->content_size,
                      sender_text(o.message->envelope.reverse_path), pending);
  return line + "\n";
}

void print(const context& where, change what, const std::vector<outcome>& outcomes, bool planned) {
  json_array array;
  for (const auto& o : outcomes) {
    if (!where.json) {
      put(line_of(what, o, planned));
      continue;
    }
    const bool changed = o.changes && !o.error && !planned;
    put(array.next(fmt::format(R"({{"id":{},"changed":{},"outcome":{}}})", json_string(o.id),
                               changed, json_string(sentence(what, o, planned)))));
  }
  if (where.json) put(array.end());
  if (!where.json && outcomes.empty()) put(list_summary(0, 0));
  finish_output();
}

exit_code worst(const std::vector<outcome>& outcomes) {
  auto code = exit_code::ok;
  for (const auto& o : outcomes) {
    if (o.message == nullptr && code == exit_code::ok) code = exit_code::no_input;
    if (o.error) code = exit_code_of(o.error);
  }
  return code;
}

void carry_out(offline_spool& spool, change what, std::vector<outcome>& outcomes) {
  std::vector<spool::state_change> changes;
  std::vector<outcome*> changed;
  for (auto& o : outcomes) {
    if (!o.changes) continue;
    changes.push_back(change_of(what, *o.message));
    changed.push_back(&o);
  }
  const auto errors = spool.settle(std::move(changes));
  for (std::size_t i = 0; i < changed.size(); ++i) changed[i]->error = errors[i];
}

}  // namespace

exit_code apply(const context& where, change what, const selection& which) {
  offline_spool spool(where.directory);
  auto outcomes = select(spool, what, which);
  if (which.dry_run || (which.all && !which.confirmed)) {
    print(where, what, outcomes, true);
    if (which.dry_run || outcomes.empty()) return worst(outcomes);
    throw failure(exit_code::usage, "nothing was done: --all needs --yes as well");
  }
  carry_out(spool, what, outcomes);
  print(where, what, outcomes, false);
  spool.close();
  return worst(outcomes);
}

}  // namespace relais::ctl
