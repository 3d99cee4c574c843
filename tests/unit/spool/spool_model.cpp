#include "unit/spool/spool_model.hpp"

#include <algorithm>

namespace relais::testing {

using spool::recipient_status;

std::uint64_t spool_model::ask_append(std::shared_ptr<const spool::message> m, std::string content,
                                      std::vector<effect> together_with) {
  const auto token = ++last_token_;
  auto& known = messages_[m->id];
  known.recipients.resize(m->envelope.forward_paths.size());
  known.durable.resize(m->envelope.forward_paths.size());
  known.content = std::move(content);
  calls_[token] = {m->id, std::move(together_with), false, false};
  known.message = std::move(m);
  return token;
}

std::uint64_t spool_model::ask_settle(std::vector<effect> effects, bool is_lazy) {
  const auto token = ++last_token_;
  calls_[token] = {std::nullopt, std::move(effects), is_lazy, false};
  return token;
}

std::uint64_t spool_model::ask_flush() {
  const auto token = ++last_token_;
  calls_[token].is_flush = true;
  return token;
}

spool_model::effect spool_model::add_state(spool::state_change& change, std::uint32_t recipient,
                                           recipient_status status, std::size_t diagnostic) {
  auto& versions = messages_.at(change.id).recipients.at(recipient);
  const auto number = static_cast<std::uint32_t>(versions.size() + 1);
  auto one = change_of(change.id, recipient, status, number, std::string(diagnostic, 'd'));
  versions.push_back({one.entries[0].state, false});
  change.entries.push_back(std::move(one.entries[0]));
  return {change.id, recipient, number};
}

spool_model::effect spool_model::add_hold(spool::state_change& change, bool hold) {
  auto& holds = messages_.at(change.id).holds;
  holds.push_back(hold);
  change.hold = hold;
  // So that both are seen to belong together.
  change.next_hop = hold ? "held.test" : "";
  return {change.id, std::nullopt, static_cast<std::uint32_t>(holds.size() - 1)};
}

void spool_model::make_durable(const call& c) {
  for (const auto& e : c.effects) {
    auto& known = messages_.at(e.id);
    if (e.recipient) {
      auto& durable = known.durable[*e.recipient];
      durable = std::max(durable, e.version);
    } else {
      known.durable_hold = std::max<std::size_t>(known.durable_hold, e.version);
    }
  }
}

void spool_model::answer(std::uint64_t token, error_code error) {
  const auto asked = calls_.find(token);
  if (asked == calls_.end()) return;
  const auto asked_call = std::move(asked->second);
  calls_.erase(asked);
  if (asked_call.appended)
    messages_.at(*asked_call.appended).append = error ? answered::no : answered::yes;
  if (error) {
    // A state that was refused may still be there; what came with a refused message may not.
    if (!asked_call.appended) return;
    for (const auto& e : asked_call.effects)
      if (e.recipient) messages_.at(e.id).recipients[*e.recipient][e.version - 1].is_void = true;
    return;
  }
  if (asked_call.appended) {
    ++acknowledged_;
    highest_acknowledged_ = std::max(highest_acknowledged_, *asked_call.appended);
  }
  make_durable(asked_call);
  // Of one message, what was asked before is durable with it; of all messages, with a flush.
  std::set<queue_id> messages;
  for (const auto& e : asked_call.effects) messages.insert(e.id);
  std::erase_if(calls_, [&](const auto& earlier) {
    const auto& [its_token, c] = earlier;
    if (its_token >= token || !c.is_lazy) return false;
    if (!asked_call.is_flush && !messages.contains(c.effects.front().id)) return false;
    make_durable(c);
    return true;
  });
}

void spool_model::adopt(const opened_spool& after, std::optional<queue_id> fresh_from) {
  std::erase_if(calls_, [&](const auto& c) {
    return !fresh_from || !c.second.appended || *c.second.appended < *fresh_from;
  });
  for (auto& [id, known] : messages_) {
    if (fresh_from && id >= *fresh_from) continue;
    const auto found = after.found.find(id);
    if (found == after.found.end()) {
      known.is_gone = true;
      continue;
    }
    known.append = answered::yes;
    for (std::size_t r = 0; r < known.recipients.size() && r < found->second.recipients.size();
         ++r) {
      known.durable[r] = found->second.recipients[r].attempts;
      if (known.recipients[r].size() > known.durable[r])
        known.recipients[r].resize(known.durable[r]);
    }
    known.holds = {found->second.is_held};
    known.durable_hold = 0;
  }
}

const spool_model::version* spool_model::tracked::newest(std::size_t recipient) const {
  const auto& versions = recipients[recipient];
  for (auto v = versions.rbegin(); v != versions.rend(); ++v)
    if (!v->is_void) return &*v;
  return nullptr;
}

bool spool_model::tracked::may_be_gone() const {
  for (std::size_t r = 0; r < recipients.size(); ++r) {
    const auto* v = newest(r);
    if (v == nullptr || v->state.status == recipient_status::pending) return false;
  }
  return true;
}

/// With a disk that failed for good, what was refused may be there: the report, and with it the end
/// of what it reports.
bool spool_model::tracked::may_be_gone_with_refused() const {
  for (std::size_t r = 0; r < recipients.size(); ++r) {
    const auto& versions = recipients[r];
    const auto oldest = durable[r] == 0 ? 0 : durable[r] - 1;
    const bool ends =
        std::any_of(versions.begin() + static_cast<std::ptrdiff_t>(oldest), versions.end(),
                    [](const auto& v) { return v.state.status != recipient_status::pending; });
    if (!ends) return false;
  }
  return true;
}

bool spool_model::tracked::must_be_gone() const {
  if (is_gone) return true;
  for (std::size_t r = 0; r < recipients.size(); ++r)
    if (durable[r] == 0 || recipients[r][durable[r] - 1].state.status == recipient_status::pending)
      return false;
  return true;
}

std::vector<queue_id> spool_model::pending() const {
  std::vector<queue_id> ids;
  for (const auto& [id, known] : messages_)
    if (known.append == answered::yes && !known.is_gone && !known.may_be_gone()) ids.push_back(id);
  return ids;
}

std::vector<std::uint32_t> spool_model::pending_recipients(queue_id id) const {
  std::vector<std::uint32_t> all;
  const auto& known = messages_.at(id);
  for (std::uint32_t r = 0; r < known.recipients.size(); ++r) {
    const auto* v = known.newest(r);
    if (v == nullptr || v->state.status == recipient_status::pending) all.push_back(r);
  }
  return all;
}

std::string fingerprint(const opened_spool& opened) {
  std::string text = opened.error ? opened.error.message() : "";
  for (const auto& [id, m] : opened.found) {
    text += id.text() + (m.is_held ? " held" : "");
    for (const auto& r : m.recipients)
      text += " " + std::to_string(static_cast<int>(r.status)) + "/" + std::to_string(r.attempts) +
              "/" + r.diagnostic;
    text += "\n";
  }
  return text;
}

}  // namespace relais::testing
