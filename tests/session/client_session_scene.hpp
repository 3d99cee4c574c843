// One client_session against a peer that follows a script, over the simulated network: what it
// says, what it waits for, TLS and the end. Below the client is a transport that keeps every write
// and can fail one.
#pragma once

#include <boost/asio/co_spawn.hpp>
#include <catch2/catch.hpp>
#include <memory>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "delivery/client_session.hpp"
#include "net/task_group.hpp"
#include "support/sim_network.hpp"
#include "support/test_certificate.hpp"
#include "tls/client_context.hpp"

namespace relais::testing {

/// Keeps what was written, one entry per write.
class watched_transport final : public net::transport {
 public:
  struct record {
    std::vector<std::string> writes;
    std::size_t fails_behind = SIZE_MAX;  ///< octets; the write that goes beyond fails
    std::size_t octets = 0;
  };
  watched_transport(std::unique_ptr<net::transport> below, record& keeps)
      : below_(std::move(below)), keeps_(keeps) {}

  net::task<result<std::size_t>> read_some(net::asio::mutable_buffer buffer) override {
    co_return co_await below_->read_some(buffer);
  }
  net::task<error_code> write(net::asio::const_buffer octets) override {
    std::string text(static_cast<const char*>(octets.data()), octets.size());
    const auto left = keeps_.fails_behind - keeps_.octets;
    const bool fails = text.size() > left;
    if (fails) text.resize(left);
    keeps_.octets += text.size();
    keeps_.writes.push_back(text);
    const auto all = net::asio::buffer(text);
    const auto ec = co_await below_->write(all);
    if (fails) co_return make_error_code(boost::system::errc::connection_reset);
    co_return ec;
  }
  void cancel() noexcept override { below_->cancel(); }
  void close() noexcept override { below_->close(); }
  bool is_quiet() const noexcept override { return below_->is_quiet(); }

 private:
  std::unique_ptr<net::transport> below_;
  record& keeps_;
};

enum class peer_act { says, hears, starts_tls, leaves };
struct peer_step {
  peer_act what;
  std::string text;
};
inline peer_step says(std::string text) {
  return {peer_act::says, std::move(text)};
}
/// Until that is in what it heard since the last step.
inline peer_step hears(std::string text) {
  return {peer_act::hears, std::move(text)};
}
inline peer_step starts_tls() {
  return {peer_act::starts_tls, {}};
}
inline peer_step leaves() {
  return {peer_act::leaves, {}};
}

struct client_scene {
  explicit client_scene(std::uint64_t seed = 1) : world(seed) {}
  ~client_scene() {
    group.stop();
    run([] { return false; }, std::chrono::hours(1));
  }
  client_scene(const client_scene&) = delete;
  client_scene& operator=(const client_scene&) = delete;

  bool run(const std::function<bool()>& over, duration limit) {
    return world.run_until(over, limit);
  }

  /// The next connection is served by that script; behind its last step it listens silently.
  void expect(std::vector<peer_step> script) { scripts_.push_back(std::move(script)); }
  void listen(const listen_address& at) {
    listener_ = *world.node(remote).listen(at, false, 0600);
    group.spawn("accept", accept());
  }

  delivery::session_options options() const {
    delivery::session_options o;
    o.hello = "us.test";
    o.tls.level = smtp::tls_level::none;
    o.tls_context = context.get();
    return o;
  }
  delivery::session_target target() const {
    delivery::session_target t;
    t.host.name = "mx.test";
    t.host.address = remote;
    return t;
  }
  /// Over a watched connection.
  void open(const delivery::session_options& with) {
    session = std::make_unique<delivery::client_session>(world.runtime(local), with, target());
    wait_for(open_watched());
  }
  void wait_for(net::task<void> job) {
    bool over = false;
    net::asio::co_spawn(world.io, std::move(job), [&](const std::exception_ptr& e) {
      over = true;
      if (e) std::rethrow_exception(e);
    });
    REQUIRE(run([&] { return over; }, std::chrono::hours(2)));
  }
  void send(delivery::outgoing& now, delivery::outgoing* ahead = nullptr) {
    wait_for(session->send(now, ahead));
  }

