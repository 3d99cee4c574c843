// The envelope: what SMTP says about a message besides its content (RFC 5321 2.3.1).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "smtp/path.hpp"

namespace relais::smtp {

/// RFC 6152; BINARYMIME comes with CHUNKING.
enum class body_type : std::uint8_t { seven_bit, eight_bit_mime };

struct envelope {
  path reverse_path;
  std::vector<path> forward_paths;
  body_type body = body_type::seven_bit;
  bool smtputf8 = false;

  envelope() = default;
  envelope(path reverse, std::vector<path> forward)
      : reverse_path(std::move(reverse)), forward_paths(std::move(forward)) {}
};

}  // namespace relais::smtp
