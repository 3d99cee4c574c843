// The comparison: one file per message. Create under a temporary name, write, fsync, rename, fsync
// of the directory; one thread per outstanding message, as without a committer there is no other
// way to have several in flight.
#pragma once

#include <string>

#include "bench/closed_loop.hpp"
#include "bench/workload.hpp"

namespace relais::bench {

inline constexpr std::size_t most_file_threads = 200;

/// Leaves the files in `directory`; they are removed by remove_files(), outside of the measurement.
load_result write_files(const std::string& directory, message_source& source, std::size_t size,
                        std::size_t outstanding, double seconds);
void remove_files(const std::string& directory);

}  // namespace relais::bench
