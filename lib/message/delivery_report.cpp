// Builds the three parts first, then chooses a boundary that is in none of them, then writes the
// header, which depends on both.
#include "message/delivery_report.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/text.hpp"
#include "message/header_scan.hpp"
#include "message/report_text.hpp"
#include "message/trace.hpp"
#include "smtp/xtext.hpp"

namespace relais::message {
namespace {

struct part {
  std::string type;
  std::string description;
  std::string body;
};

/// A host name of ours or of a peer, as far as it is one.
std::string host_text(std::string_view name) {
  std::string text(name.substr(0, 255));
  for (auto& c : text)
    if (!is_alnum(c) && std::string_view(".-_:[]").find(c) == std::string_view::npos) c = '?';
  return text.empty() ? "localhost" : text;
}

bool is_delayed(const reported_recipient& r) {
  return iequals(r.action, "delayed");
}

bool is_relayed(const reported_recipient& r) {
  return iequals(r.action, "relayed");
}

/// RFC 3464 2.3.3 knows five actions; what we cannot name is a failure.
std::string_view action_of(const reported_recipient& r) {
  static constexpr std::array<std::string_view, 5> known{"failed", "delayed", "delivered",
                                                         "relayed", "expanded"};
  const auto found =
      std::ranges::find_if(known, [&](auto name) { return iequals(name, r.action); });
  return found == known.end() ? known[0] : *found;
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
  if (is_relayed(r)) return "2.0.0";
  return is_delayed(r) ? "4.0.0" : "5.0.0";
}

/// What a report says of all its recipients, or what is worst.
struct wording {
  std::string_view subject, sentence;
};

wording wording_for(const report_request& request) {
  const auto all = [&](bool is(const reported_recipient&)) {
    return !request.recipients.empty() && std::ranges::all_of(request.recipients, is);
  };
  if (all(is_delayed)) {
    return {"Delayed Mail (still being retried)",
            "It could not be delivered yet to the recipients below. This is only a warning: you do "
            "not need to send the message again. The mail system keeps trying and tells you if it "
            "has to give up."};
  }
  if (all(is_relayed)) {
    return {"Successful Mail Delivery Report",
            "It was handed to the next mail system for the recipients below, as you wanted to "
            "know. That system does not report on deliveries: this is the last you hear of it, "
            "unless it fails there."};
  }
  if (std::ranges::any_of(request.recipients, is_relayed)) {
    return {"Undelivered Mail Returned to Sender",
            "Below is what became of it for each recipient. No further attempt will be made."};
  }
  return {"Undelivered Mail Returned to Sender",
          "It could not be delivered to the recipients below, and no further attempt will be made "
          "for them."};
}

part words_for_people(const report_request& request) {
  const auto host = host_text(request.reporting_mta);
  const auto words = wording_for(request);
  const auto is_failed = [](const reported_recipient& r) {
    return !is_delayed(r) && !is_relayed(r);
  };
  const bool any_failed = std::ranges::any_of(request.recipients, is_failed);
  std::string text =
      wrapped(fmt::format("The mail relay {} reports on a message that you sent.", host), "", "");
  text += "\r\n";
  text += wrapped(words.sentence, "", "");
  if (any_failed) {
    text += "\r\n";
    text += wrapped(
        "The reasons below are those of the receiving side, where there are any. Who "
        "looks after your mail can find out more with this report.",
        "", "");
  }
  for (const auto& r : request.recipients) {
    text += "\r\n";
    text += one_line("<" + r.address.text() + ">") + "\r\n";
    if (any_failed && is_delayed(r)) {
      text += wrapped("Not delivered yet; the mail system keeps trying.", "    ", "    ");
    }
    if (any_failed && is_relayed(r)) {
      text += wrapped("Handed to the next mail system.", "    ", "    ");
    }
    if (!r.explanation.empty()) text += wrapped(one_line(r.explanation), "    ", "    ");
    if (!r.diagnostic.empty() && r.explanation.find(r.diagnostic) == std::string::npos) {
      text += wrapped(one_line(r.diagnostic), "    ", "    ");
    }
  }
  text += "\r\n";
  text += wrapped(fmt::format("Your message arrived here on {} and is known to us as {}.",
                              rfc5322_date(request.original_arrival), request.original_id.text()),
                  "", "");
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

/// RFC 3464 2.3.1: the address type as it came, the address decoded.
std::string shown_original(std::string_view original) {
  const auto end = original.find(';');
  if (end == std::string_view::npos) return one_line(original);
  return one_line(original.substr(0, end)) + "; " + shown_xtext(original.substr(end + 1));
}

void add_recipient(std::string& text, const reported_recipient& r) {
  const auto address = r.address.text();
  text += "\r\n";
  // RFC 6533 3: an address with UTF-8 has a type of its own.
  // Not wrapped: a quoted local-part may hold runs of blanks, and an address (RFC 5321 4.5.3.1.3)
  // is no longer than a line.
  if (!r.original_recipient.empty() && r.original_recipient.size() <= longest_original) {
    text += fmt::format("Original-Recipient: {}\r\n", shown_original(r.original_recipient));
  }
  text += fmt::format("Final-Recipient: {}; {}\r\n", is_ascii(address) ? "rfc822" : "utf-8",
                      one_line(address));
  add_field(text, "Action", action_of(r));
  add_field(text, "Status", status_of(r));
  if (!r.remote_mta.empty()) add_field(text, "Remote-MTA", "dns; " + host_text(r.remote_mta));
  if (!r.diagnostic.empty()) {
    add_field(text, "Diagnostic-Code",
              (r.diagnostic_is_smtp ? "smtp; " : "x-relais; ") + one_ascii_line(r.diagnostic));
  }
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
  for (const auto& r : request.recipients) add_recipient(text, r);
  return {is_ascii(text) ? "message/delivery-status" : "message/global-delivery-status",
          "Delivery report", std::move(text)};
}

part returned_content(const report_request& request) {
  // A message that cannot be carried as it is (bare line ends, NUL, endless lines) is not altered
  // under the name of the original: then its header is returned.
  if (request.return_full && has_clean_lines(request.original_content)) {
    return {"message/rfc822", "Undelivered message", std::string(request.original_content)};
  }
  return {"text/rfc822-headers", "Header of the message",
          clean_lines(header_section(request.original_content))};
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

std::string header_of(const report_request& request, const std::string& boundary, bool eight_bit) {
  const auto host = host_text(request.reporting_mta);
  std::string text;
  const auto add = [&](std::string_view name, std::string_view value) {
    text += fmt::format("{}: {}\r\n", name, value);
  };
  add("Date", rfc5322_date(request.now));
  add("From", fmt::format("\"Mail Delivery System\" <MAILER-DAEMON@{}>", host));
  add("To", fmt::format("<{}>", one_line(request.original_sender.text())));
  add("Subject", wording_for(request).subject);
  add("Message-ID", fmt::format("<{}@{}>", request.report_id.text(), host));
  add("Auto-Submitted", "auto-replied");  // RFC 3834 5
  add("MIME-Version", "1.0");
  add("Content-Type",
      fmt::format("multipart/report; report-type=delivery-status;\r\n\tboundary=\"{}\"", boundary));
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

  auto text = header_of(request, boundary, eight_bit);
  text += "\r\nThis is a message in MIME format, a report on the delivery of your mail.\r\n";
  for (const auto& p : parts) {
    text += fmt::format("\r\n--{}\r\nContent-Type: {}\r\nContent-Description: {}\r\n", boundary,
                        p.type, p.description);
    if (!is_ascii(p.body)) text += "Content-Transfer-Encoding: 8bit\r\n";
    text += "\r\n";
    text += p.body;
  }
  text += fmt::format("\r\n--{}--\r\n", boundary);
  return text;
}

}  // namespace relais::message
