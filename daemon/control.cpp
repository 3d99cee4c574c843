#include "daemon/control.hpp"

#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "base/error.hpp"
#include "http/control_api.hpp"

namespace relais::daemon {

using namespace std::chrono_literals;

namespace {

constexpr unsigned socket_mode = 0600;
constexpr std::size_t longest_body = 4 << 20;  // some 200,000 ids

http::server_limits limits() {
  http::server_limits l;
  l.connections = 16;
  l.body = longest_body;
  l.write = 5min;  // a person may look at a long list page by page
  return l;
}

// The socket's mode says the same; this holds as well where the mode is not looked at, and when
// somebody changed it. Who asks is not known in a simulated world.
bool may_ask(const http::request& asked) {
  return !asked.user || *asked.user == 0 || *asked.user == ::geteuid();
}

net::task<http::reply> guarded(http::request asked, delivery::operations& hand) {
  if (!may_ask(asked)) co_return http::json_error(403, "only root and the user of relaisd may ask");
  co_return co_await http::answer_control(std::move(asked), hand);
}

}  // namespace

void prepare_control_directory(const config::settings& settings) {
  const auto& path = settings.http.control_socket;
  if (path.empty()) return;
  const auto directory = std::filesystem::path(path).parent_path();
  // Whatever is wrong here is said when the socket is made.
  if (::mkdir(directory.c_str(), 0755) != 0 || settings.user.empty()) return;
  if (const auto* user = ::getpwnam(settings.user.c_str())) {
    const int ignored = ::chown(directory.c_str(), user->pw_uid, user->pw_gid);
    static_cast<void>(ignored);
  }
}

std::unique_ptr<net::acceptor> bind_control(const config::settings& settings, net::network& network,
                                            event_sink& log) {
  const auto& path = settings.http.control_socket;
  if (path.empty()) return nullptr;
  listen_address at;
  at.is = listen_address::kind::local;
  at.name = path;
  auto made = network.listen(at, false, socket_mode);
  if (made) return std::move(*made);
  const auto sentence = "relaisctl cannot reach this daemon: cannot listen on " + path + ": " +
                        made.error().message();
  log.emit(events::notice{"master", true, sentence});
  return nullptr;
}

control::control(delivery::operator_world around, spool::disk& disk, spool::runner& maintenance,
                 std::unique_ptr<net::acceptor> listener) {
  const auto warn = [&log = around.events](const std::string& sentence) {
    log.emit(events::notice{"control", true, sentence});
  };
  suspended_ = inbound::make_state_file(disk, maintenance, "suspended", warn);
  auto remembered = suspended_->read();
  if (!remembered) {
    warn("the file \"suspended\" of the spool cannot be read: " + remembered.error().message() +
         "; no destination is suspended");
    remembered = std::string();
  }
  around.remember = [file = suspended_.get()](std::string lines) {
    file->replace(std::move(lines));
  };
  const auto& here = *around.workers.front().world;
  hand_ = std::make_unique<delivery::operator_hand>(std::move(around), *remembered);
  if (!listener) return;
  const auto handler = [this](http::request asked) { return guarded(std::move(asked), *hand_); };
  server_ = std::make_unique<http::server>(here, std::move(listener), handler, limits());
}

void control::start() {
  if (server_) server_->start();
}

void control::stop() {
  if (server_) server_->stop();
  hand_->stop();
}

net::task<bool> control::join(duration limit) {
  bool ended = true;
  if (server_) ended = co_await server_->join(limit);
  const bool hand_ended = co_await hand_->join(limit);
  co_return ended&& hand_ended;
}

}  // namespace relais::daemon
