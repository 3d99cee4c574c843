#include "inbound/proxy_prologue.hpp"

#include <array>
#include <string>

#include "base/error.hpp"

namespace relais::inbound {

net::task<result<endpoint>> read_proxy_header(net::stream& from, const endpoint& balancer,
                                              duration limit) {
  from.expires_after(limit);
  std::array<char, 512> buffer;
  std::string octets;
  for (;;) {
    const auto target = net::asio::buffer(buffer);
    const auto got = co_await from.read_some(target);
    if (!got) co_return got.error();
    octets.append(buffer.data(), *got);
    const auto header = net::parse_proxy_header(octets);
    switch (header.is) {
      case net::proxy_header::state::malformed: co_return errc::syntax;
      case net::proxy_header::state::incomplete:
        if (octets.size() > net::longest_proxy_header) co_return errc::syntax;
        break;
      case net::proxy_header::state::complete:
        from.unread(std::string_view(octets).substr(header.length));
        co_return header.client.value_or(balancer);
    }
  }
}

}  // namespace relais::inbound
