// One next hop of a soak: a real smtp::server_protocol with a mood that changes over time, and with
// habits that do not. It enters what it takes in the ledger, and watches how the relay treats it
// while it is dead, and how many connections it must bear.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "net/stream.hpp"
#include "net/task_group.hpp"
#include "smtp/server_protocol.hpp"
#include "soak/ledger.hpp"
#include "support/sim_world.hpp"

namespace relais::soak {

enum class mood : std::uint8_t {
  good,
  slow,       ///< seconds before each reply, now and then minutes, or longer than is waited for
  breaking,   ///< connections end at any octet of what is read or said, and behind the final dot
  storm,      ///< 421 at the greeting, at any command, at the end of data
  deferring,  ///< 451 to some contents
  // Dead, each in its way.
  turning_away,  ///< 421 for everybody
  refusing,      ///< nobody listens
  black_hole,    ///< packets vanish
  mute           ///< connections are taken, and never greeted
};
constexpr bool is_dead(mood m) noexcept {
  return m >= mood::turning_away;
}
std::string_view to_text(mood m) noexcept;

/// What PIPELINING is worth.
enum class honesty : std::uint8_t {
  honest,
  discards,  ///< what came together with a command is thrown away
  hangs_up,  ///< 554 to whoever sends ahead
  babbles    ///< says more than it was asked, now and then
};

struct habits {
  smtp::extension_set extensions = smtp::extension_set::usual();
  honesty pipelining = honesty::honest;
  std::size_t recipients_per_message = 1000;
  bool has_greylist = false;
  duration work{};              ///< for each content
  bool has_backup = false;      ///< another next hop, of lower preference
  std::size_t domains = 1;      ///< that it serves
  std::size_t connections = 4;  ///< that the relay may open for each of them
};

class next_hop {
 public:
  next_hop(testing::sim_world& world, ledger& books, ip_address address, std::string name,
           habits ways);
  next_hop(const next_hop&) = delete;
  next_hop& operator=(const next_hop&) = delete;

  void become(mood m);
  mood now() const noexcept { return mood_; }
  /// What was learned of it is forgotten, and may be found out again.
  void relay_restarted();
  /// The relay begins to connect.
  void is_tried();
  /// In a good mood all that time.
  bool was_good(steady_time from, steady_time until) const;
  std::uint64_t taken() const noexcept { return taken_; }
  const habits& ways() const noexcept { return ways_; }
  const ip_address& address() const noexcept { return address_; }
  const std::string& name() const noexcept { return name_; }

  void stop();
  bool is_idle() const noexcept { return sessions_.size() == 0; }

 private:
  struct talk;  // of one connection
  void listen();
  net::task<void> accept(net::acceptor& listener);
  net::task<void> serve(net::accepted_connection accepted);
  net::task<void> swallow(net::stream& stream);
  net::task<void> converse(talk& t);
  net::task<bool> exchange(talk& t);
  net::task<bool> answer(talk& t, const smtp::server_event& e);
  net::task<bool> say(talk& t);
  net::task<void> think(talk& t, bool is_content);
  bool receive(talk& t, std::string_view octets);
  bool refuses(talk& t);
  smtp::reply_id judge_recipient(talk& t, const std::string& to);
  smtp::reply_id judge_content(const smtp::server_event& end);
  void take(const talk& t);
  void draw_end(talk& t);
  bool one_in(std::uint64_t n) { return world_.random.below(n) == 0; }

  testing::sim_world& world_;
  ledger& books_;
  ip_address address_;
  std::string name_;
  habits ways_;
  const net::runtime& here_;
  mood mood_ = mood::good;
  struct change {
    steady_time when;
    mood to;
  };
  std::vector<change> moods_;
  std::uint64_t taken_ = 0;
  std::size_t open_ = 0;
  // While it is dead.
  std::optional<steady_time> unknown_until_;  ///< the relay may still be finding out
  std::deque<steady_time> probes_;            ///< since then, the latest
  std::size_t probes_so_far_ = 0;
  std::unique_ptr<net::acceptor> listener_;
  net::task_group sessions_;
};

}  // namespace relais::soak
