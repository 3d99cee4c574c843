// The hosts file (/etc/hosts) in front of another resolver: containers name their neighbours there,
// and LANs without DNS their smarthost. Addresses of a name and names of an address that are in the
// file come from the file. MX questions go to DNS; where that has no answer, a name of the file is
// a name without MX records, so its address is its mail host. "localhost" is always loopback
// (RFC 6761 6.3). The file is read anew when it has changed.
#pragma once

#include <map>
#include <string>

#include "dns/file_stamp.hpp"
#include "dns/resolver.hpp"

namespace relais::dns {

class hosts_file_resolver final : public resolver {
 public:
  /// `source` outlives this object. A file that is missing or unreadable counts as empty.
  hosts_file_resolver(resolver& source, std::string file);

  net::task<result<answer<mx_record>>> mx(std::string name) override;
  net::task<result<answer<ip_address>>> addresses(std::string name, family which) override;
  net::task<result<answer<std::string>>> names(ip_address address) override;
  std::uint32_t negative_ttl() const override { return source_.negative_ttl(); }

 private:
  bool knows(const std::string& name);
  void refresh();
  void parse(const std::string& text);
  void add(std::string name, const ip_address& address);

  resolver& source_;
  std::string file_;
  file_stamp seen_;
  std::multimap<std::string, ip_address> known_;  // by lower-case name
  std::multimap<ip_address, std::string> names_;  // the same, in the order of the file
};

}  // namespace relais::dns
