// Randomness is handed in, so that a simulated run is determined by its seed. For jitter, shuffling
// and unique names; secrets come from OpenSSL, never from here. One object per worker, not shared.
#pragma once

#include <cstdint>

namespace relais {

class random {
 public:
  virtual ~random() = default;
  virtual std::uint64_t next() = 0;

  /// Uniform in [0, bound); 0 for a bound of 0.
  std::uint64_t below(std::uint64_t bound);
  /// Uniform in [0, 1).
  double unit();
};

/// xoshiro256**: fast, and the same sequence on every machine for one seed.
class seeded_random final : public random {
 public:
  explicit seeded_random(std::uint64_t seed);
  std::uint64_t next() override;

 private:
  std::uint64_t state_[4];
};

/// A seed from the operating system (getrandom(2)).
std::uint64_t system_seed();

}  // namespace relais
