// Which words are commands, and how MAIL and RCPT carry their path (RFC 5321 4.1.1.2, 4.1.1.3).
#include "smtp/command_parser.hpp"

#include <algorithm>
#include <array>

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
    word{"QUIT", verb::quit},          word{"HELO", verb::helo},
    word{"RSET", verb::rset},          word{"NOOP", verb::noop},
    word{"VRFY", verb::vrfy},          word{"HELP", verb::help},
    word{"EXPN", verb::expn},          word{"STARTTLS", verb::unimplemented},
    word{"AUTH", verb::unimplemented}, word{"BDAT", verb::unimplemented},
    word{"TURN", verb::unimplemented}, word{"SEND", verb::unimplemented},
    word{"SOML", verb::unimplemented}, word{"SAML", verb::unimplemented},
    word{"ETRN", verb::unimplemented},
};

constexpr std::array<std::string_view, 6> http_methods{"GET",     "POST", "CONNECT",
                                                       "OPTIONS", "PUT",  "HEAD"};

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

bool has_invalid_octets(std::string_view line, bool high_allowed) noexcept {
  return std::ranges::any_of(line, [&](char c) {
    const bool high = static_cast<unsigned char>(c) > 0x7f;
    return high ? !high_allowed : is_control(c) && c != '\t';
  });
}

bool is_http_request(std::string_view line) noexcept {
  const auto method = first_word(line);
  return std::ranges::find(http_methods, method) != http_methods.end() &&
         line.find(" HTTP/", method.size()) != std::string_view::npos;
}

path_argument parse_path_argument(std::string_view argument, path_kind kind, parsed_path& into) {
  const bool reverse = kind == path_kind::reverse;
  const std::string_view keyword = reverse ? "FROM:" : "TO:";
  if (!istarts_with(argument, keyword)) return {reply_id::syntax_argument, {}};
  const auto text = trimmed(argument.substr(keyword.size()));
  const auto bad_path = reverse ? reply_id::sender_syntax : reply_id::recipient_syntax;
  if (parse_path(text, kind, into)) return {bad_path, {}};
  const auto behind = text.substr(into.length);
  if (!behind.empty() && !is_blank(behind.front())) return {bad_path, {}};
  return {{}, trimmed(behind)};
}

}  // namespace relais::smtp
