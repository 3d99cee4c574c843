// A DNS server of a test, UDP and TCP on one port of 127.0.0.1, in the test's own io_context. What
// it answers is a script by question; it counts what it was asked over which transport.
#pragma once

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ip/udp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>
#include <exception>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/ip.hpp"
#include "message_builder.hpp"
#include "net/task.hpp"

namespace relais::testing {

class dns_responder {
 public:
  using udp = net::asio::ip::udp;
  using tcp = net::asio::ip::tcp;

  explicit dns_responder(net::asio::io_context& io) : io_(io), udp_(io), tcp_(io) {
    const auto loopback = net::asio::ip::address_v4::loopback();
    // The kernel picks the UDP port; that of TCP may be taken by somebody else, then the next one.
    for (int attempt = 0;; ++attempt) {
      udp_ = udp::socket(io, udp::endpoint(loopback, 0));
      tcp_ = tcp::acceptor(io);
      tcp_.open(tcp::v4());
      boost::system::error_code taken;
      tcp_.bind(tcp::endpoint(loopback, udp_.local_endpoint().port()), taken);
      if (!taken) break;
      if (attempt == 20) throw boost::system::system_error(taken);
    }
    tcp_.listen();
    const auto ignore = [](std::exception_ptr) {};
    net::asio::co_spawn(io, serve_udp(), ignore);
    net::asio::co_spawn(io, serve_tcp(), ignore);
  }

  endpoint address() const { return {ip_address::v4(0x7f000001), udp_.local_endpoint().port()}; }

  /// By "mx d.test": the message for it, over UDP and over TCP; "" = silence; the id is filled in.
  std::map<std::string, std::string> udp_answers, tcp_answers;
  /// Both transports.
  void answer(const std::string& question, const message_builder& message) {
    udp_answers[question] = tcp_answers[question] = message.text();
  }
  std::vector<std::string> asked;  // "udp mx d.test"
  std::function<void()> when_asked;

 private:
  static std::string question_of(const std::string& query) {
    std::string name;
    std::size_t at = 12;
    while (at < query.size() && query[at] != 0) {
      const auto length = static_cast<unsigned char>(query[at]);
      if (!name.empty()) name += '.';
      name += query.substr(at + 1, length);
      at += 1u + length;
    }
    const auto type = at + 2 < query.size() ? static_cast<unsigned char>(query[at + 2]) : 0;
    static const std::map<int, std::string> types{
        {1, "a "}, {12, "ptr "}, {15, "mx "}, {28, "aaaa "}};
    const auto known = types.find(type);
    return known == types.end() ? "? " + name : known->second + name;
  }

  std::string reply(const std::string& query, const char* transport,
                    const std::map<std::string, std::string>& answers) {
    const auto question = question_of(query);
    asked.push_back(std::string(transport) + question);
    if (when_asked) when_asked();
    const auto at = answers.find(question);
    if (at == answers.end() || at->second.empty()) return {};
    return query.substr(0, 2) + at->second.substr(2);
  }

  net::task<void> serve_udp() {
    std::string buffer(4096, '\0');
    for (;;) {
      udp::endpoint peer;
      auto space = net::asio::buffer(buffer);
      const auto [failure, length] = co_await udp_.async_receive_from(space, peer, net::nothrow);
      if (failure) co_return;
      const std::string query = buffer.substr(0, length);
      const auto message = reply(query, "udp ", udp_answers);
      if (message.empty()) continue;
      const auto octets = net::asio::buffer(message);
      co_await udp_.async_send_to(octets, peer, net::nothrow);
    }
  }

  net::task<void> serve_tcp() {
    for (;;) {
      auto [failure, peer] = co_await tcp_.async_accept(net::nothrow);
      if (failure) co_return;
      auto session = serve_connection(std::move(peer));
      net::asio::co_spawn(io_, std::move(session), [](std::exception_ptr) {});
    }
  }

  net::task<void> serve_connection(tcp::socket peer) {
    for (;;) {
      std::string prefix(2, '\0');
      auto prefix_space = net::asio::buffer(prefix);
      const auto [short_prefix, n] =
          co_await net::asio::async_read(peer, prefix_space, net::nothrow);
      if (short_prefix) co_return;
      std::string query(static_cast<std::size_t>(static_cast<unsigned char>(prefix[0]) << 8 |
                                                 static_cast<unsigned char>(prefix[1])),
                        '\0');
      auto space = net::asio::buffer(query);
      const auto [short_query, m] = co_await net::asio::async_read(peer, space, net::nothrow);
      if (short_query) co_return;
      auto message = reply(query, "tcp ", tcp_answers);
      if (message.empty()) continue;
      message = u16(static_cast<unsigned>(message.size())) + message;
      const auto octets = net::asio::buffer(message);
      co_await net::asio::async_write(peer, octets, net::nothrow);
    }
  }

  net::asio::io_context& io_;
  udp::socket udp_;
  tcp::acceptor tcp_;
};

}  // namespace relais::testing
