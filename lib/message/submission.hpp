// Completes the header of a message that was submitted by a mail program, not relayed by another
// MTA (RFC 6409 8): Date, Message-ID and From where they are missing, Bcc removed, bare local
// addresses qualified, Sender. The body is never touched; fields that are right stay octet for
// octet. Pure.
#pragma once

#include <string>
#include <string_view>

#include "base/clock.hpp"
#include "base/queue_id.hpp"

namespace relais::message {

struct submission_rules {
  std::string_view domain;  ///< qualifies "joe" and "joe (Joe Doe)" to joe@domain
  bool add_missing = true;
  bool remove_bcc = true;
  bool add_sender = false;
};

struct submission_facts {
  queue_id id;
  wall_time arrival;
  std::string_view reverse_path;  ///< "" = null
  std::string_view user;          ///< of AUTH, "" = none
  bool smtputf8 = false;
};

/// `header`: the header section with its CRLF line ends, without the empty line; the result takes
/// its place. A header that cannot be understood is returned as it was.
std::string complete_header(std::string_view header, const submission_rules& rules,
                            const submission_facts& facts);

/// "Thu, 06 Aug 2026 10:11:12 +0000"
std::string date_text(wall_time at);

}  // namespace relais::message
