// Any text as parameters of MAIL (first line) and RCPT (second line): what is accepted survives the
// spool as it is, and holds nothing that could end a line in a report or a log.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "base/text.hpp"
#include "smtp/extensions.hpp"
#include "smtp/parameter_values.hpp"
#include "smtp/xtext.hpp"
#include "spool/record.hpp"

using namespace relais;
using namespace relais::smtp;

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

bool is_harmless(std::string_view text) {
  return is_valid_utf8(text) && std::ranges::none_of(text, is_control);
}

void check_mail(const mail_parameters& m) {
  require(m.size <= 1000);
  require(is_xtext(m.envelope_id) && is_harmless(*xtext_decode(m.envelope_id)));
  require(m.envelope_id.size() <= 100);
  if (m.auth) require(*m.auth == "<>" || parse_address(*m.auth));
  require(!(m.hold_for && m.hold_until));
  if (m.hold_for) require(*m.hold_for >= 1 && *m.hold_for <= 86400);
  if (m.hold_until) require(parse_date_time(date_time_text(*m.hold_until)) == m.hold_until);
  if (m.priority) require(*m.priority >= -9 && *m.priority <= 9);
  if (m.by && m.by->is_return) require(m.by->seconds > 0);
}

void check_spool(const mail_parameters& m, const rcpt_parameters& r) {
  spool::message kept;
  kept.envelope = envelope(*parse_address("a@b"), {*parse_address("c@d"), *parse_address("e@f")});
  auto& e = kept.envelope;
  e.body = m.body;
  e.ret = m.ret;
  e.envelope_id = m.envelope_id;
  e.require_tls = m.require_tls;
  e.priority = m.priority.value_or(0);
  e.hold_until = m.hold_until;
  if (m.by)
    e.by = deliver_by{wall_time(std::chrono::seconds(m.by->seconds)), m.by->is_return, m.by->trace};
  e.submitter = m.auth.value_or("");
  e.recipient_options.resize(2);
  e.recipient_options[1] = {r.notify, r.original_recipient};
  const auto text = spool::encode_envelope(kept);
  require(!text.empty());
  const auto back = spool::decode_envelope(text);
  require(back.has_value());
  const auto& b = back->envelope;
  require(b.body == e.body && b.ret == e.ret && b.envelope_id == e.envelope_id &&
          b.require_tls == e.require_tls && b.priority == e.priority &&
          b.hold_until == e.hold_until && b.by == e.by && b.submitter == e.submitter);
  for (std::size_t i = 0; i < 2; ++i) require(b.options_of(i) == e.options_of(i));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const auto of_mail = input.substr(0, input.find('\n'));
  const auto of_rcpt = input.substr(std::min(of_mail.size() + 1, input.size()));
  auto offered = extension_set::usual();
  offered.add(extension::future_release);
  session_facts facts;
  facts.message_size = 1000;
  facts.hold_seconds = 86400;
  facts.hold_until = wall_time(std::chrono::hours(24 * 365 * 60));
  mail_parameters m;
  const auto mail_error = parse_mail_parameters(trimmed(of_mail), offered, facts, m);
  if (!mail_error) check_mail(m);
  for (const bool utf8 : {false, true}) {
    rcpt_parameters r;
    if (parse_rcpt_parameters(trimmed(of_rcpt), offered, utf8, r)) continue;
    require(is_harmless(r.original_recipient));
    require(!r.notify.never || !(r.notify.success || r.notify.failure || r.notify.delay));
    if (!mail_error) check_spool(m, r);
  }
  return 0;
}
