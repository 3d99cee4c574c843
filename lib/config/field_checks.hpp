// Checks of single values that their type cannot express; each returns "" or the end of a sentence
// that begins with the quoted value. And the forms in which values are kept that people write in
// several ways. Internal to config/.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace relais::config {

std::string check_host_name(std::string_view text);
std::string check_user_name(std::string_view text);
/// "example.org", or ".example.org" for the subdomains, too.
std::string check_domain(std::string_view text);
/// "mail.example.org", or ".example.org" for what is below that.
std::string check_name_pattern(std::string_view text);
/// A domain that is looked up, never with a leading dot.
std::string check_zone(std::string_view text);
std::string check_smarthost(std::string_view text);
/// What a route's next_hops and fallback hold.
std::string check_next_hop(std::string_view text);
/// Of a route whose action is error.
std::string check_error_text(std::string_view text);
std::string check_reply_pattern(std::string_view text);
std::string check_ipv4(std::string_view text);
std::string check_ipv6(std::string_view text);
/// All words of TLS towards next hops but "auto" and "fingerprint", which only routes have.
std::string check_delivery_tls(std::string_view text);
/// An address for mail: a@example.org.
std::string check_mail_address(std::string_view text);
/// The address of a listener, and the form in which listeners show theirs.
std::string check_listen_address(std::string_view text);
std::string normal_listen_address(std::string_view text);
/// An address and a port of this host: 127.0.0.1:9025, [::1]:9025.
std::string check_endpoint(std::string_view text);
/// Networks so wide that trusting them makes an open relay.
std::string check_trusted_network(std::string_view text);
/// An absolute path that fits into the address of a UNIX socket.
std::string check_socket_path(std::string_view text);
std::string check_url(std::string_view text);
/// The name of a PAM service: of a file, without slashes.
std::string check_service_name(std::string_view text);

/// Printable ASCII without blanks, at least one character.
std::string check_one_word(std::string_view text);
std::string check_not_blank(std::string_view text);
/// Replies are ASCII, and few enough octets for one line (RFC 5321 4.5.3.1.5).
std::string check_reply_text(std::string_view text);
std::string check_reply_name(std::string_view text);
/// All versions but "auto", which has nothing to fall back to.
std::string check_minimum_version(std::string_view text);

/// EHLO keywords and SASL mechanisms that relais knows; no case.
std::string check_extension(std::string_view text);
std::string check_mechanism(std::string_view text);
std::span<const std::string_view> extension_keywords();
std::span<const std::string_view> mechanism_names();

/// 32 octets in hexadecimal digits of either case, with a colon between each two or none at all.
std::string check_fingerprint(std::string_view text);
/// 64 lower hexadecimal digits.
std::string normal_fingerprint(std::string_view text);

/// As check_address_pattern, but "<>".
std::string check_recipient_pattern(std::string_view text);
/// "a@b.example", "b.example", ".example", "user@", "<>"; the local part is any that SMTP can say.
std::string check_address_pattern(std::string_view text);
/// The domain in lower case, the local part as it is.
std::string normal_address_pattern(std::string_view text);
/// What a DNS list answers: within 127.0.0.0/8 (RFC 5782 2.1).
std::string check_list_answer(std::string_view text);

std::string to_upper(std::string_view text);

}  // namespace relais::config
