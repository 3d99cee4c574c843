// Builds the three parts first, then chooses a boundary that is in none of them, then writes the
// header, which depends on both.
#include "message/delivery_report.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"
#include "message/header_scan.hpp"
#include "message/report_text.hpp"
#include "message/report_words.hpp"
#include "message/trace.hpp"
#include "smtp/xtext.hpp"

namespace relais::message {
namespace {

struct part {
  std::string type;
  std::string description;
  std::string body;
  bool is_base64 = false;
};

constexpr std::string_view delivery_status = "message/delivery-status";
constexpr std::string_view global_delivery_status = "message/global-delivery-status";

/// A host name of ours or of a peer, as far as it is one.
std::string host_text(std::string_view name) {
  std::string text(name.substr(0, 255));
  for (auto& c : text)
    if (!is_alnum(c) && std::string_view(".-_:[]").find(c) == std::string_view::npos) c = '?';
  return text.empty() ? "localhost" : text;
}

std::string_view action_text(report_action action) noexcept {
  switch (action) {
    case report_action::delayed: return "delayed";
    case report_action::relayed: return "relayed";
    case report_action::failed: break;
  }
  return "failed";
}

/// RFC 3463 2: class "." subject "." detail.
std::string status_of(const reported_recipient& r) {
  const auto parts = split(r.status, '.');
  const auto is_number = [](std::string_view s) {
    return s.size() <= 3 && parse_number(s).has_value();
  };
  if (parts.size() == 3 && std::ranges::all_of(parts, is_number) &&
      (parts[0] == "2" || parts[0] == "4" || parts[0] == "5")) {
    return r.status;
  }
  if (r.action == report_action::relayed) return "2.0.0";
  return r.action == report_action::delayed ? "4.0.0" : "5.0.0";
}

part words_for_people(const report_request& request) {
  auto text = report_words(request, host_text(request.reporting_mta));
  return {is_ascii(text) ? "text/plain; charset=us-ascii" : "text/plain; charset=utf-8",
          "Notification", std::move(text)};
}

void add_field(std::string& text, std::string_view name, std::string_view value) {
  text += wrapped(value, fmt::format("{}: ", name), " ");
}

/// RFC 3461 4.2 allows 500 octets of an ORCPT; with UTF-8 shown as \xHH it still fits into a line.
constexpr std::size_t longest_original = 500;

std::string shown_xtext(std::string_view text) {
  const auto decoded = smtp::xtext_decode(text);
  const bool can_be_shown =
      decoded && is_ascii(*decoded) && std::ranges::none_of(*decoded, is_control);
  return one_line(can_be_shown ? std::string_view(*decoded) : text);
}

/// RFC 6533 3: an address with UTF-8 has a type of its own, and outside of SMTPUTF8 an ASCII form.
std::string typed_address(std::string_view address, bool smtputf8) {
  const auto shown = one_line(address);
  if (is_ascii(address)) return "rfc822; " + shown;
  return "utf-8; " + (smtputf8 ? shown : utf8_address_in_ascii(address));
}

/// RFC 3464 2.3.1: the address type as it came, the address decoded.
std::string shown_original(std::string_view original, bool smtputf8) {
  const auto end = original.find(';');
  if (end == std::string_view::npos) return one_line(original);
  const auto type = original.substr(0, end);
  const auto address = original.substr(end + 1);
  // RFC 6533 3: not xtext; \x{...} in it stays as it came.
  if (iequals(type, "utf-8")) {
    const bool is_plain = smtputf8 || is_ascii(address);
    return "utf-8; " + (is_plain ? one_line(address) : utf8_escaped(address));
  }
  return one_line(type) + "; " + shown_xtext(address);
}

void add_recipient(std::string& text, const reported_recipient& r, const report_request& request) {
  text += "\r\n";
  // Not wrapped: a quoted local-part may hold runs of blanks, and an address (RFC 5321 4.5.3.1.3)
  // is no longer than a line, in whatever form.
  if (!r.original_recipient.empty() && r.original_recipient.size() <= longest_original) {
    const auto shown = shown_original(r.original_recipient, request.smtputf8);
    if (shown.size() < longest_line - 30) text += fmt::format("Original-Recipient: {}\r\n", shown);
  }
  text += fmt::format("Final-Recipient: {}\r\n", typed_address(r.address.text(), request.smtputf8));
  add_field(text, "Action", action_text(r.action));
  add_field(text, "Status", status_of(r));
  if (!r.remote_mta.empty()) add_field(text, "Remote-MTA", "dns; " + host_text(r.remote_mta));
  if (!r.diagnostic.empty()) {
    add_field(text, "Diagnostic-Code",
              (r.diagnostic_is_smtp ? "smtp; " : "x-relais; ") + one_ascii_line(r.diagnostic));
  }
  if (r.last_attempt) add_field(text, "Last-Attempt-Date", rfc5322_date(*r.last_attempt));
  add_field(text, "Final-Log-ID", request.original_id.text());
  // RFC 3464 2.3.9: for delays only.
  if (r.will_retry_until && r.action == report_action::delayed)
    add_field(text, "Will-Retry-Until", rfc5322_date(*r.will_retry_until));
}

part status_for_machines(const report_request& request) {
  std::string text;
  // RFC 3464 2.2.1: decoded; what cannot be shown then stays as it came.
  if (!request.envelope_id.empty()) {
    add_field(text, "Original-Envelope-Id", shown_xtext(request.envelope_id));
  }
  add_field(text, "Reporting-MTA", "dns; " + host_text(request.reporting_mta));
  add_field(text, "X-Relais-Queue-ID", request.original_id.text());
  add_field(text, "Arrival-Date", rfc5322_date(request.original_arrival));
  for (const auto& r : request.recipients) add_recipient(text, r, request);
  return {std::string(is_ascii(text) ? delivery_status : global_delivery_status), "Delivery report",
          std::move(text)};
}

part returned_content(const report_request& request) {
  // A message that cannot be carried as it is (bare line ends, NUL, endless lines) is not altered
  // under the name of the original: then its header is returned.
  const auto header = header_section(request.original_content);
  const bool is_whole = request.return_full && has_clean_lines(request.original_content);
  part returned;
  returned.description = is_whole ? "Undelivered message" : "Header of the message";
  returned.body = is_whole ? std::string(request.original_content) : clean_lines(header);
  // RFC 6532 3.7, RFC 6533 5: a header with UTF-8; other octets are of no standard.
  const bool is_global = !is_ascii(header) && is_valid_utf8(header);
  if (is_global) {
    returned.type = is_whole ? "message/global" : "message/global-headers";
    returned.is_base64 = !request.smtputf8;
  } else {
    returned.type = is_whole ? "message/rfc822" : "text/rfc822-headers";
  }
  if (returned.is_base64) returned.body = base64_lines(returned.body);
  return returned;
}

/// RFC 2046 5.1.1: 1 to 70 characters of a small set; at no place in any part.
std::string boundary_for(std::string_view wish, const std::vector<part>& parts) {
  std::string base(wish.substr(0, 48));
  for (auto& c : base)
    if (!is_alnum(c) && c != '.' && c != '-' && c != '_' && c != '=') c = '_';
  if (base.empty()) base = "relais";
  auto boundary = base;
  for (unsigned n = 1; std::ranges::any_of(
           parts, [&](const part& p) { return p.body.find(boundary) != std::string::npos; });
       ++n) {
    boundary = fmt::format("{}={}", base, n);
  }
  return boundary;
}

std::string header_of(const report_request& request, const std::string& boundary, bool eight_bit,
                      bool is_global) {
  const auto host = host_text(request.reporting_mta);
  std::string text;
  const auto add = [&](std::string_view name, std::string_view value) {
    text += fmt::format("{}: {}\r\n", name, value);
  };
  add("Date", rfc5322_date(request.now));
  add("From", fmt::format("\"Mail Delivery System\" <MAILER-DAEMON@{}>", host));
  add("To", fmt::format("<{}>", one_line(request.to.text())));
  add("Subject", report_subject(request));
  add("Message-ID", fmt::format("<{}@{}>", request.report_id.text(), host));
  add("Auto-Submitted", "auto-replied");  // RFC 3834 5
  add("MIME-Version", "1.0");
  add("Content-Type",
      // RFC 6522 3: the subtype of the second part.
      fmt::format("multipart/report; report-type={};\r\n\tboundary=\"{}\"",
                  is_global ? "global-delivery-status" : "delivery-status", boundary));
  if (eight_bit) add("Content-Transfer-Encoding", "8bit");
  return text;
}

}  // namespace

std::string delivery_report(const report_request& request) {
  std::vector<part> parts;
  parts.push_back(words_for_people(request));
  parts.push_back(status_for_machines(request));
  parts.push_back(returned_content(request));
  const auto boundary = boundary_for(request.boundary, parts);
  const bool eight_bit =
      std::ranges::any_of(parts, [](const part& p) { return !is_ascii(p.body); });

  auto text = header_of(request, boundary, eight_bit, parts[1].type == global_delivery_status);
  text += "\r\nThis is a message in MIME format, a report on the delivery of your mail.\r\n";
  for (const auto& p : parts) {
    text += fmt::format("\r\n--{}\r\nContent-Type: {}\r\nContent-Description: {}\r\n", boundary,
                        p.type, p.description);
    if (p.is_base64) text += "Content-Transfer-Encoding: base64\r\n";
    if (!is_ascii(p.body)) text += "Content-Transfer-Encoding: 8bit\r\n";
    text += "\r\n";
    text += p.body;
  }
  text += fmt::format("\r\n--{}--\r\n", boundary);
  return text;
}

}  // namespace relais::message
