// A request and its reply, as those who answer see them: nothing of sockets or of HTTP's syntax
// (http/server.hpp).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "net/task.hpp"

namespace relais::http {

struct request {
  std::string method;
  std::string target;  ///< with its query
  std::string body;
  std::optional<std::uint32_t> user;  ///< who asks, over a UNIX socket
  request() = default;
};

/// A body that need not be in memory as a whole.
class body_source {
 public:
  virtual ~body_source() = default;
  /// Empty: the end. An error: the connection is closed, so that nobody takes a part for the whole.
  virtual net::task<result<std::string>> next() = 0;
};

struct reply {
  unsigned status = 200;
  std::string type = "text/plain; charset=utf-8";
  std::string body;
  std::unique_ptr<body_source> rest;  ///< behind `body`
  std::string allow;                  ///< of 405
  reply() = default;
};

}  // namespace relais::http
