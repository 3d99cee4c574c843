// The queue in the spool of a stopped daemon: what needs no deliveries can be done there.
#include <algorithm>

#include "config/settings.hpp"
#include "daemon/ctl/failure.hpp"
#include "daemon/ctl/offline_spool.hpp"
#include "daemon/ctl/queue_access.hpp"
#include "http/control_json.hpp"
#include "http/control_request.hpp"

namespace relais::ctl {
namespace {

using delivery::queue_verb;

constexpr std::size_t piece_size = 256 << 10;

/// Throws failure.
queue::selector selector_of(const criteria& which) {
  queue::selection asked;
  bool known = true;
  for (const auto& [name, value] : which) {
    const auto fault = http::add_criterion(asked, name, value, known);
    if (!fault.empty()) throw failure(exit_code::usage, fault);
  }
  std::string why;
  auto made = queue::selector::make(asked, why);
  if (!made) throw failure(exit_code::usage, why);
  return std::move(*made);
}

class spool_queue final : public queue_access {
 public:
  spool_queue(const std::string& directory, const config::settings& settings)
      : routes_(settings), spool_(directory), now_(system_clocks().wall()) {}

  void list(const criteria& which, const taker& each) override {
    const auto wanted = selector_of(which);
    for (const auto& m : spool_.messages()) {
      if (!meant(wanted, m).empty()) each(http::to_object(m));
    }
  }

  boost::json::object show(const std::string& id) override { return http::to_object(find(id)); }

  void cat(const std::string& id, const std::function<void(std::string_view)>& put) override {
    const auto reader = spool_.store().open_content(find(id).id);
    auto error = reader ? error_code{} : reader.error();
    while (!error) {
      const auto piece = (*reader)->next(piece_size);
      if (piece && piece->empty()) return;
      if (piece) put(*piece);
      if (!piece) error = piece.error();
    }
    throw failure(exit_code_of(error), id + ": " + error.message());
  }

  void carry_out(const queue_order& what, const taker& each) override {
    if (what.verb == queue_verb::bounce || what.verb == queue_verb::retry) {
      throw failure(exit_code::unavailable, "relaisd is not running: nothing can be sent");
    }
    if (!what.next_hop.empty() && !routes_.parse(what.next_hop)) {
      throw failure(exit_code::usage, what.next_hop + " is no next hop");
    }
    auto found = find_meant(selector_of(what.which), what.verb);
    if (!what.is_dry) settle(found, what);
    for (const auto& c : found) each(http::to_object(c.seen, what.is_dry));
    if (!what.is_dry) spool_.close();
  }

 private:
  struct candidate {
    delivery::order_outcome seen;
    spool::state_change removal, due;
  };

  std::vector<std::size_t> meant(const queue::selector& which,
                                 const spool::stored_message& m) const {
    return which.matching(m, now_, [&](std::size_t recipient) {
      return queue::names_of(routes_, queue::hop_of(routes_, m, recipient, now_));
    });
  }

  const spool::stored_message& find(const std::string& text) const {
    const auto id = queue_id::parse(text);
    const auto* message = id ? spool_.find(*id) : nullptr;
    if (message == nullptr) throw failure(exit_code::no_input, text + ": no such message");
    return *message;
  }

  std::vector<candidate> find_meant(const queue::selector& which, queue_verb verb) const {
    std::vector<candidate> found;
    for (const auto id : which.asked().ids) {
      if (spool_.find(id) != nullptr) continue;
      auto& c = found.emplace_back();
      c.seen.id = id;
      c.seen.is_known = false;
      delivery::judge(c.seen, verb, false);
    }
    for (const auto& m : spool_.messages()) {
      const auto recipients = meant(which, m);
      if (recipients.empty()) continue;
      auto& c = found.emplace_back();
      c.seen.id = m.id;
      c.seen.octets = m.content_size;
      c.seen.sender = m.envelope.reverse_path.text();
      c.seen.recipients = recipients.size();
      c.seen.pending = static_cast<std::size_t>(std::ranges::count(
          m.recipients, spool::recipient_status::pending, &spool::recipient_state::status));
      c.removal = delivery::removal_of(m, recipients);
      c.due = delivery::due_now(m);
      delivery::judge(c.seen, verb, m.is_held);
    }
    return found;
  }

  void settle(std::vector<candidate>& found, const queue_order& what) {
    std::vector<spool::state_change> changes;
    std::vector<delivery::order_outcome*> changed;
    for (auto& c : found) {
      if (!c.seen.changes) continue;
      auto& change = changes.emplace_back();
      change.id = c.seen.id;
      if (what.verb == queue_verb::remove) change = std::move(c.removal);
      if (what.verb == queue_verb::hold) change.hold = true;
      // As with a running daemon: they go as soon as they can.
      const bool goes_now = what.verb == queue_verb::release || what.verb == queue_verb::reroute;
      if (goes_now) change = std::move(c.due);
      if (what.verb == queue_verb::release) change.hold = false;
      if (what.verb == queue_verb::reroute) change.next_hop = what.next_hop;
      changed.push_back(&c.seen);
    }
    const auto errors = spool_.settle(std::move(changes));
    const std::string word(delivery::done_word(what.verb));
    for (std::size_t i = 0; i < changed.size(); ++i) {
      auto& o = *changed[i];
      o.error = errors[i];
      o.changes = !o.error;
      o.sentence = o.error ? "not " + word + ": " + o.error.message() : word;
    }
  }

  policy::routes routes_;
  offline_spool spool_;
  wall_time now_;
};

}  // namespace

std::unique_ptr<queue_access> queue_of_spool(const std::string& directory,
                                             const config::settings& settings) {
  return std::make_unique<spool_queue>(directory, settings);
}

}  // namespace relais::ctl
