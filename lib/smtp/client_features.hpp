// What an EHLO reply announces (RFC 5321 4.1.1.1): the keywords that relais knows, all others
// ignored.
#pragma once

#include "smtp/client_protocol.hpp"

namespace relais::smtp {

server_features parse_features(const reply& hello);

}  // namespace relais::smtp
