#include "config/host_name.hpp"

#include <algorithm>

#include "base/text.hpp"

namespace relais::config {
namespace {

bool is_label(std::string_view label) noexcept {
  return !label.empty() && label.size() <= 63 && label.front() != '-' && label.back() != '-' &&
         std::ranges::all_of(label, [](char c) { return is_alnum(c) || c == '-'; });
}

}  // namespace

bool is_host_name(std::string_view text) noexcept {
  if (text.size() > 253) return false;
  for (;;) {
    const auto dot = text.find('.');
    const auto label = text.substr(0, dot);
    if (!is_label(label)) return false;
    if (dot == std::string_view::npos) return !std::ranges::all_of(label, is_digit);
    text.remove_prefix(dot + 1);
  }
}

}  // namespace relais::config
