// What the names that a client brings must be: the argument of HELO/EHLO, its own name in DNS, the
// domains of its addresses. Pure: judges what look-ups have found.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "config/settings.hpp"
#include "smtp/path.hpp"
#include "smtp/replies.hpp"

namespace relais::policy {

/// What one look-up said.
enum class looked_up : std::uint8_t { found, no_name, no_record, failed };

/// A host name with a dot, or an address literal (RFC 5321 2.3.5, 4.1.1.1); neither is a bare IP
/// address, nor what only a LAN knows.
bool is_hello_syntax(std::string_view hello) noexcept;

enum class domain_state : std::uint8_t { good, null_mx, unknown, unresolved };

/// Whether mail for a domain can go anywhere (RFC 5321 5.1). `null_mx`: the MX answer was that
/// (RFC 7505). The answers about addresses only count where there is no MX record.
domain_state judge_domain(looked_up mx, bool null_mx, looked_up v4, looked_up v6) noexcept;
/// Whether judge_domain() will look at addresses.
bool needs_addresses(looked_up mx) noexcept;

/// Paths without a domain to look up: null, bare <postmaster>, literals.
bool has_domain_in_dns(const smtp::path& address) noexcept;

std::optional<smtp::reply_id> refusal_of_sender(domain_state domain) noexcept;
std::optional<smtp::reply_id> refusal_of_recipient(domain_state domain) noexcept;

/// `name`: confirmed, or "unknown"; `unconfirmed`: what the reverse look-up said, or "".
std::optional<smtp::reply_id> refusal_of_client_name(config::reverse_dns_check check,
                                                     std::string_view name,
                                                     std::string_view unconfirmed,
                                                     bool lookup_failed) noexcept;

}  // namespace relais::policy
