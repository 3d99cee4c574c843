// The one place where replies and errors become outcomes; see the header. The words follow what
// postmasters grep for: "host x said: ... (in reply to RCPT TO command)". RFC 5321 4.2.1, RFC 3463.
#include "delivery/classify.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.hpp"
#include "base/text.hpp"
#include "dns/hosts.hpp"

namespace relais::delivery {
namespace {

using smtp::client_step;

/// The reply's own enhanced code, moved to `klass` if it has another one, or the derived "5.0.0".
std::string status_of(const smtp::reply& r, unsigned klass) {
  const auto code = r.enhanced();
  return fmt::format("{}.{}.{}", klass, code.subject, code.detail);
}

verdict from_reply(outcome what, blame whom, std::string status, std::string reason,
                   const smtp::reply& r) {
  verdict v(what, whom, std::move(status), std::move(reason));
  v.remote_replied = true;
  v.diagnostic = r.text();
  return v;
}

std::string said(const smtp::reply& r, client_step step, const std::string& host_text) {
  return fmt::format("host {} said: {} (in reply to {} command)", host_text, r.text(),
                     to_text(step));
}

/// A server that contradicts the protocol: nothing it said counts (threats: garbage final reply).
verdict out_of_place(const smtp::reply& r, client_step step, const std::string& host_text) {
  return from_reply(outcome::deferred, blame::connection, "4.5.0",
                    fmt::format("protocol error: {}", said(r, step, host_text)), r);
}

bool is_in_transaction(client_step step) noexcept {
  return step == client_step::mail || step == client_step::rcpt || step == client_step::data ||
         step == client_step::content;
}

blame blame_of_refusal(const smtp::reply& r, client_step step) noexcept {
  if (r.code() == 421 || !is_in_transaction(step)) return blame::host;
  return step == client_step::rcpt ? blame::recipient : blame::message;
}

/// RFC 6647 2.3: "come back later" said of a message, not of a host. Without the usual code the
/// word decides, as a hint at the next attempt's time only.
bool is_greylisting(const smtp::reply& r, client_step step) {
  if (!is_in_transaction(step) || (r.code() != 450 && r.code() != 451)) return false;
  const auto code = r.enhanced();
  if (code.subject == 7 && code.detail == 1) return true;
  const auto words = to_lower(r.text());
  return words.find("greylist") != std::string::npos || words.find("graylist") != std::string::npos;
}

verdict transient(const smtp::reply& r, client_step step, const std::string& host_text) {
  auto v = from_reply(outcome::deferred, blame_of_refusal(r, step), status_of(r, 4),
                      said(r, step, host_text), r);
  if (is_greylisting(r, step)) v.retry = policy::retry_reason::greylisted;
  return v;
}

/// What 552 means when it says no more (RFC 5321 4.2.3, RFC 3463 3.3, 3.4): this recipient's
/// storage, or the message's size.
std::string status_of_552(client_step step) {
  return step == client_step::rcpt ? "5.2.2" : "5.3.4";
}

verdict permanent(const smtp::reply& r, client_step step, const std::string& host_text,
                  bool has_accepted) {
  const auto code = r.enhanced();
  if (step == client_step::rcpt && r.code() == 552 && has_accepted) {
    // "Too many recipients" as old servers say it: RFC 5321 4.5.3.1.10 wants it read as 452.
    const bool is_too_many = !code.present() || (code.subject == 5 && code.detail == 3);
    if (is_too_many) {
      return from_reply(outcome::deferred, blame::recipient, "4.5.3", said(r, step, host_text), r);
    }
  }
  if (r.code() == 530 || !is_in_transaction(step)) {
    // "Authentication required" blames our configuration of this host: the mail waits for the fix.
    const auto status = r.code() == 530 ? "4.7.0" : status_of(r, 4);
    return from_reply(outcome::deferred, blame::host, status, said(r, step, host_text), r);
  }
  auto status = status_of(r, 5);
  if (r.code() == 552 && !code.present()) status = status_of_552(step);
  return from_reply(outcome::bounced, blame_of_refusal(r, step), std::move(status),
                    said(r, step, host_text), r);
}

verdict unanswered(client_step step, const std::string& host_text) {
  const bool at_end = step == client_step::content;
  const auto what = at_end ? std::string("end of data -- message may be sent more than once")
                           : std::string(to_text(step));
  verdict v(outcome::deferred, blame::connection, "4.4.2",
            fmt::format("lost connection with {} while sending {}", host_text, what));
  v.may_be_delivered = at_end;
  if (at_end) v.retry = policy::retry_reason::lost_content;
  return v;
}

verdict local(smtp::local_fault fault, const std::string& host_text) {
  // Another host may state another limit or offer the extension: the host is blamed.
  const auto lacking = [&](const char* status, std::string_view why) -> verdict {
    return {outcome::bounced, blame::host, status, fmt::format("{} host {}", why, host_text)};
  };
  switch (fault) {
    case smtp::local_fault::smtputf8_not_offered:
      return lacking("5.6.7", "an address or the header needs SMTPUTF8, but it was not offered by");
    case smtp::local_fault::eight_bit_not_offered:
      return lacking("5.6.3",
                     "the content is 8-bit and is not to be converted, but 8BITMIME was not "
                     "offered by");
    case smtp::local_fault::binary_not_offered:
      return lacking("5.6.3", "the content is binary, but BINARYMIME was not offered by");
    case smtp::local_fault::require_tls_not_met:
      return lacking("5.7.30",
                     "the sender requires TLS with a verified host that offers REQUIRETLS, unlike");
    case smtp::local_fault::deliver_by_not_offered:
      return lacking("5.3.3", "a delivery in time, which the sender requires, is not promised by");
    case smtp::local_fault::deliver_by_over:
      return {outcome::bounced, blame::message, "5.4.7",
              "the time within which the sender wanted it delivered is over"};
    case smtp::local_fault::beyond_recipient_limit:
      return {outcome::deferred, blame::recipient, "4.5.3",
              fmt::format("more recipients than host {} takes at a time", host_text)};
    case smtp::local_fault::size_exceeds_limit:
    case smtp::local_fault::none: break;
  }
  return lacking("5.3.4", "message size exceeds the size limit stated by");
}

verdict setup_refused(const smtp::client_failure& f, const std::string& host_text) {
  const auto& r = *f.remote;
  auto status = status_of(r, 4);
  auto reason = said(r, f.step, host_text);
  if (f.step == client_step::greeting) {
    reason = fmt::format("host {} refused to talk to me: {}", host_text, r.text());
  } else if (f.step == client_step::starttls) {
    status = "4.7.4";
    reason = fmt::format("TLS is required, but was refused by host {}: {}", host_text, r.text());
  } else if (f.step == client_step::auth) {
    status = "4.7.0";
    reason = fmt::format("authentication failed: host {} said: {}", host_text, r.text());
  }
  auto v = from_reply(outcome::deferred, blame::host, std::move(status), std::move(reason), r);
  v.refuses_for_good = f.step == client_step::greeting && r.is_permanent();
  return v;
}

/// "receiving" where the peer had to speak first, "sending" a command elsewhere.
std::string doing(client_step step) {
  if (step == client_step::greeting) return fmt::format("receiving the {}", to_text(step));
  if (step == client_step::hello) return "performing the EHLO handshake";
  return fmt::format("sending {}", to_text(step));
}

std::string with_note(const smtp::client_failure& f) {
  return f.note.empty() ? f.error.message() : std::string(f.note);
}

verdict tls_failure(const smtp::client_failure& f, const std::string& host_text) {
  if (f.step == client_step::auth) {
    return {
        outcome::deferred, blame::host, "4.7.0",
        fmt::format("authentication with host {} is not possible: {}", host_text, with_note(f))};
  }
  // With a note the extension was missing (x.7.4); without one the handshake or the certificate
  // failed: its name, its chain or its fingerprint.
  return {outcome::deferred, blame::host, f.note.empty() ? "4.7.5" : "4.7.4",
          fmt::format("cannot start TLS with host {}: {}", host_text, with_note(f))};
}

struct fault_row {
  dns::host_fault fault;
  outcome what;
  std::string_view status;
};
constexpr fault_row fault_rows[] = {
    {dns::host_fault::none, outcome::deferred,
     "4.4.0"},  // no fault at all: never a reason to bounce
    {dns::host_fault::no_such_domain, outcome::bounced, "5.1.2"},
    {dns::host_fault::no_mail_host, outcome::bounced, "5.4.4"},
    {dns::host_fault::null_mx, outcome::bounced, "5.1.10"},
    {dns::host_fault::loops_to_self, outcome::bounced, "5.4.6"},
    {dns::host_fault::forbidden_address, outcome::bounced, "5.4.4"},
    {dns::host_fault::temporary, outcome::deferred, "4.4.3"},
};

}  // namespace

verdict classify(const smtp::recipient_reply& answer, const std::string& host_text,
                 bool has_accepted) {
  if (answer.fault != smtp::local_fault::none) return local(answer.fault, host_text);
  if (!answer.remote) return unanswered(answer.step, host_text);
  const auto& r = *answer.remote;
  if (r.is_positive() && answer.step == client_step::content) {
    const auto status = r.enhanced().present() ? r.enhanced().text() : "2.0.0";
    return from_reply(outcome::delivered, blame::none, status, r.text(), r);
  }
  if (r.is_transient()) return transient(r, answer.step, host_text);
  if (r.is_permanent()) return permanent(r, answer.step, host_text, has_accepted);
  return out_of_place(r, answer.step, host_text);
}

std::vector<verdict> classify(const smtp::transaction& over, const std::string& host_text) {
  // Whoever got an answer behind RCPT was accepted there.
  const bool has_accepted = std::ranges::any_of(over.results, [](const auto& answer) {
    return answer.fault == smtp::local_fault::none &&
           (answer.step == client_step::data || answer.step == client_step::content);
  });
  std::vector<verdict> verdicts;
  verdicts.reserve(over.results.size());
  for (std::size_t i = 0; i < over.results.size(); ++i) {
    const auto& answer = over.results[i];
    auto v = classify(answer, host_text, has_accepted);
    if (answer.fault == smtp::local_fault::smtputf8_not_offered && over.message != nullptr &&
        i < over.recipients.size()) {
      const auto& to = over.message->forward_paths.at(over.recipients[i]);
      const bool is_address = to.needs_smtputf8() || over.message->reverse_path.needs_smtputf8();
      if (!is_address) v.status = "5.6.9";
    }
    verdicts.push_back(std::move(v));
  }
  return verdicts;
}

verdict classify(const smtp::client_failure& failure, const std::string& host_text) {
  if (failure.remote) {
    const auto& r = *failure.remote;
    if (r.is_transient() || r.is_permanent()) return setup_refused(failure, host_text);
    return out_of_place(r, failure.step, host_text);
  }
  if (failure.step == client_step::connect) return connect_failed(failure.error, host_text);
  const auto at = doing(failure.step);
  if (failure.error == errc::timeout) {
    return {outcome::deferred, blame::connection, "4.4.2",
            fmt::format("conversation with {} timed out while {}", host_text, at)};
  }
  if (failure.error == errc::tls_failed) return tls_failure(failure, host_text);
  if (failure.error == errc::protocol_error) {
    const auto status = failure.step == client_step::auth ? "4.7.0" : "4.5.0";
    return {
        outcome::deferred, blame::host, status,
        fmt::format("host {} broke the protocol while {}: {}", host_text, at, with_note(failure))};
  }
  return {outcome::deferred, blame::connection, "4.4.2",
          fmt::format("lost connection with {} while {}", host_text, at)};
}

verdict classify(dns::host_fault fault, const std::string& reason) {
  for (const auto& row : fault_rows) {
    if (row.fault == fault) {
      return {row.what, blame::destination, std::string(row.status), printable(reason)};
    }
  }
  return {outcome::deferred, blame::destination, "4.4.3", printable(reason)};
}

verdict connect_failed(error_code why, const std::string& host_text) {
  return {outcome::deferred, blame::connection, "4.4.1",
          fmt::format("connect to {}: {}", host_text, printable(why.message()))};
}

verdict refused_by_all(verdict last) {
  if (!last.refuses_for_good || last.status.empty()) return last;
  last.what = outcome::bounced;
  last.status.front() = '5';
  return last;
}

bool try_next_host(const verdict& v) noexcept {
  if (v.what == outcome::delivered || v.may_be_delivered) return false;
  return v.whom == blame::connection || v.whom == blame::host;
}

bool concerns_health(const verdict& v) noexcept {
  return v.what == outcome::deferred &&
         (v.whom == blame::connection || v.whom == blame::host || v.whom == blame::destination);
}

}  // namespace relais::delivery
