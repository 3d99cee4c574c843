// A DNS server for the relay benchmark with three kinds of names: the domain that mail goes to
// while the queue is full, the domains that nothing can be delivered to, and all others, which do
// not exist.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "bench/relay/connection.hpp"

namespace relais::bench {

struct names_options {
  place where;
  std::string live = "live.example";  ///< its MX is mx.<live>, whose address is live_address
  std::uint32_t live_address = 0;
  std::string dead =
      "dead.example";  ///< d<N>.<dead> has the MX mx.d<N>.<dead> with an address of its own
  std::uint32_t first_dead = 0;  ///< the address of mx.d0.<dead>; N is added to it
};

class names final : public watched {
 public:
  names(event_loop& loop, names_options options);
  void ready(std::uint32_t events) override;
  /// {"queries": N}
  std::string to_json() const;

  /// The response to a query; "": it is not answered.
  std::string answer(std::string_view query) const;

 private:
  bool exists(std::string_view name) const;
  std::uint32_t address_of(std::string_view host) const;  ///< 0: none

  names_options options_;
  descriptor socket_;
  std::uint64_t queries_ = 0;
};

}  // namespace relais::bench
