#include "http/server.hpp"

#include <fmt/format.h>

#include <boost/beast/http.hpp>
#include <sstream>

#include "base/error.hpp"

namespace relais::http {
namespace {

namespace beast = boost::beast;
using namespace std::chrono_literals;

constexpr std::size_t read_size = 8 * 1024;

net::task<reply> probe(request asked, std::function<relay_state()> state) {
  auto answered = answer(asked.method, asked.target, state());
  reply r;
  r.status = answered.status;
  r.body = std::move(answered.body);
  co_return r;
}

}  // namespace

struct server::received {
  bool is_there = false;  // false: the connection has ended
  bool is_good = false;
  bool is_head = false;
  bool keep_alive = false;
  unsigned version = 11;
  request what;
  received() = default;
};

server::server(const net::runtime& world, std::unique_ptr<net::acceptor> listener, handler answer,
               server_limits limits)
    : world_(world),
      listener_(std::move(listener)),
      answer_(std::move(answer)),
      limits_(limits),
      // A broken probe is the prober's news, not the mail log's.
      connections_(world, [](const std::string&, const std::string&) {}) {}

server::server(const net::runtime& world, std::unique_ptr<net::acceptor> listener,
               std::function<relay_state()> state)
    : server(
          world, std::move(listener),
          [state = std::move(state)](request asked) { return probe(std::move(asked), state); },
          server_limits()) {}

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
      if (connections_.size() <= limits_.connections) {
        connections_.spawn("http connection", serve(std::move(*accepted)));
      }
      continue;
    }
    if (accepted.error() == errc::cancelled) co_return;
    co_await net::sleep_for(world_, 100ms);
  }
}

net::task<server::received> server::read_request(net::stream& stream, std::string& unread) {
  beast::http::request_parser<beast::http::string_body> parser;
  parser.header_limit(static_cast<std::uint32_t>(limits_.header));
  parser.body_limit(limits_.body);
  parser.eager(true);
  stream.expires_after(limits_.request);
  std::string buffer(read_size, '\0');
  received r;
  error_code ec;
  while (!parser.is_done()) {
    if (unread.empty() || ec == beast::http::error::need_more) {
      const auto target = net::asio::buffer(buffer);
      const auto got = co_await stream.read_some(target);
      if (!got) co_return r;
      unread.append(buffer, 0, *got);
    }
    ec = {};
    unread.erase(0, parser.put(net::asio::buffer(unread), ec));
    if (ec && ec != beast::http::error::need_more) break;
  }
  r.is_there = true;
  r.is_good = parser.is_done();
  if (!r.is_good) co_return r;
  auto& m = parser.get();
  r.version = m.version();
  r.keep_alive = m.keep_alive();
  r.is_head = m.method() == beast::http::verb::head;
  r.what.method.assign(m.method_string().data(), m.method_string().size());
  r.what.target.assign(m.target().data(), m.target().size());
  r.what.body = std::move(m.body());
  co_return r;
}

net::task<void> server::serve(net::accepted_connection accepted) {
  const auto user = accepted.user;
  net::stream stream(std::move(accepted.connection), world_);
  std::string unread;
  for (bool keep_alive = true; keep_alive;) {
    auto asked = co_await read_request(stream, unread);
    if (!asked.is_there) co_return;
    asked.what.user = user;
    reply answered;
    answered.status = 400;
    answered.body = "bad request\n";
    if (asked.is_good) answered = co_await answer_(std::move(asked.what));
    keep_alive = asked.keep_alive;
    if (!co_await write_reply(stream, asked, std::move(answered))) co_return;
  }
  co_await stream.close();
}

namespace {

beast::http::response<beast::http::empty_body> head_of(const reply& answered, unsigned version,
                                                       bool keep_alive) {
  beast::http::response<beast::http::empty_body> head;
  head.version(version);
  head.result(answered.status);
  head.set(beast::http::field::server, "relais");
  head.set(beast::http::field::content_type, answered.type);
  head.set(beast::http::field::cache_control, "no-store");
  if (!answered.allow.empty()) head.set(beast::http::field::allow, answered.allow);
  head.keep_alive(keep_alive);
  return head;
}

template <class Head>
std::string to_text(const Head& head) {
  std::ostringstream text;
  text << head.base();
  return text.str();
}

}  // namespace

net::task<bool> server::write_reply(net::stream& stream, const received& asked, reply answered) {
  if (answered.rest && !asked.is_head) {
    co_return co_await write_chunks(stream, asked, std::move(answered));
  }
  auto head = head_of(answered, asked.version, asked.keep_alive);
  if (!answered.rest) head.content_length(answered.body.size());
  auto octets = to_text(head);
  if (!asked.is_head) octets += answered.body;
  stream.expires_after(limits_.write);
  const auto failed = co_await stream.write(octets);
  co_return !failed;
}

net::task<bool> server::write_chunks(net::stream& stream, const received& asked, reply answered) {
  // HTTP/1.0 has no chunks: there the end of the connection is the end of the body.
  const bool in_chunks = asked.version >= 11;
  auto head = head_of(answered, asked.version, asked.keep_alive && in_chunks);
  if (in_chunks) head.chunked(true);
  auto octets = to_text(head);
  auto piece = std::move(answered.body);
  for (bool more = true; more;) {
    if (!piece.empty() && in_chunks) octets += fmt::format("{:x}\r\n", piece.size());
    octets += piece;
    if (!piece.empty() && in_chunks) octets += "\r\n";
    auto next = co_await answered.rest->next();
    if (!next) co_return false;
    more = !next->empty();
    piece = std::move(*next);
    if (!more && in_chunks) octets += "0\r\n\r\n";
    stream.expires_after(limits_.write);
    const auto failed = co_await stream.write(octets);
    if (failed) co_return false;
    octets.clear();
  }
  co_return in_chunks;
}

}  // namespace relais::http
