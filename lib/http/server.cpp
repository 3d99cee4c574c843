#include "http/server.hpp"

#include <boost/beast/http.hpp>
#include <sstream>

#include "base/error.hpp"

namespace relais::http {
namespace {

namespace beast = boost::beast;
using namespace std::chrono_literals;

constexpr std::size_t connection_limit = 64;  // probes, not a public service
constexpr std::size_t request_limit = 8 * 1024;
constexpr auto request_time = 10s;

std::string render(unsigned version, bool keep_alive, bool head, const response& answered) {
  beast::http::response<beast::http::string_body> reply;
  reply.version(version);
  reply.result(answered.status);
  reply.set(beast::http::field::server, "relais");
  reply.set(beast::http::field::content_type, "text/plain; charset=utf-8");
  reply.set(beast::http::field::cache_control, "no-store");
  reply.keep_alive(keep_alive);
  reply.content_length(answered.body.size());
  if (!head) reply.body() = answered.body;
  std::ostringstream text;
  text << reply.base();
  if (!head) text << answered.body;
  return text.str();
}

}  // namespace

server::server(const net::runtime& world, std::unique_ptr<net::acceptor> listener,
               std::function<relay_state()> state)
    : world_(world),
      listener_(std::move(listener)),
      state_(std::move(state)),
      // A broken probe is the prober's news, not the mail log's.
      connections_(world, [](const std::string&, const std::string&) {}) {}

void server::start() {
  connections_.spawn("http listener", accept());
}

void server::stop() {
  listener_->close();
  connections_.stop();
}

net::task<void> server::accept() {
  for (;;) {
    auto accepted = co_await listener_->accept();
    if (accepted) {
      // What is beyond the limit is closed at once; the listener itself is one of the tasks.
      if (connections_.size() <= connection_limit) {
        connections_.spawn("http connection", serve(std::move(*accepted)));
      }
      continue;
    }
    if (accepted.error() == errc::cancelled) co_return;
    co_await net::sleep_for(world_, 100ms);
  }
}

net::task<void> server::serve(net::accepted_connection accepted) {
  net::stream stream(std::move(accepted.connection), world_);
  std::string buffer(request_limit, '\0');
  std::string unread;
  for (bool keep_alive = true; keep_alive;) {
    beast::http::request_parser<beast::http::string_body> parser;
    parser.header_limit(request_limit);
    parser.body_limit(request_limit);
    parser.eager(true);
    stream.expires_after(request_time);
    error_code ec;
    while (!parser.is_done()) {
      if (unread.empty() || ec == beast::http::error::need_more) {
        const auto target = net::asio::buffer(buffer);
        const auto got = co_await stream.read_some(target);
        if (!got) co_return;
        unread.append(buffer, 0, *got);
      }
      ec = {};
      unread.erase(0, parser.put(net::asio::buffer(unread), ec));
      if (ec && ec != beast::http::error::need_more) break;
    }
    const bool good = parser.is_done();
    const auto& request = parser.get();
    keep_alive = good && request.keep_alive();
    const auto answered =
        good ? answer({request.method_string().data(), request.method_string().size()},
                      {request.target().data(), request.target().size()}, state_())
             : response{400, "bad request\n"};
    const bool head = good && request.method() == beast::http::verb::head;
    const auto octets = render(good ? request.version() : 11, keep_alive, head, answered);
    if (co_await stream.write(octets)) co_return;
  }
  co_await stream.close();
}

}  // namespace relais::http
