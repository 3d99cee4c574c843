// The queue of the running daemon, over its control socket.
#include "base/queue_id.hpp"
#include "daemon/ctl/control_client.hpp"
#include "daemon/ctl/failure.hpp"
#include "daemon/ctl/json_fields.hpp"
#include "daemon/ctl/queue_access.hpp"

namespace relais::ctl {
namespace {

namespace json = boost::json;

// So that a list of any length needs little memory on either side, and no connection is open for
// hours while somebody looks at it.
constexpr std::string_view page = "limit=5000";

std::string word_of(delivery::queue_verb verb) {
  constexpr std::string_view words[] = {"hold", "release", "remove", "bounce", "retry", "reroute"};
  return std::string(words[static_cast<std::size_t>(verb)]);
}

std::string body_of(const queue_order& what) {
  json::object body;
  for (const auto& [name, value] : what.which) {
    auto& values = body[name];
    if (values.is_null()) values.emplace_array();
    values.get_array().emplace_back(value);
  }
  // Who comes here has decided: the preview is ours (queue_verbs).
  body[what.is_dry ? "dry_run" : "confirm"] = true;
  if (what.verb == delivery::queue_verb::reroute) body["next_hop"] = what.next_hop;
  return json::serialize(body);
}

class daemon_queue final : public queue_access {
 public:
  explicit daemon_queue(std::string path) : path_(std::move(path)) {}

  void list(const criteria& which, const taker& each) override {
    std::string query;
    for (const auto& [name, value] : which) {
      query += '&' + name + '=' + percent_encoded(value);
    }
    std::string cursor;
    do {
      auto target = "/v1/queue?" + std::string(page) + query;
      if (!cursor.empty()) target += "&cursor=" + cursor;
      cursor = text_of(client()->ask(target, "", each), "next");
    } while (!cursor.empty());
  }

  json::object show(const std::string& id) override { return client()->ask(target_of(id), ""); }

  void cat(const std::string& id, const std::function<void(std::string_view)>& put) override {
    client()->ask(target_of(id) + "/content", "", put);
  }

  void carry_out(const queue_order& what, const taker& each) override {
    client()->ask("/v1/queue/" + word_of(what.verb), body_of(what), each);
  }

 private:
  std::unique_ptr<control_client> client() const {
    auto made = control_client::connect(path_);
    if (!made) throw failure(exit_code::unavailable, "relaisd has stopped meanwhile");
    return made;
  }

  static std::string target_of(const std::string& id) {
    const auto parsed = queue_id::parse(id);
    if (!parsed) throw failure(exit_code::no_input, id + ": no such message");
    return "/v1/queue/" + parsed->text();
  }

  std::string path_;
};

}  // namespace

std::unique_ptr<queue_access> queue_of_daemon(const std::string& control_socket) {
  if (!control_client::connect(control_socket)) return nullptr;
  return std::make_unique<daemon_queue>(control_socket);
}

}  // namespace relais::ctl
