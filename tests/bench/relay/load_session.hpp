// One client: a connection at a time, and on it one message after the other.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "bench/relay/connection.hpp"

namespace relais::bench {

class load;

/// Lives as long as the load; its connections come and go.
class load_session {
 public:
  explicit load_session(load& all);
  ~load_session();
  /// Sends messages until there are none left.
  void start();
  /// Called every second: a connection that has had no greeting for long is given up. OpenSMTPD's
  /// short listen queue leaves some to wait for retransmissions.
  void look_after();

 private:
  class client;
  void connect();
  void again_later();
  void over();

  load& all_;
  std::unique_ptr<client> client_;
  std::uint64_t connections_ = 0;  ///< so far; tells which one a timer was meant for
  std::int64_t connecting_since_ = 0;
  std::uint64_t message_ = 0;
  bool has_message_ = false;
};

}  // namespace relais::bench
