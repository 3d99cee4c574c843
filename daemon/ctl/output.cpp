#include "daemon/ctl/output.hpp"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string>

#include "base/text.hpp"
#include "daemon/ctl/failure.hpp"

namespace relais::ctl {
namespace {

[[noreturn]] void output_failed() {
  // `| head` has seen enough: nothing to complain about.
  if (errno == EPIPE) throw failure(exit_code::io_error, "");
  throw failure(exit_code::io_error,
                std::string("cannot write to standard output: ") + std::strerror(errno));
}

}  // namespace

void put(std::string_view octets) {
  if (std::fwrite(octets.data(), 1, octets.size(), stdout) != octets.size()) output_failed();
}

void finish_output() {
  if (std::fflush(stdout) != 0) output_failed();
}

void warn(std::string_view sentence) noexcept {
  // What was said before on the other stream comes first, also where both end in one file.
  std::fflush(stdout);
  try {
    const auto line = "relaisctl: " + printable(sentence, 4096) + "\n";
    std::fwrite(line.data(), 1, line.size(), stderr);
  } catch (...) {
    std::fputs("relaisctl: out of memory\n", stderr);
  }
}

}  // namespace relais::ctl
