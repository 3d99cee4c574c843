// The name of this machine, where the configuration has none.
#pragma once

#include <string>

namespace relais::net {

/// Fully qualified if the system knows more than a bare name; "localhost" if it knows none. May ask
/// the DNS: for the start of a program only.
std::string system_hostname();

}  // namespace relais::net
