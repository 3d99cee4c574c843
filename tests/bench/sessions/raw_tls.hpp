// The limit that OpenSSL sets by itself: handshakes between two of its objects in memory, without
// sockets, threads or anything of ours.
#pragma once

#include <string>

namespace relais::bench {

struct raw_tls {
  double handshakes = 0;
  double server_seconds = 0;  ///< processor time of the server's side
  double both_seconds = 0;
};

/// TLS 1.3 with the certificate and key of these files, for about so many seconds.
raw_tls measure_raw_tls(const std::string& certificate, const std::string& key, bool resumed,
                        double seconds);

}  // namespace relais::bench
