// The promises, each as a check of what was found against what was asked and answered.
#include <algorithm>

#include "unit/spool/spool_model.hpp"

namespace relais::testing {

using spool::recipient_status;

void spool_model::check_states(queue_id id, const tracked& known,
                               const spool::stored_message& found, bool void_is_wrong,
                               std::vector<std::string>& broken) const {
  bool is_pending = false;
  for (std::size_t r = 0; r < known.recipients.size(); ++r) {
    const auto& state = found.recipients[r];
    const auto& versions = known.recipients[r];
    is_pending = is_pending || state.status == recipient_status::pending;
    if (state.attempts < known.durable[r])
      broken.push_back("back: the state of " + id.text() + " is " + std::to_string(state.attempts) +
                       ", was " + std::to_string(known.durable[r]));
    if (state.attempts == 0) {
      if (!(state == spool::recipient_state())) broken.push_back("invented state of " + id.text());
      continue;
    }
    if (state.attempts > versions.size()) {
      broken.push_back("invented state of " + id.text());
      continue;
    }
    const auto& v = versions[state.attempts - 1];
    // Of a recipient that is done with, only what became of it has to be kept.
    if (state.status != v.state.status ||
        (state.status == recipient_status::pending && !(state == v.state)))
      broken.push_back("changed state of " + id.text());
    if (v.is_void && void_is_wrong)
      broken.push_back("refused: the state of " + id.text() + " is there");
  }
  if (!is_pending) broken.push_back("finished: " + id.text() + " is there");
  const auto oldest = known.holds.begin() + static_cast<std::ptrdiff_t>(known.durable_hold);
  if (std::find(oldest, known.holds.end(), found.is_held) == known.holds.end())
    broken.push_back("back: the hold of " + id.text());
  if (found.next_hop != (found.is_held ? "held.test" : ""))
    broken.push_back("not with the hold: the next hop of " + id.text());
}

void spool_model::check_message(queue_id id, const tracked& known,
                                const spool::stored_message* found, strictness how,
                                std::vector<std::string>& broken) const {
  if (found == nullptr) {
    const bool may_be_gone =
        known.may_be_gone() || (!how.refused_stays_away && known.may_be_gone_with_refused());
    if (known.append == answered::yes && !known.is_gone && !may_be_gone)
      broken.push_back("lost " + id.text());
    return;
  }
  if (known.must_be_gone()) broken.push_back("resurrected " + id.text());
  if (known.append == answered::no && how.refused_stays_away)
    broken.push_back("refused: " + id.text() + " is there");
  const auto& asked = known.message->envelope;
  const auto& got = found->envelope;
  if (got.forward_paths != asked.forward_paths || !(got.reverse_path == asked.reverse_path) ||
      got.body != asked.body || got.smtputf8 != asked.smtputf8 ||
      found->arrival != known.message->arrival || found->content_size != known.content.size()) {
    broken.push_back("changed envelope of " + id.text());
  }
  if (found->recipients.size() != known.recipients.size()) {
    broken.push_back("changed number of recipients of " + id.text());
    return;
  }
  check_states(id, known, *found, how.refused_stays_away, broken);
}

/// A call is there whole or not at all. Not-there of a message that has left means that all its
/// states are.
void spool_model::check_call(const call& c, const opened_spool& after,
                             std::vector<std::string>& broken) const {
  std::size_t there = 0;
  std::size_t missing = 0;
  if (c.appended) ++(after.found.contains(*c.appended) ? there : missing);
  for (const auto& e : c.effects) {
    const auto found = after.found.find(e.id);
    if (found == after.found.end()) {
      ++there;
    } else if (e.recipient && *e.recipient < found->second.recipients.size()) {
      ++(found->second.recipients[*e.recipient].attempts >= e.version ? there : missing);
    }
  }
  if (there == 0 || missing == 0) return;
  std::string what = "half of a call is there:";
  if (c.appended)
    what += " " + c.appended->text() + (after.found.contains(*c.appended) ? "" : " (not)");
  for (const auto& e : c.effects) {
    const auto found = after.found.find(e.id);
    what += " " + e.id.text() + "/" + std::to_string(e.recipient.value_or(99)) + " version " +
            std::to_string(e.version) + " (";
    what += found == after.found.end() ? "gone"
            : e.recipient ? std::to_string(found->second.recipients[*e.recipient].attempts)
                          : "hold";
    what += ")";
  }
  broken.push_back(what);
}

std::vector<std::string> spool_model::check(const opened_spool& after, strictness how) const {
  std::vector<std::string> broken;
  if (!after.store || after.error)
    return {"closed: " + after.error.message() + (after.why.empty() ? "" : ", " + after.why)};
  if (how.no_damage)
    for (const auto& sentence : after.report.damaged) broken.push_back("damage: " + sentence);
  for (const auto id : after.found_twice) broken.push_back("twice: " + id.text());
  for (const auto& [id, found] : after.found)
    if (!messages_.contains(id)) broken.push_back("invented " + id.text());
  for (const auto& [id, known] : messages_) {
    const auto found = after.found.find(id);
    const auto* there = found == after.found.end() ? nullptr : &found->second;
    if (how.fresh_from && id >= *how.fresh_from) {
      if (there != nullptr) broken.push_back("new, yet found: " + id.text());
      continue;
    }
    check_message(id, known, there, how, broken);
  }
  for (const auto& [token, c] : calls_) {
    if (how.fresh_from && c.appended && *c.appended >= *how.fresh_from) continue;
    if (!c.effects.empty()) check_call(c, after, broken);
  }
  if (!how.fresh_from && after.highest_id < highest_acknowledged_)
    broken.push_back("highest id " + after.highest_id.text() + " is below " +
                     highest_acknowledged_.text());
  if (after.report.messages != after.found.size())
    broken.push_back("miscounted: " + std::to_string(after.report.messages) + " reported");
  return broken;
}

std::vector<std::string> spool_model::check(
    queue_id id, const std::optional<spool::stored_message>& found) const {
  std::vector<std::string> broken;
  check_message(id, messages_.at(id), found ? &*found : nullptr, {}, broken);
  return broken;
}

void spool_model::check_content(spool::store& store, queue_id id,
                                std::vector<std::string>& broken) const {
  const auto known = messages_.find(id);
  if (known == messages_.end()) return;
  std::string content;
  if (id.value % 2 == 0) {
    const auto read = store.read(id);
    if (!read) return broken.push_back("unreadable " + id.text() + ": " + read.error().message());
    content = (*read)->content;
    if ((*read)->envelope.forward_paths != known->second.message->envelope.forward_paths ||
        (*read)->arrival != known->second.message->arrival) {
      broken.push_back("changed: " + id.text() + " as it is read");
    }
  } else {
    const auto reader = store.open_content(id);
    if (!reader)
      return broken.push_back("unreadable " + id.text() + ": " + reader.error().message());
    if ((*reader)->size() != known->second.content.size())
      broken.push_back("changed size of " + id.text());
    for (;;) {
      const auto piece = (*reader)->next(1000 + static_cast<std::size_t>(id.value % 5) * 700);
      if (!piece)
        return broken.push_back("unreadable " + id.text() + ": " + piece.error().message());
      if (piece->empty()) break;
      content += *piece;
    }
  }
  if (content != known->second.content) broken.push_back("changed content of " + id.text());
}

}  // namespace relais::testing
