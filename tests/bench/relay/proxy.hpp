// A long wire: a TCP proxy that passes everything on as it came, but later. The delay is the wire's
// length, not its width: however much is on the way, nothing waits longer than the delay.
#pragma once

#include "bench/relay/connection.hpp"

namespace relais::bench {

struct proxy_options {
  place where;
  place target;
  double delay = 0.025;  ///< seconds, each way
};

class proxy final : public watched {
 public:
  proxy(event_loop& loop, proxy_options options);
  void ready(std::uint32_t events) override;

 private:
  event_loop& loop_;
  proxy_options options_;
  descriptor listener_;
};

}  // namespace relais::bench
