// A small file of lines that policy keeps between two runs of the daemon: read once at the start,
// appended to, and now and then replaced as a whole. Its last seconds may be lost.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/result.hpp"
#include "spool/disk.hpp"
#include "spool/runner.hpp"

namespace relais::inbound {

class state_file {
 public:
  virtual ~state_file() = default;
  /// Blocks; at the start only. A file that does not exist is empty.
  virtual result<std::string> read() = 0;
  // Neither blocks; they take effect in the order of the calls.
  virtual void append(std::string lines) = 0;
  /// At no time is the file empty or half written.
  virtual void replace(std::string content) = 0;
};

/// A file in the spool's directory, written by `writer`, which has one thread. `report` is told on
/// that thread that writing fails, once, and again when it has worked in between. Disk and writer
/// outlive the file and what it gave to the writer.
std::unique_ptr<state_file> make_state_file(spool::disk& disk, spool::runner& writer,
                                            std::string name,
                                            std::function<void(const std::string&)> report);

}  // namespace relais::inbound
