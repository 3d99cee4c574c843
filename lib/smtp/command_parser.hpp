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
  bdat,
  starttls,
  auth,
  xclient,
  xforward,
  unimplemented,  ///< TURN, SEND, SOML, SAML, ETRN
  unknown,
  // No commands, but they take their place in the order of a session.
  end_of_data,  ///< the end of the content
  end_of_auth,  ///< the end of a SASL exchange
  count_
};

struct command {
  verb what = verb::unknown;
  std::string_view name;      ///< upper case, "UNKNOWN" for what is no command; lives forever
  std::string_view argument;  ///< trimmed; lives as long as the line
};

command parse_command(std::string_view line) noexcept;
/// A command that is known, whether served or not.
bool is_command_word(std::string_view word) noexcept;

/// Printable ASCII and tabs only. Addresses may also hold octets above 127, until the path is
/// parsed.
bool has_invalid_octets(std::string_view line, bool high_allowed) noexcept;

/// "GET / HTTP/1.1": a browser or a server that was talked into speaking to us (threats:
/// cross-protocol requests). Any method, as long as it is none of our commands; a lone GET is just
/// an unknown command.
bool is_http_request(std::string_view line) noexcept;

struct path_argument {
  std::optional<reply_id> error;
  std::string_view parameters;  ///< what stands behind the path, trimmed
};

/// What of a bare local-part: ("FROM:<root>").
enum class bare_names : std::uint8_t { refused, allowed };

/// "FROM:<path> parameters" or "TO:<path> parameters". Blanks around the path are tolerated, and so
/// is a path without brackets.
/// `names` refused: a bare local-part is an error of its own, and `into` holds it all the same.
path_argument parse_path_argument(std::string_view argument, path_kind kind, bare_names names,
                                  parsed_path& into);

struct chunk_argument {
  std::uint64_t size = 0;
  bool is_last = false;
};
/// "SIZE [LAST]" of BDAT (RFC 3030 2), at most 63 bits.
std::optional<chunk_argument> parse_chunk_argument(std::string_view argument) noexcept;

}  // namespace relais::smtp
