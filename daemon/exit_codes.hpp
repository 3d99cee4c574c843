// Exit codes in the tradition of sysexits.h, and the exception that carries one to main().
#pragma once

#include <sysexits.h>

#include <stdexcept>
#include <string>

namespace relais::daemon {

enum class exit_code : int {
  ok = EX_OK,
  usage = EX_USAGE,
  unavailable = EX_UNAVAILABLE,  ///< a listener's address is taken or not ours
  software = EX_SOFTWARE,
  os_error = EX_OSERR,
  cannot_create = EX_CANTCREAT,  ///< the spool directory cannot be made or written
  io_error = EX_IOERR,           ///< the disk is full or failing
  temporary = EX_TEMPFAIL,       ///< another daemon holds the spool
  no_permission = EX_NOPERM,
  config = EX_CONFIG,
  hard_stop = 1  ///< a second signal ended the drain early; the spool is intact
};

/// Ends the start with one clear sentence.
class startup_error : public std::runtime_error {
 public:
  startup_error(exit_code code, const std::string& sentence)
      : std::runtime_error(sentence), code_(code) {}
  exit_code code() const noexcept { return code_; }

 private:
  exit_code code_;
};

}  // namespace relais::daemon
