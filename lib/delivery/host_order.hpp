// In which order the hosts of a next hop are tried: by preference (RFC 5321 5.1), by weight among
// equals (RFC 2782), without the dead ones, the slow ones behind their equals, families alternating
// (RFC 8305 4 in spirit). Pure.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/random.hpp"
#include "delivery/client_session.hpp"
#include "delivery/host_book.hpp"
#include "policy/route.hpp"

namespace relais::delivery {

/// Equal `tier`s are raced; a higher one is tried when no host of the lower ones is left.
struct candidate {
  session_target to;
  std::uint32_t tier = 0;
  candidate() = default;
};

/// "192.0.2.1:25", "[2001:db8::1]:25", a path: what a host is remembered by.
std::string where_text(const session_target& to);
/// "mx.example[192.0.2.1]:25", "unix:/path": as client_session::relay_text().
std::string relay_text(const session_target& to);

/// By preference; equals in an order drawn by weight, each time the next one from those left.
std::vector<policy::route_host> draw_order(std::vector<policy::route_host> hosts, random& rng);

struct attempt_plan {
  std::vector<candidate> hosts;  ///< in this order, ascending tiers
  bool is_probe = false;         ///< all are dead: the one whose failure is the longest ago
  bool has_left_out = false;     ///< others are dead
  attempt_plan() = default;
};

/// `all` is in ascending tiers. Empty only if `all` is.
attempt_plan plan_attempts(std::vector<candidate> all, const host_book& book, steady_time now);

}  // namespace relais::delivery
