// The values of MAIL and RCPT parameters (RFC 5321 4.1.2: esmtp-keyword ["=" esmtp-value]), one
// reader for each. Which of them a session serves is in extensions.cpp.
#pragma once

#include <optional>
#include <string_view>

#include "smtp/extensions.hpp"

namespace relais::smtp {

struct parameter {
  std::string_view keyword;
  std::optional<std::string_view> value;
};

/// Takes the first parameter off `text`, which is not empty and begins with no blank. None:
/// malformed. `high_allowed`: UTF-8 in the value (RFC 6531 3.3).
std::optional<parameter> take_parameter(std::string_view& text, bool high_allowed) noexcept;

using parameter_refusal = std::optional<reply_id>;
/// What a reader may look at besides the value.
struct parameter_circumstances {
  extension_set announced;
  const session_facts* facts = nullptr;
  bool smtputf8 = false;  ///< of the transaction; of RCPT only
};

parameter_refusal read_size(const parameter& from, const parameter_circumstances& now,
                            mail_parameters& into);
parameter_refusal read_body(const parameter& from, const parameter_circumstances& now,
                            mail_parameters& into);
parameter_refusal read_smtputf8(const parameter& from, const parameter_circumstances& now,
                                mail_parameters& into);
parameter_refusal read_ret(const parameter& from, const parameter_circumstances& now,
                           mail_parameters& into);
parameter_refusal read_envid(const parameter& from, const parameter_circumstances& now,
                             mail_parameters& into);
parameter_refusal read_auth(const parameter& from, const parameter_circumstances& now,
                            mail_parameters& into);
parameter_refusal read_require_tls(const parameter& from, const parameter_circumstances& now,
                                   mail_parameters& into);
parameter_refusal read_hold_for(const parameter& from, const parameter_circumstances& now,
                                mail_parameters& into);
parameter_refusal read_hold_until(const parameter& from, const parameter_circumstances& now,
                                  mail_parameters& into);
parameter_refusal read_priority(const parameter& from, const parameter_circumstances& now,
                                mail_parameters& into);
parameter_refusal read_by(const parameter& from, const parameter_circumstances& now,
                          mail_parameters& into);
parameter_refusal read_notify(const parameter& from, const parameter_circumstances& now,
                              rcpt_parameters& into);
parameter_refusal read_orcpt(const parameter& from, const parameter_circumstances& now,
                             rcpt_parameters& into);

/// "2026-11-21T12:00:00Z" (RFC 3339, RFC 4865 3), whole seconds, UTC.
std::optional<wall_time> parse_date_time(std::string_view text) noexcept;
std::string date_time_text(wall_time at);

}  // namespace relais::smtp
