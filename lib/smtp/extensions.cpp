// Reading of MAIL and RCPT parameters: esmtp-keyword ["=" esmtp-value] (RFC 5321 4.1.2).
#include "smtp/extensions.hpp"

#include <algorithm>
#include <limits>
#include <utility>

#include "base/text.hpp"

namespace relais::smtp {

namespace {

// Known to us, not announced: the refusal can say so. AUTH (RFC 4954), DSN (3461), SMTPUTF8 (6531),
// DELIVERBY (2852), FUTURERELEASE (4865), MT-PRIORITY (6710), REQUIRETLS (8689), RRVS (7293).
constexpr std::array<std::string_view, 12> not_offered{
    "AUTH", "RET",     "ENVID",     "NOTIFY",      "ORCPT",      "SMTPUTF8",
    "BY",   "HOLDFOR", "HOLDUNTIL", "MT-PRIORITY", "REQUIRETLS", "RRVS"};

constexpr std::size_t size_digits = 20;  // RFC 1870 4

struct parameter {
  std::string_view keyword;
  std::optional<std::string_view> value;

  bool is(std::string_view name) const noexcept { return iequals(keyword, name); }
};

bool is_keyword(std::string_view text) noexcept {
  return !text.empty() && is_alnum(text.front()) &&
         std::ranges::all_of(text, [](char c) { return is_alnum(c) || c == '-'; });
}

bool is_value(std::string_view text) noexcept {
  return !text.empty() && std::ranges::all_of(text, [](char c) {
    return !is_control(c) && c != '=' && static_cast<unsigned char>(c) < 0x80;
  });
}

/// Takes the first parameter off `text`, which is not empty and begins with no blank. None:
/// malformed.
std::optional<parameter> take_parameter(std::string_view& text) noexcept {
  const auto token = text.substr(0, text.find_first_of(" \t"));
  text = trimmed(text.substr(token.size()));
  const auto equals = token.find('=');
  parameter taken{token.substr(0, equals), {}};
  if (equals != std::string_view::npos) taken.value = token.substr(equals + 1);
  if (!is_keyword(taken.keyword) || (taken.value && !is_value(*taken.value))) return {};
  return taken;
}

reply_id refusal_of(const parameter& unexpected) noexcept {
  const bool known =
      std::ranges::any_of(not_offered, [&](auto name) { return unexpected.is(name); });
  return known ? reply_id::parameter_not_offered : reply_id::unknown_parameter;
}

std::optional<reply_id> read_size(const parameter& from, std::uint64_t limit, std::uint64_t& size) {
  if (!from.value || from.value->size() > size_digits) return reply_id::bad_parameter_value;
  if (!std::ranges::all_of(*from.value, is_digit)) return reply_id::bad_parameter_value;
  constexpr std::uint64_t countable = std::numeric_limits<std::int64_t>::max();
  const auto number = parse_number(*from.value);
  // More octets than 63 bits count: lawful to say, and too big for anybody.
  if (!number || *number > (limit == 0 ? countable : limit)) return reply_id::size_too_big;
  size = *number;
  return {};
}

std::optional<reply_id> read_body(const parameter& from, body_type& body) {
  if (!from.value) return reply_id::bad_parameter_value;
  if (iequals(*from.value, "7BIT")) {
    body = body_type::seven_bit;
  } else if (iequals(*from.value, "8BITMIME")) {
    body = body_type::eight_bit_mime;
  } else {
    return reply_id::bad_parameter_value;
  }
  return {};
}

}  // namespace

offered_extensions::offered_extensions(std::uint64_t message_size)
    : message_size_(message_size),
      size_keyword_(message_size == 0 ? "SIZE" : "SIZE " + std::to_string(message_size)),
      keywords_{"PIPELINING", size_keyword_, "8BITMIME", "ENHANCEDSTATUSCODES", "HELP"} {}

std::optional<reply_id> offered_extensions::parse_mail(std::string_view parameters,
                                                       mail_parameters& into) const {
  into = {};
  bool size_seen = false;
  bool body_seen = false;
  std::optional<reply_id> too_big;  // said only if nothing else is wrong
  while (!parameters.empty()) {
    const auto next = take_parameter(parameters);
    if (!next) return reply_id::bad_parameter_value;
    std::optional<reply_id> error;
    if (next->is("SIZE") && !std::exchange(size_seen, true)) {
      error = read_size(*next, message_size_, into.size);
      if (error == reply_id::size_too_big) too_big = std::exchange(error, std::nullopt);
    } else if (next->is("BODY") && !std::exchange(body_seen, true)) {
      error = read_body(*next, into.body);
    } else if (next->is("SIZE") || next->is("BODY")) {
      error = reply_id::bad_parameter_value;  // repeated
    } else {
      error = refusal_of(*next);
    }
    if (error) return error;
  }
  return too_big;
}

std::optional<reply_id> offered_extensions::parse_rcpt(std::string_view parameters) const {
  if (parameters.empty()) return {};
  const auto next = take_parameter(parameters);
  return next ? refusal_of(*next) : reply_id::bad_parameter_value;
}

}  // namespace relais::smtp
