// One search for a session: idle ones first, then the hosts of the next hop in their order, each
// tier raced a little, until one is ready or the attempt has tried enough. What hosts show on the
// way is remembered. RFC 5321 5.1; replies.md 4.4. Lives for one call of connections::reach().
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>

#include "delivery/connection_race.hpp"
#include "delivery/connections_parts.hpp"
#include "delivery/host_finder.hpp"

namespace relais::delivery {

class session_search {
 public:
  /// Both outlive it; `need` may be null. `is_fresh`: idle sessions are left where they are.
  session_search(connections_parts& parts, policy::next_hop hop, const unmet_need* need,
                 bool is_fresh);
  session_search(const session_search&) = delete;
  session_search& operator=(const session_search&) = delete;

  net::task<reached> run();

 private:
  struct connected {
    session_target to;
    std::unique_ptr<net::transport> transport;
    connected(session_target t, std::unique_ptr<net::transport> c)
        : to(std::move(t)), transport(std::move(c)) {}
  };

  bool suits(const client_session& session) const;
  bool take(std::unique_ptr<client_session> idle);
  bool take_idle_of_hosts(const attempt_plan& plan);
  bool is_left_to_a_probe(const attempt_plan& plan);
  void prepare_need(const found_hosts& found, const attempt_plan& plan);
  net::task<void> try_tier(std::deque<candidate> waiting);
  net::task<std::optional<connected>> connect(std::deque<candidate>& waiting);
  bool start_next(connection_race& race, std::deque<candidate>& waiting,
                  std::vector<candidate>& lanes);
  net::task<bool> set_up(connected to);
  session_options options_for(const session_target& to) const;
  bool accept(std::unique_ptr<client_session> session, steady_time began);
  void note_failed_connect(const session_target& to, error_code why);
  void note_failed_set_up(const client_session& session);
  void note_dead(const std::string& where, bool refuses);
  void conclude(const found_hosts& found);

  connections_parts& parts_;
  const connections_world& around_;
  const policy::next_hop hop_;
  const unmet_need* need_;
  const bool is_fresh_;
  const policy::route& way_;
  const policy::tls_policy tls_;
  const std::uint32_t profile_;
  reached result_;
  std::size_t addresses_left_, sessions_left_;
  bool is_probe_ = false;
  bool is_busy_ = false;    // a host of this tier has all the connections that it may have
  bool is_unsure_ = false;  // a host that could not be asked might offer what is needed
  bool is_over_ = false;
};

}  // namespace relais::delivery
