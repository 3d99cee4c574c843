// What was measured, and what was wanted: collects the cases of a run and prints them beside the
// raw probe and the targets, as text, Markdown or JSON. The targets were set on one machine; each
// is brought to the machine of the run by the ratio of both raw probes.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "bench/raw_probe.hpp"

namespace relais::bench {

/// One case. The names of values are listed in report.cpp and docs/benchmarks.md.
struct measure {
  std::string id;     ///< accept/10k/50
  std::string title;  ///< accept 10 KiB, 50 outstanding
  std::map<std::string, double> values;
  double raw_octets =
      0;                ///< of a write of the raw probe like this case's batches; 0: no such thing
  double raw_rate = 0;  ///< how many of them were written and synced per second, between the rounds
  double ratio = 0;     ///< octets accepted / octets of the raw probe; 0: not comparable
  std::string note;
};

class report {
 public:
  /// Says it at once on stderr, too: a whole run takes minutes.
  void add(measure m);
  const measure* find(const std::string& id) const;

  std::string tables(bool markdown) const;
  std::string json() const;

 private:
  std::vector<measure> measures_;
};

/// "122,000" for large numbers, three digits for small ones.
std::string spelled(double value);

}  // namespace relais::bench
