// A password, token or other secret in memory: moved, never copied by accident, wiped behind use.
// Comparison in constant time, random octets and the digests that the mechanisms share.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace relais::auth {

/// Overwrites what the string holds, and empties it.
void wipe(std::string& text) noexcept;

class secret {
 public:
  secret() = default;
  explicit secret(std::string_view text) : text_(text) {}
  // A moved std::string may leave its short text behind.
  secret(secret&& other) noexcept : text_(other.text_.data(), other.text_.size()) { other.clear(); }
  secret& operator=(secret&& other) noexcept {
    clear();
    text_.swap(other.text_);
    return *this;
  }
  ~secret() { clear(); }

  std::string_view text() const noexcept { return text_; }
  const char* c_str() const noexcept { return text_.c_str(); }
  bool empty() const noexcept { return text_.empty(); }
  void clear() noexcept { wipe(text_); }

 private:
  std::string text_;
};

/// Without regard to where they differ; of different lengths: false.
bool equal_in_constant_time(std::string_view a, std::string_view b) noexcept;

/// From OpenSSL's generator. Throws std::runtime_error if it has no entropy.
std::string random_octets(std::size_t count);

// All give 32 octets.
std::string sha256(std::string_view octets);
std::string hmac_sha256(std::string_view key, std::string_view octets);
std::string pbkdf2_sha256(std::string_view password, std::string_view salt, unsigned iterations);

}  // namespace relais::auth
