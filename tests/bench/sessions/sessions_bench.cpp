// What sessions.py calls: one kind of load on one SMTP server, figures as JSON on stdout.
//   sessions_bench idle ADDRESS:PORT clear|starttls|implicit COUNT
//       opens so many sessions, says {"open": COUNT}, keeps them until stdin ends
//   sessions_bench rate ADDRESS:PORT clear|implicit full|resumed OUTSTANDING SECONDS
//       connects, reads the greeting, closes, again and again
//   sessions_bench raw CERTIFICATE KEY full|resumed SECONDS
#include <fmt/format.h>

#include <chrono>
#include <cstdlib>
#include <iostream>
#include <stdexcept>
#include <vector>

#include "base/text.hpp"
#include "bench/sessions/client.hpp"
#include "bench/sessions/raw_tls.hpp"
#include "net/descriptors.hpp"
#include "net/task_group.hpp"

namespace relais::bench {
namespace {

using steady = std::chrono::steady_clock;
using namespace std::chrono_literals;

opening opening_of(std::string_view word) {
  if (word == "clear") return opening::clear;
  if (word == "starttls") return opening::starttls;
  if (word == "implicit") return opening::implicit;
  throw std::invalid_argument("clear, starttls or implicit");
}

bool is_resumed(std::string_view word) {
  if (word != "full" && word != "resumed") throw std::invalid_argument("full or resumed");
  return word == "resumed";
}

std::uint64_t number_of(const std::string& word) {
  const auto n = parse_number(word);
  if (!n || *n == 0) throw std::invalid_argument("a number, not " + word);
  return *n;
}

endpoint server_of(const std::string& word) {
  const auto e = endpoint::parse(word);
  if (!e || e->address.is_v6()) throw std::invalid_argument("127.0.0.1:25, not " + word);
  return *e;
}

void escaped(const std::string& label, const std::string& what) {
  std::cerr << "sessions_bench: " << label << ": " << what << '\n';
}

// Runs until every task has ended.
void run_all(client& c, net::task_group& group) {
  while (group.size() > 0) {
    c.io().restart();
    c.io().run_for(100ms);
  }
}

struct idle_load {
  opening how;
  std::uint64_t left;
  std::vector<std::unique_ptr<net::stream>> open;
  std::uint64_t failed = 0;
};

net::task<void> open_sessions(client& c, idle_load& load) {
  while (load.left > 0) {
    --load.left;
    auto made = co_await c.open(load.how, false);
    bool good = made != nullptr;
    if (good) good = co_await c.greet(*made, load.how);
    if (good) {
      // Idle from here on; nobody waits for anything.
      made->expires_after(24h);
      load.open.push_back(std::move(made));
    } else {
      ++load.failed;
    }
  }
}

int idle(const std::vector<std::string>& words) {
  client c(server_of(words.at(0)));
  idle_load load{opening_of(words.at(1)), number_of(words.at(2)), {}, 0};
  net::task_group group(c.world(), escaped);
  for (int i = 0; i < 50; ++i) group.spawn("opener", open_sessions(c, load));
  run_all(c, group);
  fmt::print("{{\"open\": {}, \"failed\": {}}}\n", load.open.size(), load.failed);
  std::cout.flush();
  if (load.failed > 0) escaped("idle", c.failure());
  while (std::cin.get() != std::char_traits<char>::eof()) continue;
  return load.failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

struct rate_load {
  opening how;
  bool resumed;
  steady::time_point start{}, end{};
  std::uint64_t done = 0, failed = 0;
};

net::task<void> come_and_go(client& c, rate_load& load) {
  while (steady::now() < load.end && load.failed < 100) {
    const auto made = co_await c.open(load.how, load.resumed);
    ++(made ? load.done : load.failed);
    if (made) co_await made->close();
  }
}

int rate(const std::vector<std::string>& words) {
  client c(server_of(words.at(0)));
  rate_load load{opening_of(words.at(1)), is_resumed(words.at(2))};
  const auto outstanding = number_of(words.at(3));
  const auto seconds = number_of(words.at(4));
  load.start = steady::now();
  load.end = load.start + std::chrono::seconds(seconds);
  net::task_group group(c.world(), escaped);
  for (std::uint64_t i = 0; i < outstanding; ++i) group.spawn("client", come_and_go(c, load));
  run_all(c, group);
  const std::chrono::duration<double> took = steady::now() - load.start;
  fmt::print("{{\"done\": {}, \"failed\": {}, \"resumed\": {}, \"seconds\": {:.3f}}}\n", load.done,
             load.failed, c.resumed(), took.count());
  if (load.failed > 0) escaped("rate", c.failure());
  return load.failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

int raw(const std::vector<std::string>& words) {
  const auto r = measure_raw_tls(words.at(0), words.at(1), is_resumed(words.at(2)),
                                 static_cast<double>(number_of(words.at(3))));
  fmt::print("{{\"done\": {}, \"server_seconds\": {:.4f}, \"both_seconds\": {:.4f}}}\n",
             static_cast<std::uint64_t>(r.handshakes), r.server_seconds, r.both_seconds);
  return EXIT_SUCCESS;
}

int run(std::vector<std::string> words) {
  net::raise_descriptor_limit();
  const auto what = words.at(0);
  words.erase(words.begin());
  if (what == "idle") return idle(words);
  if (what == "rate") return rate(words);
  if (what == "raw") return raw(words);
  throw std::invalid_argument("idle, rate or raw");
}

}  // namespace
}  // namespace relais::bench

int main(int argc, char** argv) try {
  return relais::bench::run({argv + 1, argv + argc});
} catch (const std::exception& e) {
  std::cerr << "sessions_bench: " << e.what() << " (see sessions_bench.cpp)\n";
  return 64;
}
