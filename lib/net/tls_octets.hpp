// The two directions of octets between OpenSSL and a tls_engine, as one BIO. Unlike OpenSSL's own
// memory BIO it keeps no memory once it is empty: ten thousand idle sessions would hold the size
// of their largest record otherwise.
#pragma once

#include <openssl/bio.h>

#include <string>
#include <string_view>

namespace relais::net {

struct tls_octets {
  std::string in;            ///< from the network, not consumed yet
  std::size_t consumed = 0;  ///< of `in`
  std::string out;           ///< to the network
};

/// A BIO over `octets`, which outlives it and does not move. Null: out of memory.
BIO* make_tls_bio(tls_octets& octets);

}  // namespace relais::net
