// The control socket of the daemon: relaisctl and other programs of the operator speak HTTP there
// (http/control_api.hpp). Here is who may, and what the operator's hand works with. Lives on the
// first worker.
#pragma once

#include <memory>

#include "config/settings.hpp"
#include "delivery/operator_hand.hpp"
#include "http/server.hpp"
#include "inbound/state_file.hpp"

namespace relais::daemon {

/// The socket of http.control_socket, mode 0600; null, with a warning, where it cannot be made
/// (mail is more important), and where none is wanted. Behind drop_privileges(), so that it can be
/// removed at the end; prepare_control_directory() before.
std::unique_ptr<net::acceptor> bind_control(const config::settings& settings, net::network& network,
                                            event_sink& log);
/// Makes the directory of the socket if it is missing, and gives it to settings.user. While the
/// process may still be root.
void prepare_control_directory(const config::settings& settings);

class control {
 public:
  /// `listener` null: destinations stay suspended, but nobody can ask. `around.remember` is set
  /// here. Before the workers run; blocks.
  control(delivery::operator_world around, spool::disk& disk, spool::runner& maintenance,
          std::unique_ptr<net::acceptor> listener);

  void start();
  void stop();
  net::task<bool> join(duration limit);
  delivery::operations& hand() noexcept { return *hand_; }

 private:
  std::unique_ptr<inbound::state_file> suspended_;
  std::unique_ptr<delivery::operator_hand> hand_;
  std::unique_ptr<http::server> server_;
};

}  // namespace relais::daemon
