// The table of extensions: how EHLO announces each, when it can be used, what it adds to MAIL and
// RCPT. How a value is read: parameter_values.cpp.
#include "smtp/extensions.hpp"

#include <algorithm>
#include <array>
#include <bitset>

#include "base/text.hpp"
#include "smtp/parameter_values.hpp"

namespace relais::smtp {
namespace {

using enum extension;

struct parameter_row {
  std::string_view keyword;
  parameter_refusal (*of_mail)(const parameter&, const parameter_circumstances&,
                               mail_parameters&) = nullptr;
  parameter_refusal (*of_rcpt)(const parameter&, const parameter_circumstances&,
                               rcpt_parameters&) = nullptr;
};

constexpr std::size_t most_parameters = 4;

struct extension_row {
  extension id;
  std::string_view keyword;
  std::string_view rfc;
  /// Null: always.
  bool (*is_usable)(const session_facts&) = nullptr;
  /// Appends what stands behind the keyword. Null: nothing does.
  void (*announce)(std::string&, const session_facts&) = nullptr;
  /// Octets that its parameters add to the longer of MAIL and RCPT (RFC 5321 4.5.3.1.4).
  std::size_t line_octets = 0;
  std::array<parameter_row, most_parameters> parameters{};
};

void announce_size(std::string& line, const session_facts& facts) {
  if (facts.message_size != 0) line.append(" ").append(std::to_string(facts.message_size));
}

/// Programs of the last century look for the draft's form, and know two mechanisms.
void announce_legacy_auth(std::string& line, const session_facts& facts) {
  std::string_view before = "\nAUTH=";
  for (const auto mechanism : facts.mechanisms) {
    if (mechanism != "PLAIN" && mechanism != "LOGIN") continue;
    line.append(before).append(mechanism);
    before = " ";
  }
}

void announce_auth(std::string& line, const session_facts& facts) {
  for (const auto mechanism : facts.mechanisms) line.append(" ").append(mechanism);
  if (facts.legacy_auth_line) announce_legacy_auth(line, facts);
}

void announce_limits(std::string& line, const session_facts& facts) {
  if (facts.recipients != 0) line.append(" RCPTMAX=").append(std::to_string(facts.recipients));
  if (facts.messages != 0) line.append(" MAILMAX=").append(std::to_string(facts.messages));
}

void announce_future_release(std::string& line, const session_facts& facts) {
  line.append(" ").append(std::to_string(facts.hold_seconds));
  line.append(" ").append(date_time_text(facts.hold_until));
}

void announce_xclient(std::string& line, const session_facts&) {
  line += " NAME ADDR PORT PROTO HELO LOGIN DESTADDR DESTPORT";
}

void announce_xforward(std::string& line, const session_facts&) {
  line += " NAME ADDR PORT PROTO HELO IDENT SOURCE";
}

bool has_starttls(const session_facts& facts) {
  return facts.tls_offered && !facts.tls_active;
}
bool has_auth(const session_facts& facts) {
  return !facts.mechanisms.empty() && !facts.tls_required;
}
bool has_limits(const session_facts& facts) {
  return facts.recipients != 0 || facts.messages != 0;
}
bool has_tls(const session_facts& facts) {
  return facts.tls_active;
}
bool has_hold(const session_facts& facts) {
  return facts.hold_seconds != 0;
}

// clang-format off
constexpr std::array<extension_row, static_cast<std::size_t>(extension::count_)> table{{
  {pipelining, "PIPELINING", "RFC 2920"},
  {size, "SIZE", "RFC 1870", nullptr, announce_size, 26, {{{"SIZE", read_size}}}},
  {eight_bit_mime, "8BITMIME", "RFC 6152", nullptr, nullptr, 17, {{{"BODY", read_body}}}},
  {chunking, "CHUNKING", "RFC 3030"},
  {binary_mime, "BINARYMIME", "RFC 3030"},
  {smtputf8, "SMTPUTF8", "RFC 6531", nullptr, nullptr, 10, {{{"SMTPUTF8", read_smtputf8}}}},
  {enhanced_statuscodes, "ENHANCEDSTATUSCODES", "RFC 2034"},
  {dsn, "DSN", "RFC 3461", nullptr, nullptr, 536, {{
    {"RET", read_ret}, {"ENVID", read_envid}, {"NOTIFY", nullptr, read_notify}, {"ORCPT", nullptr, read_orcpt}}}},
  {starttls, "STARTTLS", "RFC 3207", has_starttls},
  {auth, "AUTH", "RFC 4954", has_auth, announce_auth, 500, {{{"AUTH", read_auth}}}},
  {limits, "LIMITS", "RFC 9422", has_limits, announce_limits},
  {require_tls, "REQUIRETLS", "RFC 8689", has_tls, nullptr, 11, {{{"REQUIRETLS", read_require_tls}}}},
  {future_release, "FUTURERELEASE", "RFC 4865", has_hold, announce_future_release, 34, {{
    {"HOLDFOR", read_hold_for}, {"HOLDUNTIL", read_hold_until}}}},
  {mt_priority, "MT-PRIORITY", "RFC 6710", nullptr, nullptr, 15, {{{"MT-PRIORITY", read_priority}}}},
  {deliver_by, "DELIVERBY", "RFC 2852", nullptr, nullptr, 17, {{{"BY", read_by}}}},
  {help, "HELP", "RFC 5321 4.1.1.8"},
  {xclient, "XCLIENT", "Postfix XCLIENT_README", nullptr, announce_xclient},
  {xforward, "XFORWARD", "Postfix XFORWARD_README", nullptr, announce_xforward},
}};
// clang-format on

consteval bool is_in_order() {
  for (std::size_t i = 0; i < table.size(); ++i)
    if (static_cast<std::size_t>(table[i].id) != i || table[i].keyword.empty()) return false;
  return true;
}
static_assert(is_in_order());

/// A parameter of any extension, and its place in the table.
struct place {
  const extension_row* of = nullptr;
  const parameter_row* parameter = nullptr;
  std::size_t number = 0;
};

place find_parameter(std::string_view keyword) noexcept {
  for (std::size_t i = 0; i < table.size(); ++i)
    for (std::size_t k = 0; k < most_parameters; ++k) {
      const auto& p = table[i].parameters[k];
      if (!p.keyword.empty() && iequals(p.keyword, keyword))
        return {&table[i], &p, i * most_parameters + k};
    }
  return {};
}

/// The loop of both: syntax, repetition, announcement, then `read`.
template <class Read>
parameter_refusal parse(std::string_view parameters, const parameter_circumstances& now,
                        Read read) {
  std::bitset<table.size() * most_parameters> seen;
  parameter_refusal too_big;  // said only if nothing else is wrong
  while (!parameters.empty()) {
    const auto next = take_parameter(parameters, now.smtputf8);
    if (!next) return reply_id::bad_parameter_value;
    const auto found = find_parameter(next->keyword);
    if (found.of == nullptr) return reply_id::unknown_parameter;
    if (!now.announced.has(found.of->id)) return reply_id::parameter_not_offered;
    if (seen[found.number]) return reply_id::bad_parameter_value;
    seen[found.number] = true;
    auto error = read(*found.parameter, *next);
    if (error == reply_id::size_too_big) {
      too_big = error;
    } else if (error) {
      return error;
    }
  }
  return too_big;
}

}  // namespace

extension_set extension_set::usual() noexcept {
  extension_set all;
  for (const auto& row : table) all.add(row.id);
  return all.remove(future_release).remove(xclient).remove(xforward);
}

std::optional<extension> find_extension(std::string_view keyword) noexcept {
  const auto* found =
      std::ranges::find_if(table, [&](const auto& row) { return iequals(row.keyword, keyword); });
  if (found == table.end()) return {};
  return found->id;
}

std::string_view keyword_of(extension e) noexcept {
  return table[static_cast<std::size_t>(e)].keyword;
}

extension_set usable_extensions(extension_set offered, const session_facts& facts) noexcept {
  for (const auto& row : table)
    if (row.is_usable != nullptr && !row.is_usable(facts)) offered.remove(row.id);
  // RFC 3030 3: binary content has no other way than BDAT, and BODY is of 8BITMIME.
  if (!offered.has(chunking) || !offered.has(eight_bit_mime)) offered.remove(binary_mime);
  return offered;
}

void append_keywords(std::string& lines, extension_set usable, const session_facts& facts) {
  for (const auto& row : table) {
    if (!usable.has(row.id)) continue;
    lines += row.keyword;
    if (row.announce != nullptr) row.announce(lines, facts);
    lines += '\n';
  }
}

std::size_t command_line_allowance(extension_set usable) noexcept {
  std::size_t octets = 0;
  for (const auto& row : table)
    if (usable.has(row.id)) octets += row.line_octets;
  return octets;
}

std::optional<reply_id> parse_mail_parameters(std::string_view parameters, extension_set announced,
                                              const session_facts& facts, mail_parameters& into) {
  into = {};
  const parameter_circumstances now{announced, &facts, false};
  return parse(parameters, now,
               [&](const parameter_row& row, const parameter& given) -> parameter_refusal {
                 if (row.of_mail == nullptr) return reply_id::unknown_parameter;
                 return row.of_mail(given, now, into);
               });
}

std::optional<reply_id> parse_rcpt_parameters(std::string_view parameters, extension_set announced,
                                              bool smtputf8, rcpt_parameters& into) {
  into = {};
  const parameter_circumstances now{announced, nullptr, smtputf8};
  return parse(parameters, now,
               [&](const parameter_row& row, const parameter& given) -> parameter_refusal {
                 if (row.of_rcpt == nullptr) return reply_id::unknown_parameter;
                 return row.of_rcpt(given, now, into);
               });
}

}  // namespace relais::smtp
