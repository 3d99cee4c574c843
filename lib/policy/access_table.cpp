#include "policy/access_table.hpp"

#include <algorithm>
#include <climits>
#include <utility>

#include "base/text.hpp"
#include "policy/access_pattern.hpp"

namespace relais::policy {

namespace {

constexpr std::size_t most_mistakes = 20;

constexpr std::array<std::pair<std::string_view, access_kind>, 6> kinds{{
    {"client", access_kind::client},
    {"client_name", access_kind::client_name},
    {"helo", access_kind::hello},
    {"sender", access_kind::sender},
    {"recipient", access_kind::recipient},
    {"user", access_kind::user},
}};

std::string_view take_word(std::string_view& line) {
  line = trimmed(line);
  const auto end = std::min(line.find_first_of(" \t"), line.size());
  const auto word = line.substr(0, end);
  line.remove_prefix(end);
  return word;
}

std::optional<config::access_action> action_of(std::string_view word) {
  if (iequals(word, "ok") || iequals(word, "accept")) return config::access_action::accept;
  if (iequals(word, "reject")) return config::access_action::reject;
  if (iequals(word, "defer")) return config::access_action::defer;
  return {};
}

ip_address masked(const ip_address& address, unsigned length) {
  if (!address.is_v6()) {
    const auto mask = length == 0 ? 0u : ~0u << (32 - length);
    return ip_address::v4(address.as_v4() & mask);
  }
  auto octets = address.as_v6();
  for (unsigned i = 0; i < octets.size(); ++i) {
    const auto kept = length > 8 * i ? std::min(8u, length - 8 * i) : 0u;
    octets[i] = static_cast<std::uint8_t>(octets[i] & (0xff00u >> kept));
  }
  return ip_address::v6(octets);
}

std::string network_key(const ip_address& first, unsigned length) {
  return first.text() + '/' + std::to_string(length);
}

}  // namespace

access_table::access_table(std::string_view text, std::string file,
                           std::vector<std::string>& mistakes)
    : file_(std::move(file)) {
  first_lines_.fill(UINT_MAX);
  unsigned number = 0;
  std::vector<std::string> found;
  while (!text.empty() && found.size() < most_mistakes) {
    const auto end = std::min(text.find('\n'), text.size());
    auto line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    read_line(line, ++number, found);
  }
  mistakes.insert(mistakes.end(), found.begin(), found.end());
}

void access_table::read_line(std::string_view line, unsigned number,
                             std::vector<std::string>& mistakes) {
  line = trimmed(line);
  if (line.empty() || line.front() == '#') return;
  const auto kind = take_word(line);
  const auto pattern = take_word(line);
  const auto action_word = take_word(line);
  const auto text = trimmed(line);
  std::string mistake;
  const auto action = action_of(action_word);
  if (action_word.empty()) {
    mistake = "a rule is KIND PATTERN ACTION [TEXT]";
  } else if (!action) {
    mistake = printable(action_word) + " is no action: OK, ACCEPT, REJECT or DEFER";
  } else if (!std::ranges::all_of(text, [](char c) { return c >= ' ' && c <= '~'; })) {
    mistake = "the text of a reply is printable ASCII";
  } else {
    row entry;
    entry.action = *action;
    entry.text = text;
    entry.line = number;
    mistake = add(kind, pattern, std::move(entry));
  }
  if (mistake.empty()) return;
  mistakes.push_back(file_ + ':' + std::to_string(number) + ": " + mistake);
}

std::string access_table::add(std::string_view kind_word, std::string_view pattern, row entry) {
  const auto* named =
      std::ranges::find_if(kinds, [&](const auto& k) { return iequals(k.first, kind_word); });
  if (named == kinds.end()) {
    return printable(kind_word) +
           " is no kind: client, client_name, helo, sender, recipient or user";
  }
  const auto kind = named->second;
  std::string key;
  if (kind == access_kind::client) {
    const auto network = ip_network::parse(pattern);
    if (!network) return printable(pattern) + " is no address or network";
    const auto length = network->prefix_length();
    ++(network->address().is_v6() ? v6_lengths_ : v4_lengths_)[length];
    key = network_key(network->address(), length);
  } else if (kind == access_kind::sender || kind == access_kind::recipient) {
    key = address_key_of(pattern);
    if (key.empty()) return printable(pattern) + " is no address, domain, user@ or <>";
  } else if (kind == access_kind::user) {
    key = pattern;
  } else {
    key = host_key_of(pattern);
    if (key.empty()) return printable(pattern) + " is no host name";
  }
  const auto slot = static_cast<std::size_t>(kind);
  first_lines_[slot] = std::min(first_lines_[slot], entry.line);
  // Of equal patterns the first one counts.
  indexes_[slot].emplace(std::move(key), static_cast<std::uint32_t>(rows_.size()));
  rows_.push_back(std::move(entry));
  return {};
}

void access_table::look_up(access_kind kind, const std::string& key, const row*& first) const {
  const auto& rows_by_key = indexes_[static_cast<std::size_t>(kind)];
  const auto at = rows_by_key.find(key);
  if (at == rows_by_key.end()) return;
  const auto& found = rows_[at->second];
  if (first == nullptr || found.line < first->line) first = &found;
}

void access_table::look_up_client(const ip_address& client, const row*& first) const {
  for (const auto& [length, count] : client.is_v6() ? v6_lengths_ : v4_lengths_) {
    look_up(access_kind::client, network_key(masked(client, length), length), first);
  }
}

const access_table::row* access_table::find(const access_subject& subject) const {
  const row* first = nullptr;
  const auto has = [&](access_kind kind) { return first_line(kind) != UINT_MAX; };
  const auto look = [&](access_kind kind, const std::vector<std::string>& keys) {
    for (const auto& key : keys) look_up(kind, key, first);
  };
  if (has(access_kind::client)) look_up_client(subject.client, first);
  if (has(access_kind::client_name)) look(access_kind::client_name, host_keys(subject.client_name));
  if (has(access_kind::hello)) look(access_kind::hello, host_keys(subject.hello));
  if (has(access_kind::user) && !subject.user.empty())
    look_up(access_kind::user, std::string(subject.user), first);
  if (subject.sender != nullptr && has(access_kind::sender))
    look(access_kind::sender, address_keys(*subject.sender));
  if (subject.recipient != nullptr && has(access_kind::recipient))
    look(access_kind::recipient, address_keys(*subject.recipient));
  return first;
}

}  // namespace relais::policy
