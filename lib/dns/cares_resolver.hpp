// The resolver of the real world: c-ares on the executor of one worker. Asks by complete names,
// follows aliases whose target was not in the answer, converts IDNs. Neither caches
// (caching_resolver) nor reads /etc/hosts: mail is routed by the DNS. Not for use by several
// threads.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/ip.hpp"
#include "dns/file_stamp.hpp"
#include "dns/resolver.hpp"

namespace relais::dns {

struct resolver_options {
  std::vector<endpoint> servers;               ///< empty: those of `system_file`
  duration timeout = std::chrono::seconds(5);  ///< for the first answer of one server; doubles
  unsigned attempts = 2;                       ///< rounds over all servers
  /// Looked at before each question and read again when it has changed: at boot it is often not
  /// there yet, and a host that moves gets another one.
  std::string system_file = "/etc/resolv.conf";
  std::uint16_t system_port = 53;  ///< of the servers in it
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
  net::task<result<answer<std::string>>> names(ip_address address) override;
  std::uint32_t negative_ttl() const override;

 private:
  /// The channel for a new question.
  const std::shared_ptr<cares_channel>& current();

  net::asio::any_io_executor executor_;
  resolver_options options_;
  file_stamp stamp_;  // before channel_: taken before the file is read
  std::shared_ptr<cares_channel> channel_;
  std::vector<std::weak_ptr<cares_channel>> replaced_;  // with questions under way, perhaps
};

}  // namespace relais::dns
