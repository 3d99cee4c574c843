#include "support/simulated_relay.hpp"

#include <boost/asio/co_spawn.hpp>
#include <stdexcept>

namespace relais::testing {

using namespace std::chrono_literals;

const ip_address simulated_relay::address = *ip_address::parse("192.0.2.1");
const ip_address simulated_relay::client_address = *ip_address::parse("192.0.2.10");

std::size_t recording_log::count(std::string_view part) const {
  std::size_t n = 0;
  for (const auto& line : lines)
    if (line.find(part) != std::string::npos) ++n;
  return n;
}

std::string recording_log::text() const {
  std::string all;
  for (const auto& line : lines) all += line + '\n';
  return all;
}

simulated_relay::simulated_relay(sim_world& world, sim_disk& storage, fake_resolver& dns)
    : world_(world), storage_(storage), dns_(dns) {
  settings.hostname = "relay.test";
  settings.listeners = {config::listener{endpoint{address, 25}}};
  settings.relay.trusted_networks.push_back(*ip_network::parse("192.0.2.0/24"));
}

simulated_relay::~simulated_relay() = default;

void simulated_relay::start() {
  relay_.reset();
  committer_ = world_.make_runner();
  readers_ = world_.make_runner();
  const auto& runtime = world_.runtime(address);
  daemon::world surroundings;
  surroundings.workers = {&runtime};
  surroundings.resolver = &dns_;
  surroundings.disk = &storage_;
  surroundings.committer = committer_.get();
  surroundings.readers = readers_.get();
  surroundings.events = &log;
  relay_ = std::make_unique<daemon::relay>(settings, surroundings);
  relay_->adopt(0, *runtime.network.listen(settings.listeners.front().address, false));
  relay_->start();
  running_ = true;
}

bool simulated_relay::shut_down(duration limit) {
  if (!running_) return true;
  running_ = false;
  bool done = false, clean = false;
  auto stopping = relay_->shut_down();
  net::asio::co_spawn(world_.io, std::move(stopping), [&](const std::exception_ptr& e, bool all) {
    if (e) std::rethrow_exception(e);
    done = true;
    clean = all;
  });
  world_.run_until([&] { return done; }, limit);
  return done && clean;
}

void simulated_relay::kill() {
  if (!running_) return;
  running_ = false;
  bool done = false;
  auto stopping = relay_->shut_down();
  net::asio::co_spawn(world_.io, std::move(stopping), [&](const std::exception_ptr& e, bool) {
    if (e) std::rethrow_exception(e);
    done = true;
  });
  world_.io.restart();
  world_.io.poll();
  relay_->hurry();
  world_.run_until([&] { return done; }, 1min);
  // Jobs of the disk that nobody waits for any more refer to the store.
  world_.run_until([] { return false; }, 10s);
  if (!done) throw std::runtime_error("the relay did not stop");
}

namespace {

// The number of complete replies in the text: lines whose fourth character is a space.
std::size_t complete_replies(const std::string& text) {
  std::size_t n = 0;
  for (std::size_t at = 0; at < text.size();) {
    const auto end = text.find("\r\n", at);
    if (end == std::string::npos) break;
    if (end - at >= 4 && text[at + 3] == ' ') ++n;
    at = end + 2;
  }
  return n;
}

net::task<void> type(sim_world& world, endpoint to, client_session& session) {
  const auto& here = world.runtime(simulated_relay::client_address);
  auto connected = co_await here.network.connect(to, 30s);
  if (!connected) throw std::runtime_error("the client cannot connect");
  net::stream stream(std::move(*connected), here);
  std::string buffer(1024, '\0');
  std::size_t expected = 1;
  for (std::size_t next = 0; next <= session.lines.size(); ++next) {
    while (complete_replies(session.replies) < expected) {
      const auto target = net::asio::buffer(buffer);
      const auto got = co_await stream.read_some(target);
      if (!got) throw std::runtime_error("the relay closed the connection: " + session.replies);
      session.replies.append(buffer, 0, *got);
    }
    if (next == session.lines.size()) break;
    co_await stream.write(session.lines[next]);
    ++expected;
  }
  co_await stream.close();
  session.over = true;
}

}  // namespace

void run_client(sim_world& world, net::task_group& group, const endpoint& to,
                client_session& session) {
  group.spawn("client", type(world, to, session));
}

}  // namespace relais::testing
