// What a network without UNIX sockets and the like answers.
#include "net/runtime.hpp"

#include "base/error.hpp"

namespace relais::net {

result<std::unique_ptr<acceptor>> network::listen(const listen_address& at, bool shared, unsigned) {
  if (at.is == listen_address::kind::inet) return listen(at.at, shared);
  return make_error_code(boost::system::errc::operation_not_supported);
}

task<result<std::unique_ptr<transport>>> network::connect_local(std::string, duration) {
  co_return make_error_code(boost::system::errc::operation_not_supported);
}

}  // namespace relais::net
