// The queue as the verbs of relaisctl see it: by the running daemon over its control socket, or in
// the spool of a stopped one. Both speak in the objects of http/control_json.hpp.
#pragma once

#include <boost/json/object.hpp>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "delivery/operations.hpp"

namespace relais::config {
struct settings;
}

namespace relais::ctl {

/// Name and value as http::add_criterion() takes them: {"sender", "joe@"}.
using criteria = std::vector<std::pair<std::string, std::string>>;

struct queue_order {
  delivery::queue_verb verb = delivery::queue_verb::hold;
  criteria which;
  bool is_dry = false;
  std::string next_hop;
};

/// Everything throws failure.
class queue_access {
 public:
  using taker = std::function<void(boost::json::object)>;
  virtual ~queue_access() = default;
  virtual void list(const criteria& which, const taker& each) = 0;
  /// `id` as typed.
  virtual boost::json::object show(const std::string& id) = 0;
  virtual void cat(const std::string& id, const std::function<void(std::string_view)>& put) = 0;
  /// One object for each message; durable when this returns.
  virtual void carry_out(const queue_order& what, const taker& each) = 0;
};

/// Null: nobody listens at the control socket.
std::unique_ptr<queue_access> queue_of_daemon(const std::string& control_socket);
std::unique_ptr<queue_access> queue_of_spool(const std::string& directory,
                                             const config::settings& settings);

}  // namespace relais::ctl
