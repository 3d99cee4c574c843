// What an envelope becomes on the wire: MAIL and RCPT with the parameters that the server offers
// and the envelope asks for (RFC 1870, 3030, 3461, 4954 5, 6152, 6531, 6533, 6710, 8689, 2852),
// and what it cannot become, told before anything is sent.
#include <fmt/format.h>
#include <idn2.h>

#include <algorithm>
#include <chrono>
#include <iterator>
#include <memory>

#include "base/text.hpp"
#include "smtp/client_state.hpp"
#include "smtp/xtext.hpp"

namespace relais::smtp {
namespace {

constexpr bool is_high(char c) noexcept {
  return static_cast<unsigned char>(c) >= 0x80;
}

/// RFC 2852 4: at most nine digits.
std::int64_t seconds_left(const deliver_by& by, wall_time now) {
  constexpr std::int64_t most = 999'999'999;
  const auto left = std::chrono::floor<std::chrono::seconds>(by.at - now).count();
  return std::clamp<std::int64_t>(left, -most, most);
}

struct idn2_deleter {
  void operator()(char* text) const noexcept { idn2_free(text); }
};

/// With A-labels (RFC 5891); "" if IDNA does not allow that name. A path's domain holds no NUL and
/// is short.
std::string with_a_labels(const std::string& domain) {
  char* text = nullptr;
  const int status = idn2_to_ascii_8z(domain.c_str(), &text, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL);
  const std::unique_ptr<char, idn2_deleter> owner(text);
  return status == IDN2_OK && text != nullptr ? std::string(text) : std::string();
}

/// Whether a server without SMTPUTF8 can be told that address: only its domain is not ASCII.
bool has_ascii_form(const path& address) {
  if (!address.needs_smtputf8()) return true;
  if (std::ranges::any_of(address.local_part(), is_high)) return false;
  return !with_a_labels(address.domain()).empty();
}

/// RFC 6533 3: utf-8-addr-xtext, for servers without SMTPUTF8. The text is valid UTF-8.
void append_ascii_orcpt(std::string_view text, std::string& output) {
  for (std::size_t i = 0; i < text.size();) {
    const auto lead = static_cast<unsigned char>(text[i]);
    if (lead < 0x80) {
      output += text[i++];
      continue;
    }
    const std::size_t length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
    unsigned point = lead & (0xffU >> (length + 1));
    for (std::size_t k = 1; k < length && i + k < text.size(); ++k) {
      point = point << 6 | (static_cast<unsigned char>(text[i + k]) & 0x3fU);
    }
    fmt::format_to(std::back_inserter(output), "\\x{{{:X}}}", point);
    i += length;
  }
}

}  // namespace

/// RFC 8689 4.2.1.
bool client_protocol::state::meets_require_tls() const noexcept {
  return tls_ && options_.tls >= tls_level::verify && features_.require_tls;
}

local_fault client_protocol::state::fault_of(const envelope& message, std::size_t recipient,
                                             std::uint64_t size, body_type body,
                                             wall_time now) const {
  const auto& f = features_;
  // RFC 8689 5: a report goes without, rather than being lost.
  if (message.require_tls && !meets_require_tls() && !message.reverse_path.is_null()) {
    return local_fault::require_tls_not_met;
  }
  if (body == body_type::binary_mime && !(chunks(body) && f.binary_mime)) {
    return local_fault::binary_not_offered;
  }
  if (body == body_type::eight_bit_mime && !f.eight_bit_mime) {
    return local_fault::eight_bit_not_offered;
  }
  if (f.size && f.size_limit > 0 && size > f.size_limit) return local_fault::size_exceeds_limit;
  if (message.by && message.by->is_return) {
    const auto left = seconds_left(*message.by, now);
    if (left <= 0) return local_fault::deliver_by_over;
    if (!f.deliver_by || static_cast<std::uint64_t>(left) < f.deliver_by_least) {
      return local_fault::deliver_by_not_offered;
    }
  }
  if (f.smtputf8) return local_fault::none;
  const bool has_form = !message.smtputf8 && has_ascii_form(message.reverse_path) &&
                        has_ascii_form(message.forward_paths.at(recipient));
  return has_form ? local_fault::none : local_fault::smtputf8_not_offered;
}

bool client_protocol::state::find_local_faults(run& r) const {
  auto& t = *r.what;
  std::vector<std::string_view> domains;
  const auto is_within_limits = [&](const path& address) {
    const auto& f = features_;
    if (f.recipient_limit > 0 && r.to_send.size() >= f.recipient_limit) return false;
    if (f.recipient_domain_limit == 0) return true;
    const bool is_known = std::ranges::any_of(
        domains, [&](std::string_view domain) { return iequals(domain, address.domain()); });
    if (!is_known && domains.size() >= f.recipient_domain_limit) return false;
    if (!is_known) domains.push_back(address.domain());
    return true;
  };
  for (std::size_t i = 0; i < t.recipients.size(); ++i) {
    auto& fault = t.results[i].fault;
    fault = fault_of(*t.message, t.recipients[i], t.size, t.body, t.now);
    if (fault != local_fault::none) continue;
    if (is_within_limits(t.message->forward_paths[t.recipients[i]])) {
      r.to_send.push_back(i);
    } else {
      fault = local_fault::beyond_recipient_limit;
    }
  }
  return !r.to_send.empty();
}

void client_protocol::state::append_path(const path& address) {
  output_ += '<';
  output_ += address.local_part();
  if (!address.domain().empty()) {
    output_ += '@';
    const bool as_it_is = features_.smtputf8 || !address.needs_smtputf8();
    output_ += as_it_is ? address.domain() : with_a_labels(address.domain());
  }
  output_ += '>';
}

void client_protocol::state::say_mail(run& r) {
  output_ += "MAIL FROM:";
  append_path(r.what->message->reverse_path);
  if (features_.size) fmt::format_to(std::back_inserter(output_), " SIZE={}", r.what->size);
  if (r.what->body == body_type::binary_mime) {
    output_ += " BODY=BINARYMIME";
  } else if (r.what->body == body_type::eight_bit_mime) {
    output_ += " BODY=8BITMIME";
  }
  append_extended_mail(r);
  end_line(command::mail);
}

void client_protocol::state::append_extended_mail(const run& r) {
  const auto& e = *r.what->message;
  const auto is_utf8 = [&](std::size_t position) {
    return e.forward_paths[r.what->recipients[position]].needs_smtputf8();
  };
  if (features_.smtputf8 &&
      (e.smtputf8 || e.reverse_path.needs_smtputf8() || std::ranges::any_of(r.to_send, is_utf8))) {
    output_ += " SMTPUTF8";
  }
  if (features_.dsn) {
    if (e.ret == dsn_return::full) output_ += " RET=FULL";
    if (e.ret == dsn_return::headers) output_ += " RET=HDRS";
    if (!e.envelope_id.empty()) output_.append(" ENVID=").append(e.envelope_id);
  }
  // RFC 4954 5: whom a trusted peer named; else "<>" for those who know us by name.
  const bool is_named =
      !e.submitter.empty() && e.submitter != "<>" && std::ranges::none_of(e.submitter, is_high);
  if (is_named && features_.auth) {
    output_.append(" AUTH=").append(xtext_encode(e.submitter));
  } else if (logged_in_) {
    output_ += " AUTH=<>";
  }
  if (e.require_tls && meets_require_tls()) output_ += " REQUIRETLS";
  const auto into = std::back_inserter(output_);
  if (e.priority != 0 && features_.mt_priority) {
    fmt::format_to(into, " MT-PRIORITY={}", e.priority);
  }
  if (e.by && features_.deliver_by) {
    fmt::format_to(into, " BY={};{}{}", seconds_left(*e.by, r.what->now),
                   e.by->is_return ? 'R' : 'N', e.by->trace ? "T" : "");
  }
}

void client_protocol::state::say_rcpt(run& r) {
  const auto position = r.to_send[r.next++];
  const auto recipient = r.what->recipients[position];
  output_ += "RCPT TO:";
  append_path(r.what->message->forward_paths[recipient]);
  if (features_.dsn) append_rcpt_parameters(*r.what->message, recipient);
  end_line(command::rcpt, position);
}

/// RFC 3461 5.2.1: as they came.
void client_protocol::state::append_rcpt_parameters(const envelope& message,
                                                    std::size_t recipient) {
  const auto& asked = message.options_of(recipient);
  if (asked.notify.is_specified()) {
    std::string_view before = " NOTIFY=";
    const auto add = [&](bool wanted, std::string_view word) {
      if (!wanted) return;
      output_.append(before).append(word);
      before = ",";
    };
    add(asked.notify.never, "NEVER");
    add(asked.notify.success, "SUCCESS");
    add(asked.notify.failure, "FAILURE");
    add(asked.notify.delay, "DELAY");
  }
  if (asked.original_recipient.empty()) return;
  output_ += " ORCPT=";
  if (features_.smtputf8) {
    output_ += asked.original_recipient;
  } else {
    append_ascii_orcpt(asked.original_recipient, output_);
  }
}

}  // namespace relais::smtp
