// What an attempt's end means: delivered, deferred or bounced, whom to blame, and how to say it.
// Pure and total: every reply class at every step has an answer
// (tests/unit/delivery/classify_test.cpp is the table). Only a clean 5yz to MAIL, RCPT, DATA or the
// end of the content, or a definite "no" of DNS, is permanent; faults of a host or a connection
// never are, nor is anything that a host says out of place: who contradicts the protocol is not
// believed. RFC 5321 4.2.1, 4.5.4.1; RFC 3463; RFC 1047; RFC 6647 2.3.
//
// Not here: when to try again (policy::next_attempt), what to record, whom to report to.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "policy/retry.hpp"
#include "smtp/client_protocol.hpp"

namespace relais::dns {
enum class host_fault : std::uint8_t;  // dns/hosts.hpp, which would bring in Asio
}

namespace relais::delivery {

enum class outcome : std::uint8_t { delivered, deferred, bounced };

/// Whose fault it was: chooses between the next host, the next attempt, and backing off from a host
/// or a whole destination.
enum class blame : std::uint8_t { none, message, recipient, connection, host, destination };

struct verdict {
  outcome what = outcome::deferred;
  blame whom = blame::none;
  std::string status;             ///< RFC 3463, "4.4.1"; its class agrees with `what`
  std::string reason;             ///< one printable line for log and report
  bool remote_replied = false;    ///< `diagnostic` is a remote SMTP reply (RFC 3464 2.3.6)
  std::string diagnostic;         ///< "550 5.1.1 no such user", or ""
  bool may_be_delivered = false;  ///< lost behind the final dot: trying at once risks a duplicate
  bool refuses_for_good = false;  ///< a 5yz greeting: see refused_by_all()
  policy::retry_reason retry = policy::retry_reason::usual;

  verdict() = default;
  verdict(outcome outcome_is, blame to_blame, std::string status_code, std::string why)
      : what(outcome_is), whom(to_blame), status(std::move(status_code)), reason(std::move(why)) {}
};

/// One recipient behind a transaction. `host_text` names the peer, "mx.d[192.0.2.9]".
/// `has_accepted`: the peer accepted another recipient of the transaction, so that 552 to RCPT can
/// mean "too many" (RFC 5321 4.5.3.1.10).
verdict classify(const smtp::recipient_reply& answer, const std::string& host_text,
                 bool has_accepted = true);
/// All recipients behind a transaction that is over, in their order. Knows more than one by one:
/// what the others were told, and whether an address or the header needs SMTPUTF8.
std::vector<verdict> classify(const smtp::transaction& over, const std::string& host_text);
/// The session failed before or between transactions: always deferred.
verdict classify(const smtp::client_failure& failure, const std::string& host_text);
/// No host to talk to; `reason` is dns::host_list::reason.
verdict classify(dns::host_fault fault, const std::string& reason);
/// `host_text` with the port, "mx.d[192.0.2.9]:25".
verdict connect_failed(error_code why, const std::string& host_text);

/// What a verdict with refuses_for_good becomes when every host of a destination said so: bounced.
verdict refused_by_all(verdict last);

/// Whether another host of the set may do better, now.
bool try_next_host(const verdict& v) noexcept;
/// Whether it tells of the destination rather than of this message: a host that is not reached,
/// breaks off or wants to be left alone. Others of the destination would meet the same.
bool concerns_health(const verdict& v) noexcept;

}  // namespace relais::delivery
