#include "config/values.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "base/text.hpp"
#include "config/nearest.hpp"

namespace relais::config {
namespace {

template <class E>
struct word {
  std::string_view text;
  E value;
};
constexpr std::array tls_words{word<tls_choice>{"none", tls_choice::none},
                               word<tls_choice>{"may", tls_choice::may},
                               word<tls_choice>{"encrypt", tls_choice::encrypt},
                               word<tls_choice>{"verify", tls_choice::verify}};
constexpr std::array level_words{
    word<log_level>{"debug", log_level::debug}, word<log_level>{"info", log_level::info},
    word<log_level>{"warning", log_level::warning}, word<log_level>{"error", log_level::error}};

template <class Words>
std::string parse_word(std::string_view text, const Words& words, auto& value) {
  std::string valid;
  std::vector<std::string_view> texts;
  for (const auto& w : words) {
    if (w.text == text) {
      value = w.value;
      return {};
    }
    valid += (valid.empty() ? "" : ", ") + std::string(w.text);
    texts.push_back(w.text);
  }
  std::string fault = "is none of " + valid;
  if (const auto near = nearest(text, texts); !near.empty()) {
    fault += ": did you mean \"" + std::string(near) + "\"?";
  }
  return fault;
}

/// `shown` renders a bound in the unit of the field.
std::string check_range(std::uint64_t value, const bounds& range, auto shown) {
  if (value < range.least) {
    std::string fault = "is too small: at least " + shown(range.least);
    if (!range.why_least.empty()) fault += ", as " + std::string(range.why_least) + " requires";
    return fault;
  }
  if (value > range.most) return "is too large: at most " + shown(range.most);
  return {};
}

std::string shown_number(std::uint64_t n) {
  return std::to_string(n);
}
std::string shown_size(std::uint64_t n) {
  return to_text(byte_size{n});
}
std::string shown_time(std::uint64_t n) {
  return to_text(duration{static_cast<duration::rep>(n)});
}

/// What follows the digits that text begins with.
std::string_view after_digits(std::string_view text) {
  const auto end = std::ranges::find_if_not(text, is_digit);
  return trimmed(text.substr(static_cast<std::size_t>(end - text.begin())));
}

bool is_word(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, is_alpha);
}

/// The network that host bits were set in by mistake: 10.0.0.1/8 is 10.0.0.0/8.
std::optional<ip_network> masked(std::string_view text) {
  const auto slash = text.find('/');
  const auto address = ip_address::parse(text.substr(0, slash));
  if (!address || slash == std::string_view::npos) return {};
  const auto length = parse_number(text.substr(slash + 1));
  if (!length || *length > (address->is_v6() ? 128u : 32u)) return {};
  if (!address->is_v6()) {
    const auto mask = *length == 0 ? 0u : ~std::uint32_t{0} << (32 - *length);
    const auto base = ip_address::v4(address->as_v4() & mask);
    return ip_network::parse(base.text() + '/' + std::to_string(*length));
  }
  auto octets = address->as_v6();
  for (auto bit = static_cast<std::size_t>(*length); bit < 128; ++bit) {
    octets[bit / 8] &= static_cast<std::uint8_t>(~(0x80u >> (bit % 8)));
  }
  return ip_network::parse(ip_address::v6(octets).text() + '/' + std::to_string(*length));
}

}  // namespace

std::string parse_value(std::string_view text, const field& f, std::string& value) {
  if (text.empty() && !f.may_be_empty) return "is empty";
  if (!is_valid_utf8(text) || std::ranges::any_of(text, is_control)) {
    return "holds control characters or is no UTF-8";
  }
  value = f.is_lower_case ? to_lower(text) : std::string(text);
  return {};
}

std::string parse_value(std::string_view text, const field&, bool& value) {
  for (const auto& [word, meaning] :
       {std::pair{"true", true}, {"false", false}, {"yes", true}, {"no", false}}) {
    if (!iequals(text, word)) continue;
    value = meaning;
    return {};
  }
  return "is neither true nor false";
}

std::string parse_value(std::string_view text, const field& f, std::uint64_t& value) {
  const auto number = parse_number(text);
  if (number) {
    value = *number;
    return check_range(value, f.range, shown_number);
  }
  if (is_word(after_digits(text)) && is_digit(text.front())) {
    return "is not a number: it takes no unit";
  }
  if (!text.empty() && std::ranges::all_of(text, is_digit)) return "is too large";
  return "is not a number: write decimal digits only";
}

std::string parse_value(std::string_view text, const field& f, std::uint16_t& value) {
  std::uint64_t number = 0;
  auto fault = parse_value(text, f, number);
  if (fault.empty() && number > 65535) fault = "is too large: at most 65535";
  if (fault.empty()) value = static_cast<std::uint16_t>(number);
  return fault;
}

