// The GS2 header that SCRAM and OAUTHBEARER messages begin with (RFC 5801 4):
// "n,,", "y,a=user,", "p=tls-exporter,,".
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace relais::auth {

struct gs2_header {
  enum class flag : std::uint8_t {
    none,      ///< n: the client cannot bind
    not_seen,  ///< y: it could, but believes that the server cannot
    bound      ///< p=
  } binding = flag::none;
  std::string binding_name;  ///< of p=
  std::string authzid;       ///< decoded; "" = none
  std::size_t length = 0;    ///< octets that the header takes, its last comma included
};

std::optional<gs2_header> parse_gs2_header(std::string_view text);

/// saslname of RFC 5801 4: "=2C" is a comma, "=3D" an equals sign. None if it is malformed or no
/// user's name.
std::optional<std::string> decode_saslname(std::string_view text);

}  // namespace relais::auth
