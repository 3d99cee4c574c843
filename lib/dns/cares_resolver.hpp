// The resolver of the real world: c-ares on the executor of one worker. Asks by complete names,
// follows aliases whose target was not in the answer, converts IDNs. Neither caches
// (caching_resolver) nor reads /etc/hosts: mail is routed by the DNS. Not for use by several
// threads.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <memory>
#include <vector>

#include "base/clock.hpp"
#include "base/ip.hpp"
#include "dns/resolver.hpp"

namespace relais::dns {

struct resolver_options {
  std::vector<endpoint> servers;               ///< empty: those of /etc/resolv.conf
  duration timeout = std::chrono::seconds(5);  ///< for the first answer of one server; doubles
  unsigned attempts = 2;                       ///< rounds over all servers
};

class cares_channel;

class cares_resolver final : public resolver {
 public:
  /// Throws boost::system::system_error when c-ares cannot start.
  cares_resolver(net::asio::any_io_executor executor, const resolver_options& options);
  /// Questions under way end with errc::cancelled. To be destroyed before its io_context.
  ~cares_resolver() override;
  cares_resolver(const cares_resolver&) = delete;
  cares_resolver& operator=(const cares_resolver&) = delete;

  net::task<result<answer<mx_record>>> mx(std::string name) override;
  net::task<result<answer<ip_address>>> addresses(std::string name, family which) override;
  std::uint32_t negative_ttl() const override;

 private:
  std::shared_ptr<cares_channel> channel_;
};

}  // namespace relais::dns
