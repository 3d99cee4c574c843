// Checks of the values that say how mail leaves this host.
#include <stdexcept>

#include "base/ip.hpp"
#include "base/listen_address.hpp"
#include "base/text.hpp"
#include "config/field_checks.hpp"
#include "config/host_name.hpp"
#include "config/reply_pattern.hpp"
#include "config/route_words.hpp"

namespace relais::config {

std::string check_next_hop(std::string_view text) {
  if (parse_next_hop(text, 25)) return {};
  return "is not a next hop: write mx (the recipient's domain), relay.example:587 (found by its MX "
         "records), [relay.example]:587 (that very host) or unix:/run/lmtp, and behind it, if "
         "wanted, \", preference 10\" and \", weight 3\"";
}

std::string check_error_text(std::string_view text) {
  if (auto fault = check_reply_text(text); !fault.empty()) return fault;
  if (parse_error_text(text)) return {};
  return "is not the text of an error: write a sentence, or a status of class 5 before it, as in "
         "\"5.1.1 no such user\"";
}

std::string check_reply_pattern(std::string_view text) {
  try {
    const reply_pattern pattern(text);
    return {};
  } catch (const std::runtime_error& fault) {
    return fault.what();
  }
}

std::string check_ipv4(std::string_view text) {
  const auto address = ip_address::parse(text);
  return address && !address->is_v6() ? "" : "is not an IPv4 address: write 192.0.2.1";
}

std::string check_ipv6(std::string_view text) {
  const auto address = ip_address::parse(text);
  return address && address->is_v6() ? "" : "is not an IPv6 address: write 2001:db8::1";
}

std::string check_delivery_tls(std::string_view text) {
  if (text == "auto") return "is for routes only: write none, may, encrypt or verify";
  if (text == "fingerprint") return "is for routes only, which have fingerprints";
  return {};
}

std::string check_mail_address(std::string_view text) {
  const auto at = text.rfind('@');
  const bool good = at != std::string_view::npos && text.find_first_of("<> \"") == text.npos &&
                    at > 0 && at <= 64 && is_host_name(text.substr(at + 1));
  return good ? "" : "is not a mail address: write postmaster@example.org";
}

std::string check_listen_address(std::string_view text) {
  if (listen_address::parse(text)) return {};
  return "is not the address of a listener: write it as in listeners";
}

std::string normal_listen_address(std::string_view text) {
  const auto address = listen_address::parse(text);
  return address ? address->text() : std::string(text);
}

std::string check_recipient_pattern(std::string_view text) {
  if (text == "<>") return "is no recipient: only senders can be <>";
  const auto fault = check_address_pattern(text);
  return fault.substr(0, fault.rfind(" or <>"));
}

}  // namespace relais::config
