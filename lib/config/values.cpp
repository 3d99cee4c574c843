#include "config/values.hpp"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/text.hpp"
#include "config/field_checks.hpp"
#include "config/nearest.hpp"

namespace relais::config {
namespace {

/// `shown` renders a bound in the unit of the field.
std::string check_range(std::uint64_t value, const bounds& range, auto shown) {
  if (value == 0 && range.or_zero) return {};
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
std::string shown_mode(std::uint64_t n) {
  return octal_text(n);
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

std::string check_text(std::string_view text) {
  if (is_valid_utf8(text) && std::ranges::none_of(text, is_control)) return {};
  return "holds control characters or is no UTF-8";
}

std::string parse_octal(std::string_view text, const field& f, std::uint64_t& value) {
  const bool digits = !text.empty() && text.size() <= 8 &&
                      std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '7'; });
  if (!digits) return "is not a mode: write octal digits, as in 0660";
  value = 0;
  for (const char c : text) value = value * 8 + static_cast<std::uint64_t>(c - '0');
  return check_range(value, f.range, shown_mode);
}

}  // namespace

std::string unknown_word(std::string_view text, const std::string& valid,
                         std::span<const std::string_view> texts) {
  std::string fault = "is none of " + valid;
  if (const auto near = nearest(text, texts); !near.empty()) {
    fault += ": did you mean \"" + std::string(near) + "\"?";
  }
  return fault;
}

std::string parse_value(std::string_view text, const field& f, std::string& value) {
  if (text.empty() && !f.may_be_empty) return "is empty";
  if (auto fault = check_text(text); !fault.empty()) return fault;
  value = std::string(text);
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
  if (f.is_octal) return parse_octal(text, f, value);
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

std::string parse_value(std::string_view text, const field& f, std::int64_t& value) {
  const bool negative = text.starts_with('-');
  if (negative) text.remove_prefix(1);
  std::uint64_t magnitude = 0;
  auto fault = parse_value(text, f, magnitude);  // the range keeps it within a signed number
  if (text == "0" && f.range.least > 0) return "counts nothing: leave it out";
  if (fault.empty()) value = (negative ? -1 : 1) * static_cast<std::int64_t>(magnitude);
  return fault;
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

std::string parse_value(std::string_view text, const field&, listen_address& value) {
  if (auto fault = check_text(text); !fault.empty()) return fault;
  if (auto address = listen_address::parse(text)) {
    const bool has_port =
        address->is == listen_address::kind::inet || address->is == listen_address::kind::any;
    if (!has_port || address->at.port != 0) {
      value = *std::move(address);
      return {};
    }
  }
  if (text.starts_with('/')) return check_socket_path(text);
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
  return "is not an address with a port: write 192.0.2.1:25, [2001:db8::1]:25, *:25 (all "
         "addresses), /run/relais/smtp or systemd:NAME";
}

std::string range_text(const field& f) {
  const auto both = [&](auto shown) -> std::string {
    const std::string zero = f.range.or_zero ? "0, or " : "";
    const bool open_end = f.range.most == std::numeric_limits<std::uint64_t>::max();
    if (open_end) return f.range.least == 0 ? "" : zero + "at least " + shown(f.range.least);
    return zero + shown(f.range.least) + " to " + shown(f.range.most);
  };
  return std::visit(
      [&]<class T>(reach<T>) -> std::string {
        if constexpr (std::is_same_v<T, std::uint64_t> || std::is_same_v<T, std::uint16_t>) {
          return f.is_octal ? both(shown_mode) : both(shown_number);
        } else if constexpr (std::is_same_v<T, std::int64_t>) {
          const auto most = shown_number(f.range.most);
          return '-' + most + " to " + most + (f.range.least > 0 ? ", not 0" : "");
        } else if constexpr (std::is_same_v<T, byte_size>) {
          return both(shown_size);
        } else if constexpr (std::is_same_v<T, duration> ||
                             std::is_same_v<T, std::vector<duration>>) {
          return both(shown_time);
        } else if constexpr (enumeration<T>) {
          return all_words<T>(f.check);
        } else {
          return {};
        }
      },
      f.at);
}

}  // namespace relais::config
