// Which words are commands, and how MAIL and RCPT carry their path (RFC 5321 4.1.1.2, 4.1.1.3).
#include "smtp/command_parser.hpp"

#include <algorithm>
#include <array>
#include <limits>

#include "base/text.hpp"

namespace relais::smtp {

namespace {

struct word {
  std::string_view name;
  verb what;
};

// Ordered by how often they come.
constexpr std::array words{
    word{"RCPT", verb::rcpt},          word{"MAIL", verb::mail},
    word{"DATA", verb::data},          word{"EHLO", verb::ehlo},
    word{"QUIT", verb::quit},          word{"BDAT", verb::bdat},
    word{"RSET", verb::rset},          word{"STARTTLS", verb::starttls},
    word{"AUTH", verb::auth},          word{"HELO", verb::helo},
    word{"NOOP", verb::noop},          word{"VRFY", verb::vrfy},
    word{"HELP", verb::help},          word{"EXPN", verb::expn},
    word{"XCLIENT", verb::xclient},    word{"XFORWARD", verb::xforward},
    word{"TURN", verb::unimplemented}, word{"SEND", verb::unimplemented},
    word{"SOML", verb::unimplemented}, word{"SAML", verb::unimplemented},
    word{"ETRN", verb::unimplemented},
};

constexpr bool is_blank(char c) noexcept {
  return c == ' ' || c == '\t';
}

std::string_view first_word(std::string_view line) noexcept {
  return line.substr(0, line.find_first_of(" \t"));
}

}  // namespace

command parse_command(std::string_view line) noexcept {
  const auto name = first_word(line);
  const auto* found =
      std::ranges::find_if(words, [&](const word& w) { return iequals(w.name, name); });
  if (found == words.end()) return {verb::unknown, "UNKNOWN", {}};
  return {found->what, found->name, trimmed(line.substr(name.size()))};
}

bool is_command_word(std::string_view text) noexcept {
  return std::ranges::any_of(words, [&](const word& w) { return iequals(w.name, text); });
}

bool has_invalid_octets(std::string_view line, bool high_allowed) noexcept {
  return std::ranges::any_of(line, [&](char c) {
    const bool high = static_cast<unsigned char>(c) > 0x7f;
    return high ? !high_allowed : is_control(c) && c != '\t';
  });
}

bool is_http_request(std::string_view line) noexcept {
  constexpr std::string_view version = " HTTP/";
  if (parse_command(line).what != verb::unknown) return false;
  const auto at = line.rfind(version);
  if (at == std::string_view::npos) return false;
  const auto number = trimmed(line.substr(at + version.size()));
  return !number.empty() &&
         std::ranges::all_of(number, [](char c) { return is_digit(c) || c == '.'; });
}

path_argument parse_path_argument(std::string_view argument, path_kind kind, bare_names names,
                                  parsed_path& into) {
  const bool reverse = kind == path_kind::reverse;
  const std::string_view keyword = reverse ? "FROM:" : "TO:";
  if (!istarts_with(argument, keyword)) return {reply_id::syntax_argument, {}};
  const auto text = trimmed(argument.substr(keyword.size()));
  const auto bad_path = reverse ? reply_id::sender_syntax : reply_id::recipient_syntax;
  const bool is_path = !parse_path(text, kind, into);
  if (!is_path && parse_bare_name(text, into)) return {bad_path, {}};
  const auto behind = text.substr(into.length);
  if (!behind.empty() && !is_blank(behind.front())) return {bad_path, {}};
  if (!is_path && names == bare_names::refused) {
    return {reverse ? reply_id::sender_name_not_allowed : reply_id::recipient_name_not_allowed, {}};
  }
  return {{}, trimmed(behind)};
}

std::optional<chunk_argument> parse_chunk_argument(std::string_view argument) noexcept {
  const auto digits = first_word(argument);
  const auto rest = trimmed(argument.substr(digits.size()));
  const auto size = parse_number(digits);
  if (!size || *size > std::numeric_limits<std::int64_t>::max()) return {};
  if (!rest.empty() && !iequals(rest, "LAST")) return {};
  return chunk_argument{*size, !rest.empty()};
}

}  // namespace relais::smtp
