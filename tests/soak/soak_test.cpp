// The soak: tens of thousands of virtual hours among next hops that are slow, break connections at
// any octet, break with PIPELINING, storm, greylist, are full, or are not there; with restarts,
// kills and power cuts. Asserted: nothing accepted is lost, whoever is not delivered is reported,
// duplicates only where the relay could not know, one probe per interval for what is dead, mail to
// good next hops is not held up, and nothing happens in tight loops.
//
// RELAIS_SOAK_HOURS=50000: so many virtual hours instead of the short form. RELAIS_SOAK_SEED=N: the
// first seed. A run that fails names the two that repeat it; RELAIS_SOAK_LOG=1 prints its log.
#include "soak/soak.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdio>
#include <cstdlib>

namespace relais::soak {
namespace {

// Of one run, without the day or two in which all calm down.
constexpr auto run_length = std::chrono::hours(300);
constexpr double short_form = 2000;

double variable(const char* name, double otherwise) {
  const char* const text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtod(text, nullptr);
}

TEST_CASE("over thousands of hours nothing is lost and only the unknowable is repeated") {
  const bool is_long = std::getenv("RELAIS_SOAK_HOURS") != nullptr;
  const auto hours = variable("RELAIS_SOAK_HOURS", short_form);
  auto seed = static_cast<std::uint64_t>(variable("RELAIS_SOAK_SEED", 1));
  figures sum;
  for (; sum.hours < hours; ++seed) {
    const auto one = run(seed, run_length);
    std::string found;
    for (const auto& c : one.complaints) found += c + '\n';
    INFO(to_text(one));
    INFO("to repeat it: RELAIS_SOAK_SEED=" << seed << " RELAIS_SOAK_HOURS=1\n" << found);
    CHECK(one.complaints.empty());
    CHECK(one.books.delivered > 100);
    sum += one;
    if (is_long) {
      std::fprintf(stderr, "seed %llu: %zu complaints, %.0f hours so far\n",
                   static_cast<unsigned long long>(seed), one.complaints.size(), sum.hours);
    }
  }
  std::puts(to_text(sum).c_str());
  // The worlds are as bad as they are meant to be.
  CHECK(sum.books.unheard > 0);
  CHECK(sum.books.reported > 0);
  CHECK(sum.fair > 1000);
}

}  // namespace
}  // namespace relais::soak
