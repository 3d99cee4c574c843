// relaisctl's side of the control API: HTTP over the UNIX socket of the daemon. Blocks. A reply may
// be long: its lines are given one after the other.
#pragma once

#include <boost/json/object.hpp>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace relais::ctl {

class control_client {
 public:
  /// Null: nobody listens there. Throws failure.
  static std::unique_ptr<control_client> connect(const std::string& path);
  ~control_client();

  // One request for each connection. `body` "" = GET, else POST. Each throws failure: with the
  // daemon's sentence where it refused.
  /// The octets as they come.
  void ask(const std::string& target, const std::string& body,
           const std::function<void(std::string_view)>& piece);
  boost::json::object ask(const std::string& target, const std::string& body);
  /// Of a document with one element in each line: these, and what is left of it is the result.
  boost::json::object ask(const std::string& target, const std::string& body,
                          const std::function<void(boost::json::object)>& element);

 private:
  struct connection;
  explicit control_client(std::unique_ptr<connection> made);
  std::unique_ptr<connection> connection_;
};

/// For a query: "a%40b.example".
std::string percent_encoded(std::string_view text);

}  // namespace relais::ctl
