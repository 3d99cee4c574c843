// Reads the keywords of an EHLO reply. A keyword with a broken parameter is offered all the same,
// just without what the parameter would have told.
#include "smtp/client_features.hpp"

#include "base/text.hpp"

namespace relais::smtp {
namespace {

void add_mechanisms(std::string_view names, server_features& features) {
  features.auth = true;
  for (const auto name : split(names, ' ')) {
    features.auth_plain |= iequals(name, "PLAIN");
    features.auth_login |= iequals(name, "LOGIN");
  }
}

/// RFC 9422: "MAILMAX=100 RCPTMAX=200"; what cannot be read is no limit.
void add_limits(std::string_view limits, server_features& features) {
  for (const auto limit : split(limits, ' ')) {
    const auto equals = limit.find('=');
    if (equals == limit.npos) continue;
    const auto name = limit.substr(0, equals);
    const auto value = parse_number(limit.substr(equals + 1)).value_or(0);
    if (iequals(name, "MAILMAX"))
      features.mail_limit = value;
    else if (iequals(name, "RCPTMAX"))
      features.recipient_limit = value;
    else if (iequals(name, "RCPTDOMAINMAX"))
      features.recipient_domain_limit = value;
  }
}

void add_keyword(std::string_view line, server_features& features) {
  // "AUTH=PLAIN LOGIN" is how servers before RFC 2554 wrote it, and some still do.
  const auto end = line.find_first_of(" =");
  const auto keyword = line.substr(0, end);
  const auto parameters = end == line.npos ? std::string_view() : trimmed(line.substr(end + 1));
  if (iequals(keyword, "PIPELINING"))
    features.pipelining = true;
  else if (iequals(keyword, "8BITMIME"))
    features.eight_bit_mime = true;
  else if (iequals(keyword, "STARTTLS"))
    features.starttls = true;
  else if (iequals(keyword, "SMTPUTF8"))
    features.smtputf8 = true;
  else if (iequals(keyword, "ENHANCEDSTATUSCODES"))
    features.enhanced_status_codes = true;
  else if (iequals(keyword, "CHUNKING"))
    features.chunking = true;
  else if (iequals(keyword, "BINARYMIME"))
    features.binary_mime = true;
  else if (iequals(keyword, "DSN"))
    features.dsn = true;
  else if (iequals(keyword, "REQUIRETLS"))
    features.require_tls = true;
  else if (iequals(keyword, "MT-PRIORITY"))
    features.mt_priority = true;
  else if (iequals(keyword, "AUTH"))
    add_mechanisms(parameters, features);
  else if (iequals(keyword, "LIMITS"))
    add_limits(parameters, features);
  else if (iequals(keyword, "SIZE")) {
    features.size = true;
    features.size_limit = parse_number(parameters).value_or(0);
  } else if (iequals(keyword, "DELIVERBY")) {
    features.deliver_by = true;
    features.deliver_by_least = parse_number(parameters).value_or(0);
  }
}

}  // namespace

server_features parse_features(const reply& hello) {
  server_features features;
  features.ehlo = true;
  // The first line holds the server's name and a greeting, never a keyword.
  for (std::size_t i = 1; i < hello.lines().size(); ++i) {
    add_keyword(trimmed(hello.lines()[i]), features);
  }
  return features;
}

}  // namespace relais::smtp
