#include "support/simulated_relay.hpp"

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <stdexcept>
#include <utility>

namespace relais::testing {

using namespace std::chrono_literals;

const ip_address simulated_relay::address = *ip_address::parse("192.0.2.1");
const ip_address simulated_relay::client_address = *ip_address::parse("192.0.2.10");
const endpoint simulated_relay::control_endpoint{*ip_address::parse("192.0.2.1"), 9026};

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
  // Small, so that a short run sees segments change and large contents.
  settings.spool.segment_size = 256_KiB;
  settings.spool.inline_max = 16_KiB;
  settings.spool.spare_segments = 1;
  settings.spool.checkpoint_after = 1_MiB;
  settings.spool.compaction_slack = 512_KiB;
  settings.spool.minimum_free = 4_MiB;
  settings.spool.critical_free = 1_MiB;
}

simulated_relay::~simulated_relay() = default;

namespace {

// Lets what is slow on a large disk be slow.
class slow_runner final : public spool::runner {
 public:
  slow_runner(std::unique_ptr<spool::runner> to, duration delay)
      : to_(std::move(to)), delay_(delay) {}
  void run(std::function<void()> job) override { to_->run_after(delay_, std::move(job)); }
  void run_after(duration delay, std::function<void()> job) override {
    to_->run_after(delay + delay_, std::move(job));
  }

 private:
  std::unique_ptr<spool::runner> to_;
  duration delay_;
};

const endpoint http_endpoint{simulated_relay::address, 9025};

net::task<void> probe(sim_world& world, std::string& heard, bool& over) {
  const auto& here = world.runtime(simulated_relay::client_address);
  auto connected = co_await here.network.connect(http_endpoint, 30s);
  if (connected) {
    net::stream stream(std::move(*connected), here);
    co_await stream.write("GET /readyz HTTP/1.0\r\n\r\n");
    std::string buffer(4096, '\0');
    for (;;) {
      const auto target = net::asio::buffer(buffer);
      const auto got = co_await stream.read_some(target);
      if (!got) break;
      heard.append(buffer, 0, *got);
    }
  }
  over = true;
}

}  // namespace

std::string simulated_relay::readiness() {
  std::string heard;
  bool over = false;
  auto probing = probe(world_, heard, over);
  net::asio::co_spawn(world_.io, std::move(probing), [](const std::exception_ptr& e) {
    if (e) std::rethrow_exception(e);
  });
  world_.run_until([&] { return over; }, 1min);
  return heard;
}

std::unique_ptr<spool::store> simulated_relay::open_store(
    spool::runner& jobs, std::vector<spool::stored_message>& found) {
  if (running_) throw std::runtime_error("the relay is running");
  end_runners();
  const spool::store_world surroundings{storage_, jobs, jobs, world_.clock};
  spool::store_options options;
  options.segment_size = settings.spool.segment_size.bytes;
  std::string why;
  auto opened = spool::open_store(surroundings, options, why);
  if (!opened) throw std::runtime_error("the spool cannot be opened: " + why);
  const auto report = opened->store->enumerate(
      [&](spool::stored_message message) { found.push_back(std::move(message)); });
  if (!report) throw std::runtime_error("the spool cannot be read");
  return std::move(opened->store);
}

std::vector<spool::stored_message> simulated_relay::spooled() {
  const auto jobs = world_.make_runner();
  std::vector<spool::stored_message> all;
  open_store(*jobs, all);
  return all;
}

void simulated_relay::hold(queue_id id) {
  const auto jobs = world_.make_runner();
  std::vector<spool::stored_message> all;
  const auto store = open_store(*jobs, all);
  spool::state_change change;
  change.id = id;
  change.hold = true;
  store->settle(std::move(change));
  bool done = false;
  store->flush([&](error_code) { done = true; });
  world_.run_until([&] { return done; }, 1min);
  store->close();
}

std::size_t simulated_relay::large_files() const {
  const auto files = storage_.files();
  return static_cast<std::size_t>(std::ranges::count_if(
      files, [](const std::string& name) { return name.starts_with("large/"); }));
}

// What they still hold refers to the store of the relay.
void simulated_relay::end_runners() {
  readers_.reset();
  blocking_.reset();
  maintenance_.reset();
  committer_.reset();
}

void simulated_relay::start() {
  end_runners();
  relay_.reset();
  committer_ = world_.make_runner();
  readers_ = world_.make_runner(4);
  maintenance_ = world_.make_runner();
  blocking_ = world_.make_runner(2);
  if (maintenance_delay != duration{}) {
    maintenance_ = std::make_unique<slow_runner>(std::move(maintenance_), maintenance_delay);
  }
  const auto& runtime = world_.runtime(address);
  daemon::world surroundings;
  surroundings.workers.assign(workers, &runtime);
  surroundings.resolvers.assign(workers, &dns_);
  surroundings.client_resolvers.assign(workers, &dns_);
  surroundings.disk = &storage_;
  surroundings.committer = committer_.get();
  surroundings.readers = readers_.get();
  surroundings.maintenance = maintenance_.get();
  surroundings.blocking = blocking_.get();
  surroundings.descriptors = &descriptors_;
  surroundings.events = events;
  relay_ = std::make_unique<daemon::relay>(settings, surroundings);
  for (std::size_t i = 0; i < settings.listeners.size(); ++i) {
    const auto& l = settings.listeners[i];
    const auto mode = static_cast<unsigned>(l.mode);
    relay_->adopt(i % workers, i, *runtime.network.listen(l.address, false, mode));
  }
  relay_->adopt_http(*runtime.network.listen(http_endpoint, false));
  relay_->adopt_control(*runtime.network.listen(control_endpoint, false));
  relay_->start();
  running_ = true;
  stopping_ = false;
}

void simulated_relay::begin_shut_down() {
  if (!running_ || std::exchange(stopping_, true)) return;
  stopped_ = clean_ = false;
  auto stopping = relay_->shut_down();
  net::asio::co_spawn(world_.io, std::move(stopping),
                      [this](const std::exception_ptr& e, bool all) {
                        if (e) std::rethrow_exception(e);
                        stopped_ = true;
                        clean_ = all;
                      });
}

bool simulated_relay::shut_down(duration limit) {
  if (!running_) return true;
  begin_shut_down();
  running_ = false;
  world_.run_until([&] { return stopped_; }, limit);
  if (!stopped_) return false;
  // As threads are joined: what was handed over is done, what is delayed is dropped.
  world_.run_until([] { return false; }, 10s);
  relay_->close();
  end_runners();
  return clean_;
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
  if (!done) throw std::runtime_error("the relay did not stop");
  end_runners();
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
