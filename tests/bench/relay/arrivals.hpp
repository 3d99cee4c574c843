// What has arrived at the sink: each pair of Message-ID and recipient once, or as a duplicate, and
// when.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "bench/relay/latencies.hpp"

namespace relais::bench {

class arrivals {
 public:
  /// `header`: the beginning of the content with at least the header section.
  void add(std::string_view header, std::uint64_t octets,
           const std::vector<std::string>& recipients);
  void connection_opened();
  void connection_closed() { --open_; }
  void handshake(bool was_resumed);
  /// Starts to count anew; open connections stay counted.
  void reset();
  std::string to_json();

 private:
  std::unordered_set<std::uint64_t> seen_;  ///< hashes of the pairs
  std::uint64_t messages_ = 0, deliveries_ = 0, duplicates_ = 0, nameless_ = 0, octets_ = 0;
  std::uint64_t connections_ = 0, open_ = 0, most_open_ = 0, handshakes_ = 0, resumed_ = 0;
  std::int64_t first_ = 0, last_ = 0;  ///< arrival of a pair that was not here before
  latencies transit_;                  ///< since X-Sent
};

}  // namespace relais::bench
