// The errors of relais itself. Errors of Asio, OpenSSL, c-ares and errno are translated to these at
// the edge where they arise (net::stream, dns::, spool::), so nobody above compares foreign codes.
#pragma once

#include "base/result.hpp"

namespace relais {

enum class errc {
  timeout = 1,          ///< a deadline passed
  peer_closed,          ///< the peer ended the connection
  connection_failed,    ///< connect(2) or a later I/O failed: refused, reset, unreachable
  cancelled,            ///< we gave up on purpose (shutdown)
  line_too_long,        ///< more input than a limit allows, and no line end in sight
  protocol_error,       ///< the peer broke the protocol
  tls_failed,           ///< handshake, record or certificate failure
  syntax,               ///< text that does not follow its grammar
  not_found,            ///< the name or the file does not exist
  exists,               ///< the file is already there
  no_data,              ///< the name exists, but has no record of that type
  dns_temporary,        ///< SERVFAIL, REFUSED, timeout: asking again may help
  no_space,             ///< disk or quota full
  read_only,            ///< the file system is read-only
  io_error,             ///< any other failure of the disk; what was written is not trusted
  corrupt,              ///< stored data does not match its checksum
  permission,           ///< not allowed by the system
  busy,                 ///< in use by another process
  draining,             ///< the daemon is stopping
  out_of_memory_budget  ///< a configured memory budget is spent
};

const boost::system::error_category& relais_category() noexcept;

inline error_code make_error_code(errc e) noexcept {
  return {static_cast<int>(e), relais_category()};
}

/// errno after a failed system call, as our own error (never success).
error_code from_errno(int number) noexcept;

}  // namespace relais

template <>
struct boost::system::is_error_code_enum<relais::errc> : std::true_type {};
