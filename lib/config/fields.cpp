#include "config/fields.hpp"

#include <algorithm>
#include <array>
#include <type_traits>

#include "config/field_parts.hpp"

namespace relais::config {
namespace {

constexpr std::array section_docs{
    section_row{"relay", "Who may send mail through this host, and where to."},
    section_row{"tls", "TLS towards clients; without certificates, STARTTLS is not offered."},
    section_row{
        "auth",
        "Logins of clients (AUTH); with no users_file, pam_service, dovecot_socket, tokens or "
        "client certificates, AUTH is not offered."},
    section_row{"auth.tokens", "OAuth 2 access tokens, for OAUTHBEARER and XOAUTH2."},
    section_row{"policy",
                "What clients must pass that are neither trusted nor logged in; rules and rates "
                "also concern the others."},
    section_row{"policy.greylist",
                "A first attempt from a stranger is put off; mail servers come again, most spam "
                "programs do not."},
    section_row{"submission", "How messages of listeners with role submission are completed."},
    section_row{"smarthost", "One next hop for all mail, with credentials if it wants them."},
    section_row{"delivery", "How mail leaves this host."},
    section_row{"retry", "When a delivery that failed for now is tried again."},
    section_row{"report", "What senders are told about mail that is late or lost (RFC 3464)."},
    section_row{"dns", "How names are looked up."},
    section_row{"client_timeout", "Patience with next hops (RFC 5321 4.5.3.2)."},
    section_row{"limits", "What one client, one message and all of them together may use."},
    section_row{"server_timeout", "Patience with clients."},
    section_row{"spool", "Where messages are kept until they are delivered."},
    section_row{
        "http",
        "Probes for monitoring and container platforms, and the socket of relaisctl; no mail "
        "passes here."},
    section_row{"log", "What is written to the log."},
};

std::vector<field> joined() {
  std::vector<field> all;
  for (const auto part : {server_fields(), tls_fields(), auth_fields(), policy_fields(),
                          submission_fields(), delivery_fields(), limit_fields(), spool_fields()}) {
    all.insert(all.end(), part.begin(), part.end());
  }
  return all;
}

}  // namespace

std::string_view field::section() const noexcept {
  const auto dot = key.rfind('.');
  return dot == std::string_view::npos ? std::string_view{} : key.substr(0, dot);
}

std::string_view field::name() const noexcept {
  const auto dot = key.rfind('.');
  return dot == std::string_view::npos ? key : key.substr(dot + 1);
}

bool field::is_list() const noexcept {
  return std::visit([]<class T>(reach<T>) { return is_vector<T> || is_optional<T>; }, at);
}

bool field::is_list_of_maps() const noexcept {
  return items_of(*this) != nullptr;
}

std::span<const field> fields() {
  static const std::vector<field> all = joined();
  return all;
}

const field* find_field(std::string_view key) noexcept {
  const auto all = fields();
  const auto found = std::ranges::find(all, key, &field::key);
  return found == all.end() ? nullptr : &*found;
}

std::span<const section_row> sections() {
  return section_docs;
}

std::string_view section_doc(std::string_view section) noexcept {
  const auto found = std::ranges::find(section_docs, section, &section_row::name);
  return found == section_docs.end() ? std::string_view{} : found->doc;
}

const item_type* items_of(const field& f) noexcept {
  return std::visit(
      []<class T>(reach<T>) -> const item_type* {
        if constexpr (is_vector<T>) {
          if constexpr (list_item<typename T::value_type>) {
            return &items_of<typename T::value_type>();
          }
        }
        return nullptr;
      },
      f.at);
}

}  // namespace relais::config
