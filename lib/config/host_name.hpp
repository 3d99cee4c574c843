// The syntax of host names as they appear in configuration: what DNS can hold and SMTP can say.
// No look-ups, no internationalised names: those are written as xn-- labels.
#pragma once

#include <string_view>

namespace relais::config {

/// RFC 1123 2.1: dotted labels of letters, digits and inner hyphens, no trailing dot; a name whose
/// last label is all digits would be taken for an address, so it is none.
bool is_host_name(std::string_view text) noexcept;

}  // namespace relais::config
