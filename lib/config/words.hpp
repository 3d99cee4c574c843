// The words that stand for the values of each enumeration, in one place: read, shown and listed.
// Internal to config/.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <type_traits>

#include "config/settings.hpp"

namespace relais::config {

/// The first word of a value is the one that is shown; a value's further words are only read.
template <class E>
struct word {
  std::string_view text;
  E value;
};

std::span<const word<listener_role>> words(listener_role);
std::span<const word<listener_tls>> words(listener_tls);
std::span<const word<tls_version>> words(tls_version);
std::span<const word<tristate>> words(tristate);
std::span<const word<newline_choice>> words(newline_choice);
std::span<const word<access_action>> words(access_action);
std::span<const word<rate_of>> words(rate_of);
std::span<const word<rate_per>> words(rate_per);
std::span<const word<hello_check>> words(hello_check);
std::span<const word<reverse_dns_check>> words(reverse_dns_check);
std::span<const word<tls_choice>> words(tls_choice);
std::span<const word<route_action>> words(route_action);
std::span<const word<route_protocol>> words(route_protocol);
std::span<const word<reply_action>> words(reply_action);
std::span<const word<log_level>> words(log_level);

template <class E>
concept enumeration = std::is_enum_v<E>;

template <enumeration E>
std::string_view word_of(E value) {
  for (const auto& w : words(E{})) {
    if (w.value == value) return w.text;
  }
  return {};
}

/// "none, may, encrypt, verify": those that `check` finds nothing wrong with, if there is one.
template <enumeration E>
std::string all_words(std::string (*check)(std::string_view)) {
  std::string all;
  for (const auto& w : words(E{})) {
    if (word_of(w.value) != w.text) continue;
    if (check != nullptr && !check(w.text).empty()) continue;
    if (!all.empty()) all += ", ";
    all += w.text;
  }
  return all;
}

}  // namespace relais::config
