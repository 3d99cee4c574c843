// The syntax of command lines (RFC 5321 4.1.1), without a view on when a command is legal (that is
// server_transitions.hpp) or what it means. Verbs and keywords have no case; blanks are spaces and
// tabs; trailing blanks do not count.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "smtp/path.hpp"
#include "smtp/replies.hpp"

namespace relais::smtp {

enum class verb : std::uint8_t {
  helo,
  ehlo,
  mail,
  rcpt,
  data,
  rset,
  noop,
  quit,
  help,
  vrfy,
  expn,
  unimplemented,  ///< a command of an extension that is not offered: STARTTLS, AUTH, BDAT, TURN...
  unknown,
  end_of_data,  ///< no command: the end of the content takes its place in the order of a session
  count_
};

struct command {
  verb what = verb::unknown;
  std::string_view name;      ///< upper case, "UNKNOWN" for what is no command; lives forever
  std::string_view argument;  ///< trimmed; lives as long as the line
};

command parse_command(std::string_view line) noexcept;

/// Printable ASCII and tabs only. Addresses may also hold octets above 127, until the path is
/// parsed.
bool has_invalid_octets(std::string_view line, bool high_allowed) noexcept;

/// "GET / HTTP/1.1": a browser or a server that was talked into speaking to us (threats:
/// cross-protocol requests). A lone GET is just an unknown command.
bool is_http_request(std::string_view line) noexcept;

struct path_argument {
  std::optional<reply_id> error;
  std::string_view parameters;  ///< what stands behind the path, trimmed
};

/// "FROM:<path> parameters" or "TO:<path> parameters". Blanks around the path are tolerated, and so
/// is a path without brackets.
path_argument parse_path_argument(std::string_view argument, path_kind kind, parsed_path& into);

}  // namespace relais::smtp
