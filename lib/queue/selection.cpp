#include "queue/selection.hpp"

#include <algorithm>
#include <boost/regex.hpp>

#include "base/text.hpp"
#include "policy/access_pattern.hpp"

namespace relais::queue {

// Boost.Regex gives up by an exception where a pattern would take exponential time.
struct selector::pattern {
  explicit pattern(const std::string& text) : compiled(text, boost::regex::icase) {}
  boost::regex compiled;
};

namespace {

constexpr std::size_t longest_reason = 256;
// Of a diagnostic; longer ones are not kept either.
constexpr std::size_t searched = 1024;

using words = std::vector<std::string>;

bool is_one_of(const words& asked, const words& known) {
  return std::ranges::any_of(
      known, [&](const auto& k) { return std::ranges::find(asked, k) != asked.end(); });
}

bool fits_address(const words& asked, const smtp::path& address) {
  return asked.empty() || is_one_of(asked, policy::address_keys(address));
}

bool fits_way(const words& asked, const way_names& way) {
  if (is_one_of(asked, {to_lower(way.text)})) return true;
  return std::ranges::any_of(
      way.hosts, [&](const auto& name) { return is_one_of(asked, policy::host_keys(name)); });
}

/// False: one of the words is none.
bool make_keys(words& list, std::string (*key_of)(std::string_view), std::string_view of,
               std::string& why) {
  for (auto& word : list) {
    auto key = key_of(word);
    if (key.empty()) {
      why = "\"" + printable(word) + "\" can be no " + std::string(of);
      return false;
    }
    word = std::move(key);
  }
  return true;
}

}  // namespace

bool selection::is_empty() const noexcept {
  return ids.empty() && !all && senders.empty() && recipients.empty() && destinations.empty() &&
         !older && !younger && !larger && !smaller && !held && reason.empty();
}

bool selection::is_explicit() const noexcept {
  return !ids.empty() && !all && senders.empty() && recipients.empty() && destinations.empty() &&
         !older && !younger && !larger && !smaller && !held && reason.empty();
}

policy::next_hop hop_of(const policy::routes& routes, const spool::stored_message& message,
                        std::size_t recipient, wall_time now) {
  if (!message.next_hop.empty()) {
    // One that makes no sense any more, because the configuration changed, counts as none.
    if (const auto chosen = routes.parse(message.next_hop)) return *chosen;
  }
  const auto& e = message.envelope;
  auto hop = routes.find({e.forward_paths.at(recipient), e.reverse_path, e.user, e.listener});
  const auto attempts = message.recipients.at(recipient).attempts;
  if (routes.wants_fallback(hop, attempts, now - message.arrival)) hop.is_fallback = true;
  return hop;
}

way_names names_of(const policy::routes& routes, const policy::next_hop& hop) {
  way_names names;
  names.text = routes.text(hop);
  for (const auto& host : routes.hosts(hop)) {
    names.hosts.push_back(host.name.empty() ? hop.domain : host.name);
  }
  return names;
}

std::optional<selector> selector::make(const selection& asked, std::string& why) {
  selector made;
  auto& s = made.asked_;
  s = asked;
  std::ranges::sort(s.ids);
  const auto doubles = std::ranges::unique(s.ids);
  s.ids.erase(doubles.begin(), doubles.end());
  if (!make_keys(s.senders, policy::address_key_of, "sender", why)) return {};
  if (!make_keys(s.recipients, policy::address_key_of, "recipient", why)) return {};
  if (!make_keys(s.destinations, policy::host_key_of, "destination", why)) return {};
  if (s.reason.size() > longest_reason) {
    why = "the reason is longer than " + std::to_string(longest_reason) + " octets";
    return {};
  }
  if (!s.reason_is_regex) {
    s.reason = to_lower(s.reason);
    return made;
  }
  try {
    made.pattern_ = std::make_shared<const pattern>(s.reason);
  } catch (const std::runtime_error& e) {
    why = "\"" + printable(s.reason) + "\" is no regular expression: " + e.what();
    return {};
  }
  return made;
}

bool selector::fits_message(const spool::stored_message& message, wall_time now) const {
  const auto& a = asked_;
  if (!a.ids.empty() && !std::ranges::binary_search(a.ids, message.id)) return false;
  const auto age = now - message.arrival;
  if ((a.older && age <= *a.older) || (a.younger && age >= *a.younger)) return false;
  if (a.larger && message.content_size <= *a.larger) return false;
  if (a.smaller && message.content_size >= *a.smaller) return false;
  if (a.held && message.is_held != *a.held) return false;
  return fits_address(a.senders, message.envelope.reverse_path);
}

bool selector::fits_reason(const spool::recipient_state& state) const {
  if (asked_.reason.empty()) return true;
  const auto said = state.diagnostic.substr(0, searched);
  if (!pattern_) return to_lower(said).find(asked_.reason) != std::string::npos;
  try {
    return boost::regex_search(said, pattern_->compiled);
  } catch (const std::runtime_error&) {
    return false;  // takes too long: not meant
  }
}

std::vector<std::size_t> selector::matching(
    const spool::stored_message& message, wall_time now,
    const std::function<way_names(std::size_t)>& way) const {
  std::vector<std::size_t> meant;
  if (!fits_message(message, now)) return meant;
  for (std::size_t i = 0; i < message.recipients.size(); ++i) {
    const auto& state = message.recipients[i];
    if (state.status != spool::recipient_status::pending || !fits_reason(state)) continue;
    if (!fits_address(asked_.recipients, message.envelope.forward_paths.at(i))) continue;
    if (!asked_.destinations.empty() && !fits_way(asked_.destinations, way(i))) continue;
    meant.push_back(i);
  }
  return meant;
}

}  // namespace relais::queue
