// One DNS response message, as octets, to what it says about one question: records, "it is an
// alias, ask for its target", "no", or "this tells nothing". Pure: no I/O, no c-ares. Any octets
// are a valid input, and none is trusted: names are decompressed with bounds, records of other
// owners are ignored. RFC 1035 4.1, RFC 2181 8 (TTL), RFC 2308 (negative answers), RFC 6604 (rcode
// and aliases), RFC 7505.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/ip.hpp"
#include "dns/records.hpp"

namespace relais::dns {

enum class record_type : std::uint16_t {
  a = 1,
  ns = 2,
  cname = 5,
  soa = 6,
  ptr = 12,
  mx = 15,
  aaaa = 28
};

struct question {
  std::string name;  ///< as query_name() makes it
  record_type type = record_type::a;
};

/// How many CNAME records are followed, in one message and over several.
inline constexpr unsigned maximum_aliases = 8;

enum class verdict : std::uint8_t {
  temporary,  ///< broken, truncated, a server's failure, a loop of aliases
  records,    ///< `exchanges`, `addresses` or `names` is not empty
  alias,      ///< go on and ask for `canonical_name`
  not_found,  ///< NXDOMAIN
  no_data     ///< the name exists without such a record
};

struct parsed_answer {
  verdict kind = verdict::temporary;
  std::vector<mx_record> exchanges;
  std::vector<ip_address> addresses;
  std::vector<std::string> names;  ///< of PTR records: host names, lower case
  std::uint32_t ttl = 0;  ///< smallest of the chain; of a "no": how long it holds, 0 = unknown
  /// Where the chain of aliases ended; of PTR records it may hold "/" (RFC 2317 4).
  std::string canonical_name;
  unsigned aliases = 0;  ///< CNAME records followed
};

/// All records of the type asked were unusable (an exchange that is no host name): temporary, never
/// "no data", because that would let mail fall back to the address record of the domain.
parsed_answer parse_answer(std::span<const std::uint8_t> message, const question& asked);

}  // namespace relais::dns
