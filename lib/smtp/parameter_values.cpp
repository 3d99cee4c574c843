#include "smtp/parameter_values.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "base/text.hpp"
#include "smtp/path.hpp"
#include "smtp/xtext.hpp"

namespace relais::smtp {
namespace {

constexpr std::size_t size_digits = 20;   // RFC 1870 4
constexpr std::size_t envid_limit = 100;  // RFC 3461 4.4
constexpr std::size_t orcpt_limit = 500;  // RFC 3461 4.2
constexpr std::size_t hold_digits = 9;    // RFC 4865 3
constexpr std::size_t by_digits = 9;      // RFC 2852 4
constexpr std::uint32_t last_character = 0x10ffff;

const parameter_refusal bad_value = reply_id::bad_parameter_value;

bool is_keyword(std::string_view text) noexcept {
  return !text.empty() && is_alnum(text.front()) &&
         std::ranges::all_of(text, [](char c) { return is_alnum(c) || c == '-'; });
}

bool is_high(char c) noexcept {
  return static_cast<unsigned char>(c) >= 0x80;
}

bool is_value(std::string_view text, bool high_allowed) noexcept {
  if (text.empty() || (high_allowed && !is_valid_utf8(text))) return false;
  return std::ranges::all_of(
      text, [&](char c) { return !is_control(c) && c != '=' && (high_allowed || !is_high(c)); });
}

/// Reports print it: what is decoded must not be able to end a line there.
bool is_printable_ascii(std::string_view text) noexcept {
  return std::ranges::all_of(text, [](char c) { return c >= ' ' && c <= '~'; });
}

bool is_atom(std::string_view text) noexcept {
  return !text.empty() && std::ranges::all_of(text, [](char c) {
    return is_alnum(c) || std::string_view("!#$%&'*+-/?^_`{|}~").find(c) != std::string_view::npos;
  });
}

/// "\x{20AC}" at the front of `text` (RFC 6533 3): its octets, 0 if there is none.
std::size_t embedded_character(std::string_view text) noexcept {
  constexpr std::string_view opening = "\\x{";
  const auto end = text.find('}');
  if (!text.starts_with(opening) || end == std::string_view::npos) return 0;
  const auto digits = text.substr(opening.size(), end - opening.size());
  if (digits.size() < 2 || digits.size() > 6) return 0;
  std::uint32_t value = 0;
  for (const char c : digits) {
    const bool letter = c >= 'A' && c <= 'F';
    if (!letter && !is_digit(c)) return 0;
    value = value << 4 | static_cast<std::uint32_t>(letter ? c - 'A' + 10 : c - '0');
  }
  const bool control = value < 0x20 || (value >= 0x7f && value < 0xa0);
  const bool surrogate = value >= 0xd800 && value < 0xe000;
  return control || surrogate || value > last_character ? 0 : end + 1;
}

/// RFC 6533 3: utf-8-addr-xtext, and utf-8-addr-unitext where UTF-8 may be sent.
bool is_utf8_address(std::string_view text, bool high_allowed) noexcept {
  if (high_allowed ? !is_valid_utf8(text) : std::ranges::any_of(text, is_high)) return false;
  for (std::size_t i = 0; i < text.size();) {
    const char c = text[i];
    if (c <= ' ' && !is_high(c)) return false;
    if (c == '+' || c == '=' || c == '\x7f') return false;
    if (static_cast<unsigned char>(c) == 0xc2 && static_cast<unsigned char>(text[i + 1]) < 0xa0)
      return false;  // a C1 control
    const auto step = c == '\\' ? embedded_character(text.substr(i)) : 1;
    if (step == 0) return false;
    i += step;
  }
  return !text.empty();
}

/// `count` digits off the front of `text` as a number.
template <class Number>
bool take_digits(std::string_view& text, std::size_t count, Number& value) noexcept {
  const auto digits = text.substr(0, count);
  const auto number = parse_number(digits);
  if (digits.size() != count || !number) return false;
  value = static_cast<Number>(*number);
  text.remove_prefix(count);
  return true;
}

bool take_octet(std::string_view& text, char octet) noexcept {
  if (!text.starts_with(octet)) return false;
  text.remove_prefix(1);
  return true;
}

}  // namespace

std::optional<parameter> take_parameter(std::string_view& text, bool high_allowed) noexcept {
  const auto token = text.substr(0, text.find_first_of(" \t"));
  text = trimmed(text.substr(token.size()));
  const auto equals = token.find('=');
  parameter taken{token.substr(0, equals), {}};
  if (equals != std::string_view::npos) taken.value = token.substr(equals + 1);
  if (!is_keyword(taken.keyword) || (taken.value && !is_value(*taken.value, high_allowed)))
    return {};
  return taken;
}

parameter_refusal read_size(const parameter& from, const parameter_circumstances& now,
                            mail_parameters& into) {
  if (!from.value || from.value->size() > size_digits) return bad_value;
  if (!std::ranges::all_of(*from.value, is_digit)) return bad_value;
  constexpr std::uint64_t countable = std::numeric_limits<std::int64_t>::max();
  const auto limit = now.facts->message_size;
  const auto number = parse_number(*from.value);
  // More octets than 63 bits count: lawful to say, and too big for anybody.
  if (!number || *number > (limit == 0 ? countable : limit)) return reply_id::size_too_big;
  into.size = *number;
  return {};
}

parameter_refusal read_body(const parameter& from, const parameter_circumstances& now,
                            mail_parameters& into) {
  if (!from.value) return bad_value;
  if (iequals(*from.value, "7BIT")) {
    into.body = body_type::seven_bit;
  } else if (iequals(*from.value, "8BITMIME")) {
    into.body = body_type::eight_bit_mime;
  } else if (iequals(*from.value, "BINARYMIME")) {
    if (!now.announced.has(extension::binary_mime)) return reply_id::parameter_not_offered;
    into.body = body_type::binary_mime;
  } else {
    return bad_value;
  }
  return {};
}

parameter_refusal read_smtputf8(const parameter& from, const parameter_circumstances&,
                                mail_parameters& into) {
  if (from.value) return bad_value;
  into.smtputf8 = true;
  return {};
}

parameter_refusal read_ret(const parameter& from, const parameter_circumstances&,
                           mail_parameters& into) {
  if (!from.value) return bad_value;
  if (iequals(*from.value, "FULL")) {
    into.ret = dsn_return::full;
  } else if (iequals(*from.value, "HDRS")) {
    into.ret = dsn_return::headers;
  } else {
    return bad_value;
  }
  return {};
}

parameter_refusal read_envid(const parameter& from, const parameter_circumstances&,
                             mail_parameters& into) {
  if (!from.value || from.value->size() > envid_limit) return bad_value;
  const auto decoded = xtext_decode(*from.value);
  if (!decoded || !is_printable_ascii(*decoded)) return bad_value;
  into.envelope_id = *from.value;
  return {};
}

parameter_refusal read_auth(const parameter& from, const parameter_circumstances&,
                            mail_parameters& into) {
  if (!from.value) return bad_value;
  auto decoded = xtext_decode(*from.value);
  if (!decoded || decoded->empty()) return bad_value;
  if (*decoded != "<>" && !parse_address(*decoded)) return bad_value;
  into.auth = std::move(*decoded);
  return {};
}

parameter_refusal read_require_tls(const parameter& from, const parameter_circumstances&,
                                   mail_parameters& into) {
  if (from.value) return bad_value;
  into.require_tls = true;
  return {};
}

parameter_refusal read_hold_for(const parameter& from, const parameter_circumstances& now,
                                mail_parameters& into) {
  if (!from.value || from.value->size() > hold_digits || from.value->starts_with('0'))
    return bad_value;
  const auto seconds = parse_number(*from.value);
  if (!seconds || *seconds > now.facts->hold_seconds || into.hold_until) return bad_value;
  into.hold_for = static_cast<std::uint32_t>(*seconds);
  return {};
}

parameter_refusal read_hold_until(const parameter& from, const parameter_circumstances& now,
                                  mail_parameters& into) {
  if (!from.value) return bad_value;
  const auto at = parse_date_time(*from.value);
  if (!at || *at > now.facts->hold_until || into.hold_for) return bad_value;
  into.hold_until = at;
  return {};
}

parameter_refusal read_priority(const parameter& from, const parameter_circumstances&,
                                mail_parameters& into) {
  if (!from.value) return bad_value;
  auto text = *from.value;
  const bool negative = take_octet(text, '-');
  if (text.size() != 1 || !is_digit(text.front()) || (negative && text == "0")) return bad_value;
  const int digit = text.front() - '0';
  into.priority = static_cast<std::int8_t>(negative ? -digit : digit);
  return {};
}

parameter_refusal read_by(const parameter& from, const parameter_circumstances&,
                          mail_parameters& into) {
  if (!from.value) return bad_value;
  auto text = *from.value;
  const bool negative = take_octet(text, '-');
  if (!negative) take_octet(text, '+');
  const auto digits = text.substr(0, text.find(';'));
  const auto number = parse_number(digits);
  if (!number || digits.size() > by_digits) return bad_value;
  text.remove_prefix(digits.size());
  mail_parameters::by_time by;
  by.seconds = static_cast<std::int64_t>(*number);
  if (negative) by.seconds = -by.seconds;
  const bool give_up = istarts_with(text, ";R");
  if (!give_up && !istarts_with(text, ";N")) return bad_value;
  text.remove_prefix(2);
  by.is_return = give_up;
  by.trace = iequals(text, "T");
  if (!text.empty() && !by.trace) return bad_value;
  // RFC 2852 4: what is to be returned cannot be late already.
  if (give_up && by.seconds <= 0) return bad_value;
  into.by = by;
  return {};
}

parameter_refusal read_notify(const parameter& from, const parameter_circumstances&,
                              rcpt_parameters& into) {
  if (!from.value) return bad_value;
  dsn_notify notify;
  if (iequals(*from.value, "NEVER")) {
    notify.never = true;
    into.notify = notify;
    return {};
  }
  auto text = *from.value;
  for (;;) {
    const auto word = text.substr(0, text.find(','));
    if (iequals(word, "SUCCESS")) {
      notify.success = true;
    } else if (iequals(word, "FAILURE")) {
      notify.failure = true;
    } else if (iequals(word, "DELAY")) {
      notify.delay = true;
    } else {
      return bad_value;
    }
    if (word.size() == text.size()) break;
    text.remove_prefix(word.size() + 1);
  }
  into.notify = notify;
  return {};
}

parameter_refusal read_orcpt(const parameter& from, const parameter_circumstances& now,
                             rcpt_parameters& into) {
  if (!from.value || from.value->size() > orcpt_limit) return bad_value;
  const auto semicolon = from.value->find(';');
  if (semicolon == std::string_view::npos) return bad_value;
  const auto type = from.value->substr(0, semicolon);
  const auto address = from.value->substr(semicolon + 1);
  if (!is_atom(type) || address.empty()) return bad_value;
  if (iequals(type, "utf-8")) {
    if (!is_utf8_address(address, now.smtputf8)) return bad_value;
  } else {
    const auto decoded = xtext_decode(address);
    if (!decoded || !is_printable_ascii(*decoded)) return bad_value;
  }
  into.original_recipient = *from.value;
  return {};
}

std::optional<wall_time> parse_date_time(std::string_view text) noexcept {
  int year = 0;
  unsigned month = 0, day = 0, hour = 0, minute = 0, second = 0;
  if (!take_digits(text, 4, year) || !take_octet(text, '-') || !take_digits(text, 2, month) ||
      !take_octet(text, '-') || !take_digits(text, 2, day) || !take_octet(text, 'T') ||
      !take_digits(text, 2, hour) || !take_octet(text, ':') || !take_digits(text, 2, minute) ||
      !take_octet(text, ':') || !take_digits(text, 2, second) || text != "Z") {
    return {};
  }
  const std::chrono::year_month_day date{std::chrono::year(year), std::chrono::month(month),
                                         std::chrono::day(day)};
  // RFC 3339 5.6 knows leap seconds, our clocks do not.
  if (!date.ok() || hour > 23 || minute > 59 || second > 60) return {};
  return std::chrono::sys_days(date) + std::chrono::hours(hour) + std::chrono::minutes(minute) +
         std::chrono::seconds(second);
}

std::string date_time_text(wall_time at) {
  const auto day = std::chrono::floor<std::chrono::days>(at);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss time(std::chrono::floor<std::chrono::seconds>(at - day));
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                     time.hours().count(), time.minutes().count(), time.seconds().count());
}

}  // namespace relais::smtp
