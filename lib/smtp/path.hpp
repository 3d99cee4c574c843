// A mail address of the envelope (RFC 5321 4.1.2), parsed once and kept as (local-part, domain).
// It is never decoded and never rewritten: a quoted local-part stays quoted, case is kept. A path
// cannot hold CR, LF, NUL or any other control, so nothing that is printed from it can inject a
// line. Not responsible for what an address means (policy) or where it leads (routes).
#pragma once

#include <string>
#include <string_view>

#include "base/result.hpp"

namespace relais::smtp {

class path {
 public:
  path() = default;  ///< the null reverse-path <>
  const std::string& local_part() const noexcept { return local_part_; }
  /// As sent; a literal keeps its brackets; empty for <> and for the bare <postmaster>.
  const std::string& domain() const noexcept { return domain_; }
  bool is_null() const noexcept { return local_part_.empty(); }
  bool is_domain_literal() const noexcept { return domain_.starts_with('['); }
  /// Any octet above 127 (RFC 6531); valid UTF-8 is guaranteed.
  bool needs_smtputf8() const noexcept;
  /// "local@domain", "postmaster", or "" for the null path. No angle brackets.
  std::string text() const;

  /// Local-parts compare by octets, domains without regard to ASCII case.
  friend bool operator==(const path& a, const path& b) noexcept;

 private:
  friend struct path_access;
  std::string local_part_;
  std::string domain_;
};

/// What a path stood in: both grammars differ in <> and <postmaster>.
enum class path_kind { reverse, forward };

struct parsed_path {
  path address;
  std::size_t length = 0;  ///< octets of input that the path took, brackets included
  bool bare = false;       ///< without angle brackets: tolerated (printers, hand-typed sessions)
  bool source_route =
      false;  ///< <@one,@two:joe@three>: accepted and stripped (RFC 5321 appendix F.2)
};

/// Parses the path that `text` begins with (behind "FROM:" or "TO:" and optional blanks). Limits:
/// local-part 64, domain 255, path 256 octets with its brackets and without a source route
/// (RFC 5321 4.5.3.1). UTF-8 is accepted syntactically, the caller decides whether SMTPUTF8 was
/// declared. What follows the path is the caller's to check. Errors: errc::syntax.
result<parsed_path> parse_path(std::string_view text, path_kind kind);
/// The same into an object whose strings are used again: no allocation from command to command.
/// After an error `into` holds nothing of use.
error_code parse_path(std::string_view text, path_kind kind, parsed_path& into);

/// A local-part without a domain ("<root>", "root"): what parse_path refuses but for <postmaster>.
/// The caller qualifies it.
error_code parse_bare_name(std::string_view text, parsed_path& into);

/// "local@domain" without brackets, as written in configuration and stored by the spool; "" is
/// null.
result<path> parse_address(std::string_view text);

/// A host name or domain: letters, digits, hyphens, underscores (seen in the wild), dots; labels
/// 1-63 octets, 255 in all; UTF-8 letters allowed. No trailing dot, no hyphen at either end of a
/// label.
bool is_domain(std::string_view text) noexcept;
/// [192.0.2.1], [IPv6:2001:db8::1]
bool is_address_literal(std::string_view text) noexcept;

}  // namespace relais::smtp
