// Domain names as text: the host-name grammar that every name from the wire must follow, and the
// form in which a name is asked for. RFC 1123 2.1 with the underscore that real zones use; IDNA
// 2008 (RFC 5891) by libidn2. No wire format here (answer_parser), no look-up (cares_resolver).
#pragma once

#include <string>
#include <string_view>

#include "base/ip.hpp"
#include "base/result.hpp"

namespace relais::dns {

/// Letters, digits, hyphens and underscores in labels of 1 to 63 octets, at most 253 in total, no
/// trailing dot. Either case.
bool is_host_name(std::string_view name) noexcept;

/// Lower case and without one trailing dot: how names are compared.
std::string normal_name(std::string_view name);

/// Where the names of an address are (PTR): "1.2.0.192.in-addr.arpa", "...ip6.arpa".
std::string reverse_name(const ip_address& address);

/// What is asked for this domain: the normal name, with A-labels instead of U-labels. errc::syntax
/// if that is no host name, or if IDNA does not allow it.
result<std::string> query_name(std::string_view domain);

}  // namespace relais::dns
