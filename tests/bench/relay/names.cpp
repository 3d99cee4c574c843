#include "bench/relay/names.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <system_error>

namespace relais::bench {
namespace {

// RFC 1035
constexpr std::uint16_t type_a = 1, type_mx = 15, class_in = 1;
constexpr std::uint16_t response = 0x8480, no_error = 0, no_such_name = 3;
constexpr std::uint32_t time_to_live = 3600;
constexpr std::size_t head_size = 12;

void put16(std::string& to, std::uint32_t value) {
  to.push_back(static_cast<char>(value >> 8 & 0xff));
  to.push_back(static_cast<char>(value & 0xff));
}

void put32(std::string& to, std::uint32_t value) {
  put16(to, value >> 16);
  put16(to, value & 0xffff);
}

std::uint16_t get16(std::string_view from, std::size_t at) {
  return static_cast<std::uint16_t>(static_cast<unsigned char>(from[at]) << 8 |
                                    static_cast<unsigned char>(from[at + 1]));
}

/// A name in lower case without its last dot; `at` comes to stand behind it. "": not one.
std::string read_name(std::string_view from, std::size_t& at) {
  std::string name;
  while (at < from.size() && from[at] != 0) {
    const auto length = static_cast<std::size_t>(from[at]);
    if (length > 63 || at + 1 + length >= from.size()) return {};
    if (!name.empty()) name.push_back('.');
    for (const char c : from.substr(at + 1, length)) {
      name.push_back(c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c);
    }
    at += 1 + length;
  }
  ++at;
  return name;
}

}  // namespace

names::names(event_loop& loop, names_options options)
    : options_(std::move(options)),
      socket_(::socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)) {
  ::sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(options_.where.port);
  address.sin_addr.s_addr = htonl(options_.where.address);
  const int room = 8 << 20;
  ::setsockopt(socket_.get(), SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
  if (::bind(socket_.get(), reinterpret_cast<const ::sockaddr*>(&address), sizeof address) != 0) {
    throw std::system_error(errno, std::system_category(), "bind");
  }
  loop.watch(socket_.get(), EPOLLIN, *this);
}

void names::ready(std::uint32_t) {
  std::array<char, 1500> packet{};
  for (;;) {
    ::sockaddr_in from{};
    ::socklen_t size = sizeof from;
    auto* const sender = reinterpret_cast<::sockaddr*>(&from);
    const auto got = ::recvfrom(socket_.get(), packet.data(), packet.size(), 0, sender, &size);
    if (got < 0) return;
    ++queries_;
    const auto reply = answer({packet.data(), static_cast<std::size_t>(got)});
    if (!reply.empty()) ::sendto(socket_.get(), reply.data(), reply.size(), 0, sender, size);
  }
}

bool names::exists(std::string_view name) const {
  return name == options_.live || address_of(name) != 0 ||
         address_of(fmt::format("mx.{}", name)) != 0;
}

std::uint32_t names::address_of(std::string_view host) const {
  if (!host.starts_with("mx.")) return 0;
  host.remove_prefix(3);
  if (host == options_.live) return options_.live_address;
  if (!host.ends_with("." + options_.dead) || !host.starts_with('d')) return 0;
  const auto number = host.substr(1, host.size() - options_.dead.size() - 2);
  std::uint32_t value = 0;
  const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), value);
  if (error != std::errc() || end != number.data() + number.size()) return 0;
  return options_.first_dead + value;
}

std::string names::answer(std::string_view query) const {
  if (query.size() < head_size + 5 || get16(query, 4) != 1) return {};
  std::size_t at = head_size;
  const auto name = read_name(query, at);
  if (name.empty() || at + 4 > query.size()) return {};
  const auto type = get16(query, at);
  const auto question = query.substr(head_size, at + 4 - head_size);

  std::string data;
  if (type == type_mx && address_of(name) == 0 && exists(name)) {
    put16(data, 10);
    data.append("\x02mx\xc0\x0c", 5);  // "mx." and the name of the question
  } else if (type == type_a && address_of(name) != 0) {
    put32(data, address_of(name));
  }
  std::string reply(query.substr(0, 2));
  put16(reply, response | (exists(name) ? no_error : no_such_name));
  for (const std::uint32_t count : {1U, data.empty() ? 0U : 1U, 0U, 0U}) put16(reply, count);
  reply += question;
  if (data.empty()) return reply;
  put16(reply, 0xc00c);
  put16(reply, type);
  put16(reply, class_in);
  put32(reply, time_to_live);
  put16(reply, static_cast<std::uint32_t>(data.size()));
  return reply + data;
}

std::string names::to_json() const {
  return fmt::format(R"({{"queries": {}}})", queries_);
}

}  // namespace relais::bench
