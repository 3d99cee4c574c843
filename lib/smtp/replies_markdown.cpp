// docs/replies.md: the reply table for people.
#include <fmt/format.h>

#include "smtp/replies.hpp"

namespace relais::smtp {
namespace {

constexpr std::string_view introduction =
    "# Replies\n"
    "\n"
    "Every reply that relais gives to an SMTP client. This page is made from the table in\n"
    "`lib/smtp/replies.cpp` and from `tests/support/reply_tests.hpp`; a test compares them, and\n"
    "`RELAIS_REGENERATE=1 build/dev/tests/unit_smtp` writes it anew.\n"
    "\n"
    "`{}` stands for what the reply is about: an address, a queue id, our host name. An enhanced "
    "code\n"
    "is sent to clients that said EHLO. The text of a reply can be replaced in the configuration "
    "by\n"
    "its name (`replies`, see configuration.md); its code cannot. Of each reply the last column "
    "names\n"
    "the test that provokes it.\n"
    "\n"
    "| name | reply | when | RFC | test |\n"
    "|---|---|---|---|---|\n";

/// What would end a cell of the table, or be taken for markup.
std::string cell(std::string_view text) {
  std::string shown;
  for (const char c : text) {
    if (c == '|') shown += '\\';
    shown += c;
  }
  return shown;
}

}  // namespace

std::string replies_markdown(std::string_view (*test_of)(reply_id)) {
  std::string page(introduction);
  for (const auto& reply : reply_table()) {
    const auto* blank = reply.enhanced.empty() ? "" : " ";
    page += fmt::format("| `{}` | `{}{}{} {}` | {} | {} | {} |\n", name_of(reply.id), reply.code,
                        blank, reply.enhanced, cell(reply.text), cell(reply.situation), reply.rfc,
                        cell(test_of(reply.id)));
  }
  return page;
}

}  // namespace relais::smtp
