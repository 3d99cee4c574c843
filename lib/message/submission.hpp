// Completes the header of a message that was submitted by a mail program, not relayed by another
// MTA (RFC 6409 8): Date, Message-ID and From where they are missing, Bcc removed, bare local
// addresses qualified, Sender. The body is never touched; fields that are right stay octet for
// octet. Pure.
#pragma once

#include <cstddef>
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

/// The result is at most so many octets longer than the header was: where qualified addresses would
/// make it longer, all stay as they are.
inline constexpr std::size_t most_growth = 16 * 1024;

/// `header`: the header section with its CRLF line ends, without the empty line; the result takes
/// its place. A header that cannot be understood is returned as it was; an mbox separator ("From
/// joe Sat Nov 21...") in front of it is dropped. Of a message that was resent (RFC 5322 3.6.6)
/// only the topmost block of Resent fields is completed, if it has a Resent-From.
std::string complete_header(std::string_view header, const submission_rules& rules,
                            const submission_facts& facts);

}  // namespace relais::message