std::string parse_value(std::string_view text, const field& f, byte_size& value) {
  if (const auto size = parse_byte_size(text)) {
    value = *size;
    return check_range(value.bytes, f.range, shown_size);
  }
  const auto unit = after_digits(text);
  if (!text.empty() && is_digit(text.front()) && is_word(unit)) {
    if (parse_byte_size("1 " + std::string(unit))) return "is too large";
    return "is not a size: unknown unit \"" + printable(unit, 40) +
           "\", write B, KiB, MiB, GiB or TiB";
  }
  return "is not a size: write a whole number and a unit, as in 50 MiB";
}

std::string parse_value(std::string_view text, const field& f, duration& value) {
  if (const auto time = parse_duration(text)) {
    value = *time;
    return check_range(static_cast<std::uint64_t>(value.count()), f.range, shown_time);
  }
  const auto unit = after_digits(text);
  if (!text.empty() && is_digit(text.front())) {
    if (unit.empty()) return "has no unit: write s, m, h or d behind the number, as in 30s";
    if (is_word(unit) && !parse_duration("1" + std::string(unit))) {
      return "is not a duration: unknown unit \"" + printable(unit, 40) +
             "\", write ms, s, m, h, d or w";
    }
    if (is_word(unit) && text.find(' ') == std::string_view::npos) return "is too large";
  }
  return "is not a duration: write whole numbers with units and no spaces, as in 30s or 1h30m";
}

std::string parse_value(std::string_view text, const field&, tls_choice& value) {
  return parse_word(text, tls_words, value);
}

std::string parse_value(std::string_view text, const field&, log_level& value) {
  return parse_word(text, level_words, value);
}

std::string parse_value(std::string_view text, const field&, ip_network& value) {
  if (const auto network = ip_network::parse(text)) {
    value = *network;
    return {};
  }
  if (const auto meant = masked(text)) {
    return "has host bits set: the network is probably " + meant->text() + ", the single host is " +
           std::string(text.substr(0, text.find('/')));
  }
  return "is not a network: write 192.0.2.0/24, 2001:db8::/32 or a single address";
}

std::string parse_value(std::string_view text, const field&, endpoint& value) {
  auto server = endpoint::parse(text);
  if (!server) {
    const bool bracketed = text.starts_with('[') && text.ends_with(']');
    const auto bare = bracketed ? text.substr(1, text.size() - 2) : text;
    if (const auto address = ip_address::parse(bare)) server = endpoint{*address, 53};
  }
  if (!server || server->port == 0) {
    return "is not an address: write 192.0.2.53, 192.0.2.53:53 or [2001:db8::53]:53";
  }
  value = *server;
  return {};
}

std::string parse_value(std::string_view text, const field&, listener& value) {
  if (const auto address = endpoint::parse(text); address && address->port != 0) {
    value.address = *address;
    return {};
  }
  if (ip_address::parse(text)) {
    return "has no port: write " +
           (text.find(':') == std::string_view::npos ? std::string(text)
                                                     : '[' + std::string(text) + ']') +
           ":25";
  }
  if (const auto colon = text.rfind(':'); colon != std::string_view::npos) {
    const auto port = text.substr(colon + 1);
    const auto number = parse_number(port);
    if (!port.empty() && std::ranges::all_of(port, is_digit) &&
        (!number || *number == 0 || *number > 65535)) {
      return "has no valid port: 1 to 65535";
    }
  }
  return "is not an address with a port: write 127.0.0.1:25, 0.0.0.0:25 or [::]:25";
}

std::string range_text(const field& f) {
  const auto both = [&](auto shown) -> std::string {
    const bool open_end = f.range.most == std::numeric_limits<std::uint64_t>::max();
    if (open_end) return f.range.least == 0 ? "" : "at least " + shown(f.range.least);
    return shown(f.range.least) + " to " + shown(f.range.most);
  };
  return std::visit(
      [&]<class T>(reach<T>) -> std::string {
        if constexpr (std::is_same_v<T, std::uint64_t> || std::is_same_v<T, std::uint16_t>) {
          return both(shown_number);
        } else if constexpr (std::is_same_v<T, byte_size>) {
          return both(shown_size);
        } else if constexpr (std::is_same_v<T, duration> ||
                             std::is_same_v<T, std::vector<duration>>) {
          return both(shown_time);
        } else if constexpr (std::is_same_v<T, tls_choice>) {
          return "none, may, encrypt, verify";
        } else if constexpr (std::is_same_v<T, log_level>) {
          return "debug, info, warning, error";
        } else {
          return {};
        }
      },
      f.at);
}

}  // namespace relais::config
