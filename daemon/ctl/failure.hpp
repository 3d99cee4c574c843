// What ends relaisctl: one clear sentence and an exit code in the tradition of sysexits.h.
#pragma once

#include <sysexits.h>

#include <stdexcept>
#include <string>

#include "base/result.hpp"

namespace relais::ctl {

enum class exit_code : int {
  ok = EX_OK,
  trouble = 1,  ///< of status: somebody should look
  usage = EX_USAGE,
  data_error = EX_DATAERR,       ///< stored data is damaged
  no_input = EX_NOINPUT,         ///< no such message, no such spool
  no_host = EX_NOHOST,           ///< route test: the mail would go back to its sender
  unavailable = EX_UNAVAILABLE,  ///< relaisd does not run
  software = EX_SOFTWARE,
  os_error = EX_OSERR,
  cannot_create = EX_CANTCREAT,
  io_error = EX_IOERR,
  temporary = EX_TEMPFAIL,  ///< relaisd works with the spool
  no_permission = EX_NOPERM,
  config = EX_CONFIG
};

/// An empty sentence: nothing to say.
class failure : public std::runtime_error {
 public:
  failure(exit_code code, const std::string& sentence)
      : std::runtime_error(sentence), code_(code) {}
  exit_code code() const noexcept { return code_; }

 private:
  exit_code code_;
};

/// The code that fits an error of the spool or of a file.
exit_code exit_code_of(const error_code& error) noexcept;

}  // namespace relais::ctl
