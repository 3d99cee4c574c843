// The address lists of header fields (RFC 5322 3.4, 4.4; RFC 6532): which mailboxes a value names,
// and where. Quoted strings, comments, groups, routes and folds are understood; nothing is decoded
// or rewritten but for a domain that is put behind a bare local-part.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace relais::message {

struct listed_mailbox {
  std::string local_part;
  std::string domain;            ///< "" of a bare one
  std::size_t local_part_end{};  ///< offset in the value
};

/// The mailboxes of a From, To, Sender... value, in order. What has no address that could be used
/// (`Joe Doe`, `<>`, a lone encoded word) is left out. Nothing: quotes, comments, brackets or
/// groups are not closed, or a control is inside.
std::optional<std::vector<listed_mailbox>> mailboxes(std::string_view value);

/// `value` with "@domain" behind each bare local-part. Nothing: there is none, the value is
/// malformed, or a line would become too long (RFC 5322 2.1.1). A local-part that is not ASCII
/// stays bare without `utf8`.
std::optional<std::string> qualified_addresses(std::string_view value, std::string_view domain,
                                               bool utf8);

}  // namespace relais::message
