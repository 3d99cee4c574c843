#include "config/route_words.hpp"

#include <algorithm>
#include <cstddef>

#include "base/text.hpp"
#include "config/field_checks.hpp"
#include "config/smarthost.hpp"

namespace relais::config {
namespace {

constexpr std::string_view socket_prefix = "unix:";

std::optional<std::uint16_t> number_behind(std::string_view text, std::string_view word) {
  if (!text.starts_with(word) || text.substr(word.size(), 1) != " ") return {};
  const auto number = parse_number(trimmed(text.substr(word.size())));
  if (!number || *number > 65535) return {};
  return static_cast<std::uint16_t>(*number);
}

std::optional<next_hop_target> parse_host(std::string_view text, std::uint16_t default_port) {
  if (text.starts_with(socket_prefix)) {
    const auto path = text.substr(socket_prefix.size());
    if (!check_socket_path(path).empty()) return {};
    return next_hop_target{std::string(path), 0, false, true};
  }
  const auto host = parse_smarthost(text, default_port);
  if (!host) return {};
  // A host whose name is "mx" is written in brackets.
  const bool is_mx = host->lookup_mx && host->host == "mx";
  return next_hop_target{is_mx ? std::string() : host->host, host->port, host->lookup_mx};
}

}  // namespace

std::optional<next_hop_target> parse_next_hop(std::string_view text, std::uint16_t default_port) {
  const auto parts = split(text, ',');
  auto target = parse_host(parts.front(), default_port);
  bool has_preference = false, has_weight = false;
  for (std::size_t i = 1; target && i < parts.size(); ++i) {
    const auto part = trimmed(parts[i]);
    if (const auto preference = number_behind(part, "preference"); preference && !has_preference) {
      target->preference = *preference;
      has_preference = true;
    } else if (const auto weight = number_behind(part, "weight"); weight && !has_weight) {
      target->weight = *weight;
      has_weight = true;
    } else {
      return {};
    }
  }
  return target;
}

bool has_written_port(std::string_view text) {
  const auto host = split(text, ',').front();
  const auto without = parse_next_hop(host, 1), other = parse_next_hop(host, 2);
  return without && other && without->port == other->port;
}

std::optional<error_text> parse_error_text(std::string_view text) {
  if (text.empty()) return error_text{"5.1.1", "No mail is taken for this address"};
  const auto word = text.substr(0, text.find(' '));
  const auto parts = split(word, '.');
  const bool is_status = parts.size() == 3 && std::ranges::all_of(parts, [](auto part) {
                           return !part.empty() && std::ranges::all_of(part, is_digit);
                         });
  if (!is_status) return error_text{"5.1.1", std::string(text)};
  const auto sentence = trimmed(text.substr(word.size()));
  if (parts[0] != "5" || parts[1].size() > 3 || parts[2].size() > 3 || sentence.empty()) return {};
  return error_text{std::string(word), std::string(sentence)};
}

}  // namespace relais::config
