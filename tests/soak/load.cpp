#include "soak/load.hpp"

#include <algorithm>

#include "support/simulated_relay.hpp"

namespace relais::soak {

using namespace std::chrono_literals;

namespace {

constexpr duration mean_pause = 20min;
constexpr duration mean_pause_of_bulks = 60h;
constexpr std::size_t bulk_size = 250;

// The last line of so many replies; empty: the connection is over.
net::task<std::string> await_replies(net::stream& stream, std::size_t expected) {
  std::string heard, buffer(2048, '\0');
  for (;;) {
    std::size_t complete = 0, begin = 0;
    for (auto end = heard.find("\r\n"); end != std::string::npos; end = heard.find("\r\n", begin)) {
      const auto line = heard.substr(begin, end - begin);
      begin = end + 2;
      if (line.size() < 4 || line[3] != ' ') continue;
      if (++complete == expected) co_return line;
    }
    const auto target = net::asio::buffer(buffer);
    const auto got = co_await stream.read_some(target);
    if (!got) co_return std::string();
    heard.append(buffer, 0, *got);
  }
}

// What is called away with the relay is nobody's fault.
void shrug(const std::string&, const std::string&) {}

std::string stuffed(std::string content) {
  for (auto at = content.find("\r\n."); at != std::string::npos; at = content.find("\r\n.", at + 4))
    content.insert(at + 2, 1, '.');
  return content + ".\r\n";
}

}  // namespace

load::load(testing::sim_world& world, ledger& books, const population& there,
           std::vector<endpoint> relay)
    : world_(world),
      books_(books),
      there_(there),
      relay_(std::move(relay)),
      clients_(world.runtime(testing::simulated_relay::client_address), shrug) {}

duration load::draw(duration most) {
  return duration(
      static_cast<std::int64_t>(world_.random.below(static_cast<std::uint64_t>(most.count()))));
}

void load::begin(steady_time end) {
  end_ = end;
  world_.at(world_.clock.now() + draw(mean_pause), [this] { next_single(); });
  world_.at(world_.clock.now() + draw(mean_pause_of_bulks), [this] { next_bulk(); });
}

void load::next_single() {
  if (world_.clock.now() >= end_) return;
  auto& random = world_.random;
  std::vector<letter> letters;
  // Now and then some at once.
  const auto count = random.below(10) == 0 ? 1 + random.below(12) : 1;
  for (std::uint64_t i = 0; i < count; ++i) {
    std::vector<std::size_t> domains(1 + random.below(4));
    const bool travels_together = random.below(2) == 0;
    for (auto& d : domains) d = random.below(there_.domains().size());
    if (travels_together) std::ranges::fill(domains, domains.front());
    letters.push_back(write("s" + std::to_string(random.below(20)), domains));
  }
  send(std::move(letters));
  world_.at(world_.clock.now() + draw(2 * mean_pause), [this] { next_single(); });
}

void load::next_bulk() {
  if (world_.clock.now() >= end_) return;
  const auto& working = there_.working();
  const auto domain = world_.random.below(3) == 0 ? world_.random.below(there_.domains().size())
                                                  : working[world_.random.below(working.size())];
  std::vector<letter> letters;
  for (std::size_t i = 0; i < bulk_size; ++i) {
    letters.push_back(write("bulk", {domain}));
    books_.accounts().back().is_bulk = true;
  }
  send(std::move(letters));
  for (int i = 0; i < 3; ++i) {
    world_.at(world_.clock.now() + 5s + draw(1min), [this, domain] {
      std::vector<letter> one;
      one.push_back(write("single", {domain}));
      send(std::move(one));
    });
  }
  world_.at(world_.clock.now() + draw(2 * mean_pause_of_bulks), [this] { next_bulk(); });
}

account& load::address_to(std::size_t domain) {
  auto& random = world_.random;
  auto& a = books_.open();
  a.domain = domain;
  a.offered = world_.clock.now();
  a.is_unknown = random.below(30) == 0;
  if (random.below(30) == 0) a.full_until = a.offered + draw(20h);
  return a;
}

load::letter load::write(std::string sender, const std::vector<std::size_t>& domains) {
  letter one;
  one.sender = std::move(sender);
  one.first = books_.accounts().size();
  one.recipients = domains.size();
  for (const auto d : domains) address_to(d).message = one.first;
  ++messages_;
  return one;
}

void load::send(std::vector<letter> letters) {
  const auto to = relay_[world_.random.below(relay_.size())];
  clients_.spawn("client", submit(std::move(letters), to));
}

net::task<void> load::submit(std::vector<letter> letters, endpoint to) {
  const auto& here = world_.runtime(testing::simulated_relay::client_address);
  auto connected = co_await here.network.connect(to, 30s);
  if (!connected) co_return;
  net::stream stream(std::move(*connected), here);
  stream.expires_after(1h);
  const std::string hello = "EHLO client.test\r\n";
  if (co_await stream.write(hello)) co_return;
  const auto greeted = co_await await_replies(stream, 2);
  if (!greeted.starts_with("250")) co_return;
  for (const auto& one : letters) {
    const bool goes_on = co_await submit(stream, one);
    if (!goes_on) co_return;
  }
  const std::string quit = "QUIT\r\n";
  co_await stream.write(quit);
  co_await await_replies(stream, 1);
}

net::task<bool> load::submit(net::stream& stream, const letter& one) {
  std::string envelope = "MAIL FROM:<" + one.sender + "@home.test>\r\n";
  for (std::size_t i = 0; i < one.recipients; ++i) {
    const auto number = one.first + i;
    const auto& domain = there_.domains()[books_.accounts()[number].domain].name;
    envelope += "RCPT TO:<m" + std::to_string(number) + "@" + domain + ">\r\n";
  }
  envelope += "DATA\r\n";
  if (co_await stream.write(envelope)) co_return false;
  const auto ready = co_await await_replies(stream, one.recipients + 2);
  if (!ready.starts_with("354")) co_return false;
  const auto octets = stuffed(content_of(one.first));
  if (co_await stream.write(octets)) co_return false;
  const auto queued = co_await await_replies(stream, 1);
  if (!queued.starts_with("250")) co_return false;
  const auto now = world_.clock.now();
  for (std::size_t i = 0; i < one.recipients; ++i) {
    auto& a = books_.accounts()[one.first + i];
    books_.accept(a, now);
    a.taken_before = there_.domains()[a.domain].primary->taken();
  }
  co_return true;
}

}  // namespace relais::soak
