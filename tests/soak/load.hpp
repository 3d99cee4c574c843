// The mail of a soak: single messages at random times, to some recipients each, and bulks to one
// domain, into which somebody else writes one message. Clients wait for each reply.
#pragma once

#include <vector>

#include "net/task_group.hpp"
#include "soak/population.hpp"

namespace relais::soak {

class load {
 public:
  load(testing::sim_world& world, ledger& books, const population& there,
       std::vector<endpoint> relay);

  /// Until then.
  void begin(steady_time end);
  void stop() { clients_.stop(); }
  bool is_idle() const noexcept { return clients_.size() == 0; }
  std::uint64_t messages() const noexcept { return messages_; }

 private:
  struct letter {
    std::string sender;
    std::size_t first = 0, recipients = 0;  ///< of the accounts
  };
  void next_single();
  void next_bulk();
  letter write(std::string sender, const std::vector<std::size_t>& domains);
  account& address_to(std::size_t domain);
  void send(std::vector<letter> letters);
  net::task<void> submit(std::vector<letter> letters, endpoint to);
  net::task<bool> submit(net::stream& stream, const letter& one);
  duration draw(duration most);

  testing::sim_world& world_;
  ledger& books_;
  const population& there_;
  std::vector<endpoint> relay_;
  steady_time end_{};
  std::uint64_t messages_ = 0;
  net::task_group clients_;
};

}  // namespace relais::soak
