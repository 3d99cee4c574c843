#include "dns/name.hpp"

#include <idn2.h>

#include <algorithm>
#include <memory>

#include "base/error.hpp"
#include "base/text.hpp"

namespace relais::dns {

namespace {

constexpr std::size_t longest_name = 253;
constexpr std::size_t longest_label = 63;

bool is_ascii(std::string_view text) noexcept {
  return std::ranges::all_of(text, [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

struct idn2_deleter {
  void operator()(char* text) const noexcept { idn2_free(text); }
};

/// The argument holds no NUL: libidn2 reads a C string.
result<std::string> to_a_labels(const std::string& domain) {
  char* text = nullptr;
  const int status = idn2_to_ascii_8z(domain.c_str(), &text, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL);
  const std::unique_ptr<char, idn2_deleter> owner(text);
  if (status != IDN2_OK || text == nullptr) return errc::syntax;
  return std::string(text);
}

}  // namespace

bool is_host_name(std::string_view name) noexcept {
  if (name.empty() || name.size() > longest_name) return false;
  std::size_t label = 0;
  for (const char c : name) {
    if (c == '.') {
      if (label == 0) return false;
      label = 0;
    } else if (!(is_alnum(c) || c == '-' || c == '_') || ++label > longest_label) {
      return false;
    }
  }
  return label > 0;
}

std::string normal_name(std::string_view name) {
  if (name.ends_with('.')) name.remove_suffix(1);
  return to_lower(name);
}

std::string reverse_name(const ip_address& address) {
  return address.reversed() + (address.is_v6() ? ".ip6.arpa" : ".in-addr.arpa");
}

result<std::string> query_name(std::string_view domain) {
  auto name = normal_name(domain);
  if (!is_ascii(name)) {
    // No IDN needs more octets than this; libidn2 is not to be fed megabytes.
    if (name.size() > 4 * longest_name || name.find('\0') != std::string::npos) return errc::syntax;
    auto ascii = to_a_labels(name);
    if (ascii.has_error()) return ascii.error();
    name = normal_name(*ascii);
  }
  if (!is_host_name(name)) return errc::syntax;
  return name;
}

}  // namespace relais::dns
