// Greylisting (RFC 6647): the first message of an unknown triplet (client network, sender,
// recipient) is put off; who comes again behind the delay is known from then on. A client network
// that has passed with several triplets is known as a whole. Pure: the wall clock is handed in,
// because memories outlast a restart.
//
// What is remembered goes into a journal: lines that the owner appends to a file and hands back at
// the next start. To lose the last of them does no harm: somebody waits once more.
//
// Bounded: of each kind, what was used longest ago is forgotten; unknown triplets, which any
// stranger can make, never push out known ones.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.hpp"
#include "base/ip.hpp"
#include "config/settings.hpp"
#include "policy/keyed_hash.hpp"
#include "policy/lru_map.hpp"
#include "smtp/path.hpp"

namespace relais::policy {

struct greylist_bounds {
  std::size_t waiting = 200'000;   ///< triplets seen once
  std::size_t known = 200'000;     ///< triplets that came again
  std::size_t networks = 50'000;   ///< client networks that passed
  unsigned passes_of_network = 5;  ///< with so many triplets the whole network is known
};

class greylist {
 public:
  greylist(const config::greylist_settings& settings, const digest& secret,
           greylist_bounds bounds = {});

  /// Asks and notes. None: welcome. Else for how long the client has to wait, at least a second.
  std::optional<std::chrono::seconds> ask(const ip_address& client, const smtp::path& sender,
                                          const smtp::path& recipient, wall_time now);

  /// The secret that a journal was written with; none: it is empty, or not to be read.
  static std::optional<digest> secret_of(std::string_view journal) noexcept;
  /// Takes in what an earlier process remembered, if it has the same secret. A last line without
  /// its line end was cut off by a crash; it and lines that make no sense are skipped.
  void restore(std::string_view journal, wall_time now);
  /// Lines that are new since the last call.
  std::string take_lines();
  /// Everything in one text that takes the place of the whole journal.
  std::string whole();
  /// So many lines have been taken that whole() should take their place.
  bool is_journal_long() const noexcept;

  std::size_t waiting() const noexcept { return waiting_.size(); }
  std::size_t known() const noexcept { return known_.size(); }
  std::size_t networks() const noexcept { return networks_.size(); }

 private:
  using seconds = std::int64_t;  ///< since 1970
  struct known_triplet {
    seconds used = 0;
    seconds written = 0;  ///< the `used` that the journal knows
  };
  struct known_network {
    seconds used = 0;
    seconds written = 0;
    unsigned passes = 0;
  };

  bool is_known(const digest& triplet, const digest& network, seconds now);
  void pass(const digest& triplet, const digest& network, seconds now);
  void restore_line(std::string_view line, seconds now);
  void write(char kind, const digest& key, seconds when, unsigned passes = 0);
  /// Whether a use is so much later than the one written that it must be written, too.
  bool is_due(seconds used, seconds written) const noexcept;

  seconds delay_, retry_window_, lifetime_;
  greylist_bounds bounds_;
  keyed_hash hash_;
  lru_map<digest, seconds, digest_hash> waiting_;  ///< since when
  lru_map<digest, known_triplet, digest_hash> known_;
  lru_map<digest, known_network, digest_hash> networks_;
  std::string lines_;
  std::size_t written_ = 0;  ///< lines of the journal
};

}  // namespace relais::policy
