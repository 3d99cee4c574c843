// The grammar of paths (RFC 5321 4.1.2, 4.1.3, RFC 6531 3.3): one function per rule, each takes its
// part off the front of what is left. Strict on purpose: what two parsers might read differently is
// refused (threats: address parser disagreement). Nothing is decoded, nothing is rewritten but for
// the source route, which is dropped.
#include "smtp/path.hpp"

#include <algorithm>

#include "base/error.hpp"
#include "base/ip.hpp"
#include "base/text.hpp"

namespace relais::smtp {

/// The only way to fill a path: everything that comes in here went through the grammar below.
struct path_access {
  static void assign(path& to, std::string_view local_part, std::string_view domain) {
    to.local_part_.assign(local_part);
    to.domain_.assign(domain);
  }
};

namespace {

// RFC 5321 4.5.3.1.1 to 4.5.3.1.3
constexpr std::size_t local_part_limit = 64;
constexpr std::size_t domain_limit = 255;
constexpr std::size_t path_limit = 256;
constexpr std::size_t label_limit = 63;  // RFC 1035 2.3.4
constexpr std::size_t bracket_octets = 2;

constexpr bool is_high(char c) noexcept {
  return static_cast<unsigned char>(c) >= 0x80;
}

constexpr bool is_atext(char c) noexcept {
  return is_alnum(c) || std::string_view("!#$%&'*+-/=?^_`{|}~").find(c) != std::string_view::npos;
}

/// The length of the UTF-8 character that `text` begins with; 0 for what is none, and for the C1
/// controls: a terminal obeys them like the C0 ones.
std::size_t utf8_character(std::string_view text) noexcept {
  const auto lead = static_cast<unsigned char>(text.front());
  const std::size_t length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (!is_valid_utf8(text.substr(0, length))) return 0;
  if (lead == 0xc2 && static_cast<unsigned char>(text[1]) < 0xa0) return 0;
  return length;
}

/// The longest prefix of `text` made of octets that `allowed` admits and of UTF-8 characters.
template <class Allowed>
std::size_t span_of(std::string_view text, Allowed allowed) noexcept {
  std::size_t at = 0;
  while (at < text.size()) {
    const std::size_t step =
        is_high(text[at]) ? utf8_character(text.substr(at)) : (allowed(text[at]) ? 1U : 0U);
    if (step == 0) break;
    at += step;
  }
  return at;
}

/// Dot-string = Atom *("." Atom); 0 if there is none.
std::size_t dot_string(std::string_view text) noexcept {
  std::size_t at = 0;
  for (;;) {
    const auto atom = span_of(text.substr(at), is_atext);
    if (atom == 0) return 0;
    at += atom;
    if (at == text.size() || text[at] != '.') return at;
    ++at;
  }
}

/// Quoted-string = DQUOTE *QcontentSMTP DQUOTE, quotes included; 0 if there is none.
std::size_t quoted_string(std::string_view text) noexcept {
  const auto is_qtext = [](char c) { return !is_control(c) && c != '"' && c != '\\'; };
  std::size_t at = 1;
  for (;;) {
    at += span_of(text.substr(at), is_qtext);
    if (at == text.size()) return 0;
    if (text[at] == '"') return at + 1;
    if (text[at] != '\\' || at + 1 == text.size()) return 0;
    if (is_control(text[at + 1]) || is_high(text[at + 1])) return 0;
    at += 2;
  }
}

std::size_t local_part(std::string_view text) noexcept {
  if (text.empty()) return 0;
  const auto length = text.front() == '"' ? quoted_string(text) : dot_string(text);
  return length <= local_part_limit ? length : 0;
}

constexpr bool is_domain_octet(char c) noexcept {
  return is_alnum(c) || c == '-' || c == '_' || c == '.';
}

/// A domain or an address literal; 0 if there is none.
std::size_t host(std::string_view text) noexcept {
  if (text.starts_with('[')) {
    const auto end = text.find(']');
    if (end == std::string_view::npos) return 0;
    return is_address_literal(text.substr(0, end + 1)) ? end + 1 : 0;
  }
  const auto length = span_of(text, is_domain_octet);
  return is_domain(text.substr(0, length)) ? length : 0;
}

/// A-d-l ":" = "@one,@two:" (RFC 5321 appendix F.2), colon included; 0 if there is none.
std::size_t source_route(std::string_view text) noexcept {
  std::size_t at = 0;
  while (at < text.size() && text[at] == '@') {
    const auto length = host(text.substr(at + 1));
    if (length == 0) return 0;
    at += 1 + length;
    if (at == text.size()) return 0;
    if (text[at] == ':') return at + 1;
    if (text[at] != ',') return 0;
    ++at;
  }
  return 0;
}

/// Mailbox, or the bare <postmaster> where a recipient may stand; the octets taken, 0 if there is
/// none.
std::size_t mailbox(std::string_view text, path_kind kind, path& into) {
  const auto local = local_part(text);
  if (local == 0) return 0;
  if (local == text.size() || text[local] != '@') {
    // RFC 5321 4.1.1.3
    if (kind != path_kind::forward || !iequals(text.substr(0, local), "postmaster")) return 0;
    path_access::assign(into, text.substr(0, local), {});
    return local;
  }
  const auto domain = host(text.substr(local + 1));
  const auto length = local + 1 + domain;
  if (domain == 0 || length + bracket_octets > path_limit) return 0;
  path_access::assign(into, text.substr(0, local), text.substr(local + 1, domain));
  return length;
}

}  // namespace

bool path::needs_smtputf8() const noexcept {
  return std::ranges::any_of(local_part_, is_high) || std::ranges::any_of(domain_, is_high);
}

std::string path::text() const {
  if (domain_.empty()) return local_part_;
  std::string text;
  text.reserve(local_part_.size() + 1 + domain_.size());
  text.append(local_part_).append(1, '@').append(domain_);
  return text;
}

bool operator==(const path& a, const path& b) noexcept {
  return a.local_part_ == b.local_part_ && iequals(a.domain_, b.domain_);
}

error_code parse_path(std::string_view text, path_kind kind, parsed_path& into) {
  into.source_route = false;
  into.bare = !text.starts_with('<');
  if (into.bare) {
    into.length = mailbox(text, kind, into.address);
    return into.length == 0 ? make_error_code(errc::syntax) : error_code{};
  }
  if (kind == path_kind::reverse && text.starts_with("<>")) {
    path_access::assign(into.address, {}, {});
    into.length = bracket_octets;
    return {};
  }
  std::size_t at = 1;
  if (text.substr(at).starts_with('@')) {
    const auto route = source_route(text.substr(at));
    if (route == 0) return errc::syntax;
    into.source_route = true;
    at += route;
  }
  const auto length = mailbox(text.substr(at), kind, into.address);
  at += length;
  if (length == 0 || at == text.size() || text[at] != '>') return errc::syntax;
  // RFC 5321 appendix F.2: a route leads to a mailbox with a domain, never to the bare
  // <postmaster>.
  if (into.source_route && into.address.domain().empty()) return errc::syntax;
  into.length = at + 1;
  return {};
}

result<parsed_path> parse_path(std::string_view text, path_kind kind) {
  parsed_path parsed;
  if (const auto error = parse_path(text, kind, parsed)) return error;
  return parsed;
}

error_code parse_bare_name(std::string_view text, parsed_path& into) {
  into.source_route = false;
  into.bare = !text.starts_with('<');
  const std::size_t at = into.bare ? 0 : 1;
  const auto length = local_part(text.substr(at));
  const auto end = at + length;
  if (length == 0 || (!into.bare && !text.substr(end).starts_with('>'))) return errc::syntax;
  if (into.bare && text.substr(end).starts_with('@')) return errc::syntax;
  path_access::assign(into.address, text.substr(at, length), {});
  into.length = into.bare ? end : end + 1;
  return {};
}

result<path> parse_address(std::string_view text) {
  path address;
  if (text.empty()) return address;
  if (mailbox(text, path_kind::forward, address) != text.size()) return errc::syntax;
  return address;
}

bool is_domain(std::string_view text) noexcept {
  if (text.empty() || text.size() > domain_limit) return false;
  if (span_of(text, is_domain_octet) != text.size()) return false;
  std::size_t begin = 0;
  for (;;) {
    const auto end = std::min(text.find('.', begin), text.size());
    const auto label = text.substr(begin, end - begin);
    if (label.empty() || label.size() > label_limit) return false;
    if (label.front() == '-' || label.back() == '-') return false;
    if (end == text.size()) return true;
    begin = end + 1;
  }
}

bool is_address_literal(std::string_view text) noexcept {
  if (text.size() < bracket_octets || text.front() != '[' || text.back() != ']') return false;
  text = text.substr(1, text.size() - bracket_octets);
  // RFC 5321 4.1.3. An IPv4-mapped address becomes IPv4 when parsed: the colon tells how it was
  // written.
  constexpr std::string_view tag = "IPv6:";
  if (istarts_with(text, tag)) {
    text.remove_prefix(tag.size());
    return text.find(':') != std::string_view::npos && ip_address::parse(text).has_value();
  }
  return text.find(':') == std::string_view::npos && ip_address::parse(text).has_value();
}

}  // namespace relais::smtp