  const ip_address local = *ip_address::parse("192.0.2.1");
  const ip_address remote = *ip_address::parse("198.51.100.25");
  sim_world world;
  tls::context context = tls::make_client_context("");
  std::unique_ptr<SSL_CTX, free_context> certificate;
  net::task_group group{world.runtime(remote),
                        [](const std::string& label, const std::string& what) {
                          throw std::runtime_error(label + ": " + what);
                        }};
  std::unique_ptr<delivery::client_session> session;
  watched_transport::record record;
  std::string heard;  ///< by the peer, in clear
  bool is_open = false;
  std::size_t connections = 0;

 private:
  net::task<void> open_watched() {
    const endpoint to{remote, 25};
    const auto limit = std::chrono::seconds(30);
    auto connected = co_await world.runtime(local).network.connect(to, limit);
    REQUIRE(connected);
    auto watched = std::make_unique<watched_transport>(std::move(*connected), record);
    is_open = co_await session->open(std::move(watched));
  }

  net::task<void> accept() {
    for (;;) {
      auto accepted = co_await listener_->accept();
      if (!accepted) co_return;
      REQUIRE(connections < scripts_.size());
      const auto which = connections++;
      group.spawn("peer", serve(std::move(*accepted), which));
    }
  }

  net::task<void> serve(net::accepted_connection accepted, std::size_t which) {
    net::stream stream(std::move(accepted.connection), world.runtime(remote));
    std::string buffer(16 * 1024, '\0'), since;
    const auto target = net::asio::buffer(buffer);
    for (const auto& step : scripts_[which]) {
      since.clear();
      switch (step.what) {
        case peer_act::says:
          if (co_await stream.write(step.text)) co_return;
          break;
        case peer_act::hears:
          while (since.find(step.text) == std::string::npos) {
            const auto got = co_await stream.read_some(target);
            if (!got) co_return;
            since.append(buffer, 0, *got);
            heard.append(buffer, 0, *got);
          }
          break;
        case peer_act::starts_tls: {
          net::tls_parameters p;
          p.role = net::tls_role::server;
          p.context = certificate.get();
          if (co_await stream.start_tls(std::move(p))) co_return;
          break;
        }
        case peer_act::leaves: co_return;
      }
    }
    for (;;) {
      const auto got = co_await stream.read_some(target);
      if (!got) co_return;
      heard.append(buffer, 0, *got);
    }
  }

  std::vector<std::vector<peer_step>> scripts_;
  std::unique_ptr<net::acceptor> listener_;
};

/// A message from s@a.example to r@b.example and q@b.example.
struct small_mail {
  explicit small_mail(std::string octets = "Subject: x\r\n\r\n.dot\r\n",
                      std::vector<std::size_t> to = {0, 1})
      : text(std::move(octets)) {
    message.reverse_path = *smtp::parse_address("s@a.example");
    message.forward_paths = {*smtp::parse_address("r@b.example"),
                             *smtp::parse_address("q@b.example")};
    out.what.message = &message;
    out.what.recipients = std::move(to);
    out.content = std::make_unique<delivery::content_in_memory>(text);
  }
  small_mail(const small_mail&) = delete;
  small_mail& operator=(const small_mail&) = delete;

  /// "content 250, rcpt 550, mail -"
  std::string results() const {
    std::string all;
    for (const auto& r : out.what.results) {
      static const char* const names[] = {"connect", "greeting", "hello", "starttls", "auth",
                                          "mail",    "rcpt",     "data",  "content",  "quit"};
      all += (all.empty() ? "" : ", ") + std::string(names[static_cast<std::size_t>(r.step)]) + " ";
      all += r.remote ? std::to_string(r.remote->code()) : "-";
    }
    return all;
  }

  std::string text;
  smtp::envelope message;
  delivery::outgoing out;
};

}  // namespace relais::testing
