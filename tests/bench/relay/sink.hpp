// The next hop of the relay benchmark: an SMTP server that takes everything, as cheaply as it can,
// and counts it. Not here: what the counts mean (arrivals.hpp).
#pragma once

#include <string>

#include "bench/relay/arrivals.hpp"
#include "bench/relay/connection.hpp"

namespace relais::bench {

struct sink_options {
  place where;
  bool chunking = false;    ///< offer CHUNKING (RFC 3030)
  std::string certificate;  ///< PEM with the chain; "" = no STARTTLS
  std::string key;
};

class sink final : public watched {
 public:
  sink(event_loop& loop, sink_options options);
  void ready(std::uint32_t events) override;

  arrivals& counts() { return counts_; }
  const sink_options& options() const { return options_; }
  SSL_CTX* tls() { return tls_.get(); }

 private:
  event_loop& loop_;
  sink_options options_;
  tls_context tls_;
  descriptor listener_;
  arrivals counts_;
};

}  // namespace relais::bench
