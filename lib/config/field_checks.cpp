#include "config/field_checks.hpp"

#include <algorithm>
#include <array>
#include <cstddef>

#include "base/ip.hpp"
#include "base/text.hpp"
#include "config/host_name.hpp"
#include "config/nearest.hpp"
#include "config/smarthost.hpp"

namespace relais::config {
namespace {

// The unit test of inbound/ compares this list with the extensions that there are.
constexpr std::array<std::string_view, 18> extensions{
    "PIPELINING",          "SIZE",        "8BITMIME",  "CHUNKING", "BINARYMIME", "SMTPUTF8",
    "ENHANCEDSTATUSCODES", "DSN",         "STARTTLS",  "AUTH",     "LIMITS",     "REQUIRETLS",
    "FUTURERELEASE",       "MT-PRIORITY", "DELIVERBY", "HELP",     "XCLIENT",    "XFORWARD"};

constexpr std::array<std::string_view, 7> mechanisms{
    "SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", "PLAIN", "LOGIN", "OAUTHBEARER", "XOAUTH2", "EXTERNAL"};

constexpr std::size_t longest_reply = 400;        // with codes and host name, one line of 512
constexpr std::size_t longest_socket_path = 107;  // sockaddr_un
constexpr std::size_t fingerprint_octets = 32;

std::string is_none_of(std::string_view text, std::span<const std::string_view> words,
                       std::string_view what) {
  if (std::ranges::any_of(words, [&](auto word) { return iequals(word, text); })) return {};
  std::string fault = "is no " + std::string(what) + " that relais knows: ";
  if (const auto near = nearest(text, words); !near.empty()) {
    return fault + "did you mean \"" + std::string(near) + "\"?";
  }
  for (const auto word : words) fault += (word == words.front() ? "" : ", ") + std::string(word);
  return fault;
}

bool is_hexadecimal(char c) {
  return is_digit(c) || (ascii_lower(c) >= 'a' && ascii_lower(c) <= 'f');
}

bool is_visible_ascii(char c) {
  return c > ' ' && c < 0x7f;
}

}  // namespace

std::string check_host_name(std::string_view text) {
  if (is_host_name(text)) return {};
  return "is not a host name: letters, digits, hyphens and dots, as in mail.example.org";
}

std::string check_user_name(std::string_view text) {
  const bool good =
      text.size() <= 32 && !text.starts_with('-') && std::ranges::all_of(text, [](char c) {
        return is_alnum(c) || c == '_' || c == '-' || c == '.';
      });
  return good ? "" : "is not a user name: letters, digits, dots, hyphens and underscores";
}

std::string check_domain(std::string_view text) {
  const auto name = text.starts_with('.') ? text.substr(1) : text;
  if (is_host_name(name)) return {};
  return "is not a domain: write example.org, or .example.org for its subdomains, too";
}

std::string check_smarthost(std::string_view text) {
  if (parse_smarthost(text, 25)) return {};
  return "is not a next hop: write relay.example:587 (found by its MX records), "
         "[relay.example]:587 (that very host), [192.0.2.1]:25 or [2001:db8::1]:25";
}

std::string check_endpoint(std::string_view text) {
  if (text.empty() || endpoint::parse(text)) return {};
  return "is not an address and a port: write 127.0.0.1:9025 or [::1]:9025";
}

std::string check_trusted_network(std::string_view text) {
  const auto network = ip_network::parse(text);
  if (!network) return {};  // the type has complained already
  if (network->prefix_length() == 0) {
    return "is the whole internet: relais would be an open relay, which spammers find within "
           "hours; "
           "list the networks of your own hosts";
  }
  const unsigned widest = network->address().is_v6() ? 16 : 8;
  if (network->prefix_length() >= widest) return {};
  return "is far larger than a network of your own can be (at most a /" + std::to_string(widest) +
         "): relais would relay for strangers";
}

std::string check_name_pattern(std::string_view text) {
  if (check_domain(text).empty()) return {};
  return "is not a name: write mail.example.org, or .example.org for all below that";
}

std::string check_zone(std::string_view text) {
  if (is_host_name(text)) return {};
  return "is not a domain: write it as in zen.spamhaus.org";
}

std::string check_socket_path(std::string_view text) {
  if (!text.starts_with('/')) return "is not an absolute path: it must begin with a slash";
  if (text.size() <= longest_socket_path && !text.ends_with('/')) return {};
  return "is no path of a socket: it has " + std::to_string(longest_socket_path) +
         " characters at most, and no slash at its end";
}

std::string check_url(std::string_view text) {
  for (const std::string_view scheme : {"https://", "http://"}) {
    if (!istarts_with(text, scheme)) continue;
    const auto rest = text.substr(scheme.size());
    const auto authority = rest.substr(0, rest.find_first_of("/?#"));
    const bool has_user = authority.find('@') != std::string_view::npos;
    if (!authority.empty() && !has_user && std::ranges::all_of(text, is_visible_ascii)) return {};
  }
  return "is not a URL: write https://host.example/path, without a user and without blanks";
}

std::string check_service_name(std::string_view text) {
  const bool good = !text.starts_with('.') && std::ranges::all_of(text, [](char c) {
    return is_alnum(c) || c == '_' || c == '-' || c == '.';
  });
  return good ? "" : "is not a service name: letters, digits, dots, hyphens and underscores";
}

std::string check_one_word(std::string_view text) {
  if (std::ranges::all_of(text, is_visible_ascii)) return {};
  return "is not one word of printable ASCII characters";
}

std::string check_not_blank(std::string_view text) {
  return trimmed(text) == text ? "" : "begins or ends with a blank";
}

std::string check_reply_text(std::string_view text) {
  const bool ascii =
      std::ranges::all_of(text, [](char c) { return c == ' ' || is_visible_ascii(c); });
  if (!ascii) return "is not printable ASCII, which replies must be";
  if (text.size() <= longest_reply) return {};
  return "is too long for a reply: at most " + std::to_string(longest_reply) + " characters";
}

std::string check_reply_name(std::string_view text) {
  const bool good = std::ranges::all_of(
      text, [](char c) { return is_digit(c) || (c >= 'a' && c <= 'z') || c == '_'; });
  return good ? "" : "is not the name of a reply: docs/replies.md lists them";
}

std::string check_minimum_version(std::string_view text) {
  return text == "auto" ? "is for listeners only: write a version, as 1.2" : "";
}

std::string check_extension(std::string_view text) {
  return is_none_of(text, extensions, "EHLO keyword");
}

std::string check_mechanism(std::string_view text) {
  return is_none_of(text, mechanisms, "SASL mechanism");
}

std::span<const std::string_view> extension_keywords() {
  return extensions;
}

std::span<const std::string_view> mechanism_names() {
  return mechanisms;
}

std::string check_fingerprint(std::string_view text) {
  const auto digits = normal_fingerprint(text);
  bool good =
      digits.size() == 2 * fingerprint_octets && std::ranges::all_of(digits, is_hexadecimal);
  if (good && text.size() != digits.size()) {
    good = text.size() == 3 * fingerprint_octets - 1;
    for (std::size_t i = 2; good && i < text.size(); i += 3) good = text[i] == ':';
  }
  if (good) return {};
  return "is not a SHA-256 fingerprint: 64 hexadecimal digits, as openssl x509 -fingerprint "
         "-sha256 "
         "prints them";
}

std::string normal_fingerprint(std::string_view text) {
  auto digits = to_lower(text);
  std::erase(digits, ':');
  return digits;
}

std::string check_address_pattern(std::string_view text) {
  static constexpr std::string_view fault =
      "is no address pattern: write a@example.org, example.org, .example.org (all below that), "
      "user@ (in any domain) or <>";
  if (text == "<>") return {};
  if (!is_valid_utf8(text) || std::ranges::any_of(text, is_control)) return std::string(fault);
  const auto at = text.rfind('@');
  if (at == std::string_view::npos) {
    return check_domain(text).empty() ? std::string() : std::string(fault);
  }
  const auto local = text.substr(0, at), domain = text.substr(at + 1);
  const bool good = !local.empty() && local.size() <= 64 &&
                    local.find_first_of("<>") == std::string_view::npos &&
                    (local.find(' ') == std::string_view::npos || local.starts_with('"')) &&
                    (domain.empty() || is_host_name(domain));
  return good ? std::string() : std::string(fault);
}

std::string normal_address_pattern(std::string_view text) {
  const auto at = text.rfind('@');
  if (at == std::string_view::npos) return to_lower(text);
  return std::string(text.substr(0, at)) + to_lower(text.substr(at));
}

std::string check_list_answer(std::string_view text) {
  const auto network = ip_network::parse(text);
  if (!network) return {};  // the type has complained already
  static const auto answers = *ip_network::parse("127.0.0.0/8");
  if (network->prefix_length() >= 8 && answers.contains(network->address())) return {};
  return "is not within 127.0.0.0/8, where DNS lists answer (RFC 5782)";
}

std::string to_upper(std::string_view text) {
  std::string upper(text);
  std::ranges::transform(upper, upper.begin(), ascii_upper);
  return upper;
}

}  // namespace relais::config
