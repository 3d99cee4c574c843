#include "message/report_words.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/text.hpp"
#include "message/report_text.hpp"
#include "message/trace.hpp"

namespace relais::message {
namespace {

struct counts {
  std::size_t failed = 0, delayed = 0, relayed = 0;
};

counts count(const report_request& request) {
  counts all;
  for (const auto& r : request.recipients) {
    if (r.action == report_action::failed) ++all.failed;
    if (r.action == report_action::delayed) ++all.delayed;
    if (r.action == report_action::relayed) ++all.relayed;
  }
  return all;
}

std::string_view summary(const report_request& request) {
  const auto all = count(request);
  if (request.is_double) {
    return "Neither the message in question nor the report to its sender, which is attached, could "
           "be delivered. Nobody else is told.";
  }
  if (all.failed > 0 && all.delayed + all.relayed > 0)
    return "Below is what became of it for each recipient.";
  if (all.delayed > 0 && all.relayed > 0)
    return "Below is what became of it for each recipient. You do not need to send the message "
           "again.";
  if (all.delayed > 0) {
    return "It could not be delivered yet to the recipients below. This is only a warning: you do "
           "not need to send the message again. The mail system keeps trying and tells you if it "
           "has to give up.";
  }
  if (all.relayed > 0) {
    return "It was handed to the next mail system for the recipients below, as you wanted to "
           "know. That system does not report on deliveries: this is the last you hear of it, "
           "unless it fails there.";
  }
  return "It could not be delivered to the recipients below, and no further attempt will be made "
         "for them.";
}

/// What a status of RFC 3463 means to somebody who never heard of it; by subject and detail.
struct meaning {
  std::string_view detail, words;
};
constexpr std::array meanings{
    meaning{"1.1", "There is no such mailbox. Look for a mistake in the address."},
    meaning{"1.2", "There is no such domain. Look for a mistake behind the @ of the address."},
    meaning{"1.3", "The receiving server does not understand the address."},
    meaning{"1.6", "The mailbox has moved."},
    meaning{"1.8", "The receiving server does not accept your own address."},
    meaning{"1.10", "The domain of the address accepts no mail at all."},
    meaning{"2.1", "The mailbox is switched off."},
    meaning{"2.2", "The mailbox is full."},
    meaning{"2.3", "The message is larger than the mailbox takes."},
    meaning{"3.4", "The message is larger than the receiving server takes."},
    meaning{"4.1", "The receiving server does not answer."},
    meaning{"4.2", "The connection to the receiving server broke."},
    meaning{"4.3", "The address book of the internet (DNS) gives no answer about the domain."},
    meaning{"4.4", "The domain of the address has no server for mail."},
    meaning{"4.6", "The message would go round in circles: the domain leads back to this relay."},
    meaning{"4.7", "The time within which it could be delivered is over."},
    meaning{"5.3", "The receiving server takes fewer recipients at a time."},
    meaning{"6.3",
            "The message would have to be converted for the receiving server, and must not "
            "or cannot be."},
    meaning{"6.7", "The receiving server takes no addresses with letters beyond ASCII."},
    meaning{"6.9", "The receiving server takes no header with letters beyond ASCII."},
    meaning{"7.1",
            "The receiving server does not permit it: a rule there, or it takes the message "
            "for spam."},
    meaning{"7.4", "The receiving server does not offer the encryption that is required."},
    meaning{"7.5", "The receiving server could not prove who it is, or encryption failed."},
    meaning{"7.30",
            "You required encryption all the way, which the receiving server does not "
            "promise."},
};

std::string_view words_for(const reported_recipient& r) {
  if (r.action == report_action::relayed) return {};
  const auto end = r.status.find('.');
  if (end == std::string::npos) return {};
  const auto detail = std::string_view(r.status).substr(end + 1);
  const auto* found =
      std::ranges::find_if(meanings, [&](const meaning& m) { return m.detail == detail; });
  return found == meanings.end() ? std::string_view() : found->words;
}

void add_recipient(std::string& text, const reported_recipient& r, bool is_mixed) {
  const auto add = [&](std::string_view words) { text += wrapped(words, "    ", "    "); };
  text += "\r\n";
  text += one_line("<" + r.address.text() + ">") + "\r\n";
  if (is_mixed) {
    switch (r.action) {
      case report_action::failed: add("Failed; no further attempt will be made."); break;
      case report_action::delayed: add("Not delivered yet; the mail system keeps trying."); break;
      case report_action::relayed: add("Handed to the next mail system."); break;
    }
  }
  if (r.is_expired) {
    add("It was tried until the time for that was over. This is what the last attempt met:");
  } else if (const auto words = words_for(r); !words.empty()) {
    add(words);
  }
  if (!r.explanation.empty()) add(one_line(r.explanation));
  if (!r.diagnostic.empty() && r.explanation.find(r.diagnostic) == std::string::npos) {
    add(one_line(r.diagnostic));
  }
  if (r.will_retry_until) add("It is tried until " + rfc5322_date(*r.will_retry_until) + ".");
}

}  // namespace

std::string_view report_subject(const report_request& request) {
  const auto all = count(request);
  if (request.is_double) return "Undelivered Mail, and its sender cannot be told";
  if (all.failed > 0) return "Undelivered Mail Returned to Sender";
  if (all.delayed > 0) return "Delayed Mail (still being retried)";
  return all.relayed > 0 ? "Successful Mail Delivery Report"
                         : "Undelivered Mail Returned to Sender";
}

std::string report_words(const report_request& request, std::string_view host) {
  const auto all = count(request);
  const bool is_mixed = (all.failed > 0) + (all.delayed > 0) + (all.relayed > 0) > 1;
  auto text =
      wrapped(request.is_double
                  ? fmt::format("The mail relay {} reports to its postmaster.", host)
                  : fmt::format("The mail relay {} reports on a message that you sent.", host),
              "", "");
  text += "\r\n";
  text += wrapped(summary(request), "", "");
  if (all.failed > 0 && !request.is_double) {
    text += "\r\n";
    text += wrapped(
        "Where the receiving side gave a reason, it is quoted below. Who looks after your mail can "
        "find out more with this report.",
        "", "");
  }
  for (const auto& r : request.recipients) add_recipient(text, r, is_mixed);
  text += "\r\n";
  text += wrapped(fmt::format("{} arrived here on {} and is known to us as {}.",
                              request.is_double ? "The report" : "Your message",
                              rfc5322_date(request.original_arrival), request.original_id.text()),
                  "", "");
  return text;
}

}  // namespace relais::message
