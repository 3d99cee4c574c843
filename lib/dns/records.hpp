// What the DNS says, as values: apart from the interface, so that the parser needs no Asio.
// RFC 1035 3.3.9, RFC 7505.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace relais::dns {

struct mx_record {
  std::uint16_t preference = 0;
  std::string exchange;  ///< lower case, no trailing dot; "" = the root: null MX (RFC 7505)
  mx_record() = default;
  mx_record(std::uint16_t p, std::string e) : preference(p), exchange(std::move(e)) {}
  friend bool operator==(const mx_record&, const mx_record&) = default;
};

template <class Record>
struct answer {
  std::vector<Record> records;  ///< never empty
  std::uint32_t ttl = 0;        ///< seconds, the smallest of the chain
  std::string canonical_name;   ///< the end of the CNAME chain, or the name asked
  answer() = default;
};

}  // namespace relais::dns
