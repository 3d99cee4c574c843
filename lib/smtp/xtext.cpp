#include "smtp/xtext.hpp"

namespace relais::smtp {
namespace {

int hex_value(char c) noexcept {
  if (c >= '0' && c <= '9') return c - '0';
  return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/// Calls `take` with each decoded octet. False: not xtext.
template <class Take>
bool walk(std::string_view text, Take take) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c <= ' ' || c > '~' || c == '=') return false;
    if (c != '+') {
      take(c);
      continue;
    }
    if (i + 2 >= text.size()) return false;
    const int high = hex_value(text[i + 1]), low = hex_value(text[i + 2]);
    if (high < 0 || low < 0) return false;
    take(static_cast<char>(high << 4 | low));
    i += 2;
  }
  return true;
}

}  // namespace

bool is_xtext(std::string_view text) noexcept {
  return walk(text, [](char) {});
}

std::optional<std::string> xtext_decode(std::string_view text) {
  std::string octets;
  if (!walk(text, [&](char c) { octets += c; })) return {};
  return octets;
}

std::string xtext_encode(std::string_view octets) {
  constexpr std::string_view digits = "0123456789ABCDEF";
  std::string text;
  for (const char c : octets) {
    if (c > ' ' && c <= '~' && c != '+' && c != '=') {
      text += c;
      continue;
    }
    const auto octet = static_cast<unsigned char>(c);
    text.append(1, '+').append(1, digits[octet >> 4]).append(1, digits[octet & 15]);
  }
  return text;
}

}  // namespace relais::smtp
