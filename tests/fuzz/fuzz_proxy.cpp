// The PROXY header: no input may end it later than its limit, and octets that come one by one must
// mean what they mean together.
#include <cstdlib>

#include "net/proxy_protocol.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using relais::net::parse_proxy_header;
  using state = relais::net::proxy_header::state;
  const std::string_view octets(reinterpret_cast<const char*>(data), size);
  const auto whole = parse_proxy_header(octets);
  if (whole.is == state::incomplete && size >= relais::net::longest_proxy_header) std::abort();
  if (whole.is == state::complete && (whole.length == 0 || whole.length > size)) std::abort();
  if (whole.client.has_value() != whole.server.has_value()) std::abort();
  for (std::size_t n = 0; n < size; ++n) {
    const auto part = parse_proxy_header(octets.substr(0, n));
    if (part.is == state::incomplete) continue;
    // Decided early: more octets change nothing.
    if (part.is != whole.is || part.length != whole.length || part.client != whole.client) {
      std::abort();
    }
    break;
  }
  return 0;
}
