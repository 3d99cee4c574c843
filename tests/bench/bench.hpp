// What all benchmarks of the spool share: the options of the run, the place, the probe, the load
// and the report; and how several short rounds become one measure.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "bench/closed_loop.hpp"
#include "bench/raw_probe.hpp"
#include "bench/report.hpp"
#include "bench/subject.hpp"
#include "bench/workload.hpp"

namespace relais::bench {

struct run_options {
  std::size_t rounds = 3;
  double seconds = 1.0;           ///< of a round
  double probe_seconds = 0.25;    ///< of the raw probe before each round
  double life_seconds = 20;       ///< of a round with 200,000 pending; with 1,000 a third of it
  std::size_t pending = 200'000;  ///< in the life cycle
  std::size_t start_up_pending = 1'000'000;
  std::vector<std::string> only;
  bool settles_in_round = true;

  /// Whether a case was asked for: `only` names it, or the beginning of its id up to a slash.
  bool wants(const std::string& id) const;
};

struct context {
  const run_options& options;
  std::string directory;
  message_source source;
  raw_probe probe;
  meter device;
  report results;

  context(const run_options& chosen, const std::string& folder)
      : options(chosen), directory(folder), probe(folder), device(folder) {}
  /// A new empty folder of that name.
  std::string folder(const std::string& name) const;
  void remove(const std::string& name) const;
};

struct round_result {
  load_result load;
  usage used;
  spool::store_status before;
  spool::store_status after;
};

struct case_shape {
  std::string id;
  std::string title;
  std::size_t size = 0;
  std::size_t outstanding = 1;
};

/// Median of the rounds; latencies of all rounds together. The raw probe runs before each.
measure take_rounds(context& c, const case_shape& shape,
                    const std::function<round_result()>& round);
/// One round against a store, with its counters.
round_result metered(const context& c, spool::store* store,
                     const std::function<load_result()>& load);

/// "10k", "1m" and "10 KiB", "1 MiB"
std::string short_size(std::size_t octets);
std::string long_size(std::size_t octets);

void bench_raw(context& c);
void bench_generator(context& c);
void bench_accept(context& c);
void bench_large(context& c);
void bench_files(context& c);
void bench_life(context& c);
void bench_start_up(context& c);
void bench_slow_flush(context& c);

/// The process that bench_start_up starts, so that its memory holds nothing else.
int start_up_child(const std::string& directory, bool closes);

}  // namespace relais::bench
