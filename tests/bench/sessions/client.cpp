#include "bench/sessions/client.hpp"

#include <boost/asio/ip/tcp.hpp>
#include <chrono>

#include "net/socket_transport.hpp"

namespace relais::bench {
namespace {

namespace asio = boost::asio;
using namespace std::chrono_literals;

// Clients come from so many addresses of 127.0.0.0/8: one address has 28,000 ports, and each rests
// for a minute after its connection.
constexpr std::uint32_t first_source = 0x7f005401;  // 127.0.84.1
constexpr std::uint32_t sources = 100;
constexpr auto patience = 60s;

}  // namespace

client::client(const endpoint& server)
    : alarms_(net::make_system_alarms(io_.get_executor())),
      network_(net::make_system_network(io_.get_executor(), *alarms_, time_)),
      world_{io_.get_executor(), time_, random_, *alarms_, *network_},
      tls_(SSL_CTX_new(TLS_client_method())),
      server_(server) {
  SSL_CTX_set_session_cache_mode(tls_.get(),
                                 SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL_STORE);
  SSL_CTX_set_app_data(tls_.get(), this);
  SSL_CTX_sess_set_new_cb(tls_.get(), remember);
}

client::~client() = default;

int client::remember(SSL* ssl, SSL_SESSION* session) {
  auto& self = *static_cast<client*>(SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl)));
  self.session_.reset(session);
  return 1;  // ours now
}

bool client::fail(std::string why) {
  failure_ = std::move(why);
  return false;
}

net::task<bool> client::expect(net::stream& from, std::string_view code) {
  std::string heard, buffer(512, '\0');
  for (;;) {
    const auto target = asio::buffer(buffer);
    const auto got = co_await from.read_some(target);
    if (!got) co_return fail("instead of " + std::string(code) + ": " + got.error().message());
    heard.append(buffer, 0, *got);
    if (!heard.ends_with("\r\n")) continue;
    const auto line = heard.rfind('\n', heard.size() - 2);
    const auto last = std::string_view(heard).substr(line == std::string::npos ? 0 : line + 1);
    if (last.substr(3, 1) == "-") continue;
    if (!last.starts_with(code)) co_return fail("instead of " + std::string(code) + ": " + heard);
    co_return true;
  }
}

net::task<bool> client::start_tls(net::stream& on, bool resume) {
  net::tls_parameters p;
  p.context = tls_.get();
  p.peer_name = "bench.example";
  // OpenSSL uses a session once; a copy may be used while others use theirs.
  const session_ptr copy(resume && session_ ? SSL_SESSION_dup(session_.get()) : nullptr);
  p.session = copy.get();
  const auto error = co_await on.start_tls(std::move(p));
  if (error) co_return fail("TLS: " + error.message() + ' ' + on.tls_failure());
  if (on.tls()->is_resumed()) ++resumed_;
  co_return true;
}

net::task<std::unique_ptr<net::stream>> client::open(opening how, bool resume) {
  asio::ip::tcp::socket socket(io_);
  error_code ec;
  socket.open(asio::ip::tcp::v4(), ec);
  // The port is chosen at connect(2), when the whole tuple is known.
  using late_port = asio::detail::socket_option::boolean<IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT>;
  if (!ec) socket.set_option(late_port(true), ec);
  const auto source = first_source + static_cast<std::uint32_t>(opened_++ % sources);
  if (!ec) socket.bind({asio::ip::address_v4(source), 0}, ec);
  const asio::ip::tcp::endpoint to(asio::ip::address_v4(server_.address.as_v4()), server_.port);
  if (!ec) {
    auto [connect_error] = co_await socket.async_connect(to, net::nothrow);
    ec = connect_error;
  }
  if (ec) {
    fail("connect: " + ec.message());
    co_return nullptr;
  }
  socket.set_option(asio::ip::tcp::no_delay(true), ec);
  auto made = std::make_unique<net::stream>(net::make_socket_transport(std::move(socket)), world_);
  made->expires_after(patience);
  bool good = true;
  if (how == opening::implicit) good = co_await start_tls(*made, resume);
  if (good) good = co_await expect(*made, "220");
  if (!good) co_return nullptr;
  co_return std::move(made);
}

net::task<bool> client::greet(net::stream& with, opening how) {
  const std::string ehlo = "EHLO client.bench.example\r\n", starttls = "STARTTLS\r\n";
  if (co_await with.write(ehlo)) co_return fail("EHLO: connection lost");
  if (!co_await expect(with, "250")) co_return false;
  if (how != opening::starttls) co_return true;
  if (co_await with.write(starttls)) co_return fail("STARTTLS: connection lost");
  if (!co_await expect(with, "220")) co_return false;
  if (!co_await start_tls(with, false)) co_return false;
  if (co_await with.write(ehlo)) co_return fail("EHLO: connection lost");
  co_return co_await expect(with, "250");
}

}  // namespace relais::bench
