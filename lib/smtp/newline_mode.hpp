// How bare CR and bare LF of a client are treated (RFC 5321 2.3.8; threats: SMTP smuggling).
#pragma once

#include <cstdint>

namespace relais::smtp {

/// Only CRLF.CRLF ends data in both.
enum class newline_mode : std::uint8_t {
  normalize,  ///< a bare LF in commands and content counts as CRLF, a stray CR becomes a space
  reject      ///< bare_newline reply, and the connection is closed
};

}  // namespace relais::smtp
