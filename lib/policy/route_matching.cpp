#include "policy/route_matching.hpp"

#include <algorithm>

#include "policy/access_pattern.hpp"

namespace relais::policy {
namespace {

constexpr std::array<std::string_view, 4> criterion_names{"recipients", "senders", "users",
                                                          "listeners"};

std::vector<std::string> address_words(const std::vector<std::string>& words) {
  std::vector<std::string> keys;
  for (const auto& word : words) keys.push_back(address_key_of(word));
  return keys;
}

std::vector<std::string> single(std::string_view word) {
  if (word.empty()) return {};
  return {std::string(word)};
}

/// `sorted` holds one of the words.
bool holds_any(const std::vector<std::string>& sorted, const std::vector<std::string>& words) {
  return std::ranges::any_of(
      words, [&](const std::string& word) { return std::ranges::binary_search(sorted, word); });
}

}  // namespace

routes::matching::matching(const std::vector<config::route_settings>& settings) {
  for (const auto& s : settings) {
    const auto number = static_cast<std::uint32_t>(rows_.size());
    auto& words = rows_.emplace_back().words;
    words = {address_words(s.recipients), address_words(s.senders), s.users, s.listeners};
    bool is_filed = false;
    for (std::size_t c = 0; c < criteria; ++c) {
      std::ranges::sort(words[c]);
      if (words[c].empty()) continue;
      is_asked_[c] = true;
      if (is_filed) continue;
      is_filed = true;
      for (const auto& word : words[c]) filed_[c][word].push_back(number);
    }
    if (!is_filed) unconditional_.push_back(number);
  }
}

routes::matching::known routes::matching::known_of(const route_subject& subject) const {
  known found;
  if (is_asked_[recipients]) found.words[recipients] = address_keys(subject.forward_path);
  if (is_asked_[senders]) found.words[senders] = address_keys(subject.reverse_path);
  if (is_asked_[users]) found.words[users] = single(subject.user);
  if (is_asked_[listeners]) found.words[listeners] = single(subject.listener);
  return found;
}

std::size_t routes::matching::find(const route_subject& subject) const {
  if (rows_.empty()) return 0;
  const auto about = known_of(subject);
  auto first = unconditional_.empty() ? rows_.size() : unconditional_.front();
  for (std::size_t c = 0; c < criteria; ++c) {
    for (const auto& word : about.words[c]) {
      const auto found = filed_[c].find(word);
      if (found == filed_[c].end()) continue;
      for (const auto number : found->second) {  // growing
        if (number >= first) break;
        const auto matches = [&] {
          for (std::size_t other = c + 1; other < criteria; ++other) {
            const auto& wanted = rows_[number].words[other];
            if (!wanted.empty() && !holds_any(wanted, about.words[other])) return false;
          }
          return true;
        };
        if (matches()) first = number;
      }
    }
  }
  return first;
}

std::string_view routes::matching::mismatch(std::size_t number,
                                            const route_subject& subject) const {
  const auto about = known_of(subject);
  for (std::size_t c = 0; c < criteria; ++c) {
    const auto& wanted = rows_[number].words[c];
    if (!wanted.empty() && !holds_any(wanted, about.words[c])) return criterion_names[c];
  }
  return {};
}

}  // namespace relais::policy
