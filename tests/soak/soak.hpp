// One run of the soak: a relay with three workers amid the population, for so many virtual hours
// from one seed; restarts, kills and power cuts now and then; then all calm down until nothing is
// left, and the books are settled.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "soak/ledger.hpp"

namespace relais::soak {

struct figures {
  double hours = 0;  ///< virtual
  std::uint64_t messages = 0, connections = 0, lines = 0, questions = 0;
  std::uint64_t restarts = 0, kills = 0, power_cuts = 0;
  totals books;
  // The worst that was seen, beside what bounds.hpp allows.
  double slowest_delivery = 0;  ///< seconds, where all was well
  std::uint64_t most_overtaken = 0;
  double most_lines = 0, most_connections = 0, most_questions = 0;  ///< of what is allowed
  std::uint64_t fair = 0;  ///< deliveries that were held to the bound
  std::vector<std::string> complaints;
};

figures run(std::uint64_t seed, duration time);
figures& operator+=(figures& sum, const figures& one);
std::string to_text(const figures& f);

}  // namespace relais::soak
