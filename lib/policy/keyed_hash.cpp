#include "policy/keyed_hash.hpp"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>
#include <cstring>
#include <new>

namespace relais::policy {

std::size_t digest_hash::operator()(const digest& d) const noexcept {
  std::size_t value = 0;
  std::memcpy(&value, d.data(), sizeof value);
  return value;
}

std::string to_hex(const digest& d) {
  static constexpr char digits[] = "0123456789abcdef";
  std::string text;
  text.reserve(2 * d.size());
  for (const auto octet : d) {
    text += digits[octet >> 4];
    text += digits[octet & 15];
  }
  return text;
}

std::optional<digest> parse_digest(std::string_view text) noexcept {
  digest d{};
  if (text.size() != 2 * d.size()) return {};
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    const bool is_digit = c >= '0' && c <= '9';
    if (!is_digit && !(c >= 'a' && c <= 'f')) return {};
    const int value = is_digit ? c - '0' : c - 'a' + 10;
    d[i / 2] = static_cast<std::uint8_t>(d[i / 2] << 4 | value);
  }
  return d;
}

digest keyed_hash::operator()(std::initializer_list<std::string_view> parts) const {
  std::string octets;
  for (const auto part : parts) {
    octets += std::to_string(part.size());
    octets += ':';
    octets += part;
  }
  std::array<unsigned char, EVP_MAX_MD_SIZE> full{};
  unsigned length = 0;
  const auto* made = HMAC(EVP_sha256(), secret_.data(), static_cast<int>(secret_.size()),
                          reinterpret_cast<const unsigned char*>(octets.data()), octets.size(),
                          full.data(), &length);
  if (made == nullptr) throw std::bad_alloc();  // the only way in which it fails
  digest d{};
  std::copy_n(full.begin(), d.size(), d.begin());
  return d;
}

}  // namespace relais::policy
