// What a delivery report says to the person who gets it: the subject, and the first part, in plain
// words, with what the remote host said. RFC 3464 2, RFC 5321 6.1.
#pragma once

#include <string>
#include <string_view>

#include "message/delivery_report.hpp"

namespace relais::message {

std::string_view report_subject(const report_request& request);
/// The text of the first part: UTF-8, CRLF line ends. `host` is our name, harmless.
std::string report_words(const report_request& request, std::string_view host);

}  // namespace relais::message
