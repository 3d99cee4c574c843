// Rows of the field table: TLS towards clients.
#include "config/field_parts.hpp"

namespace relais::config {
namespace {

constexpr std::array table{
    field{.key = "tls.certificates",
          .at = to<&settings::tls, &tls_settings::certificates>,
          .doc = "Certificates of this host; clients get the one that fits the name they ask for "
                 "and the keys they know, else the first."},
    field{.key = "tls.minimum_version",
          .at = to<&settings::tls, &tls_settings::minimum_version>,
          .doc = "The oldest TLS version: 1.0, 1.1, 1.2 or 1.3; also written TLSv1.2 and so on.",
          .check = check_minimum_version},
    field{.key = "tls.ciphers",
          .at = to<&settings::tls, &tls_settings::ciphers>,
          .doc = "Cipher suites of TLS 1.2 and older, in the words of OpenSSL; \"\" = good ones.",
          .check = check_one_word,
          .form = "cipher list"},
    field{.key = "tls.client_ca_file",
          .at = to<&settings::tls, &tls_settings::client_ca_file>,
          .doc = "Certificates (PEM) of those who certify clients; \"\" = no client certificate is "
                 "valid by itself.",
          .form = "path"},
    field{.key = "tls.ticket_rotation",
          .at = to<&settings::tls, &tls_settings::ticket_rotation>,
          .doc = "How often the key of session tickets changes; 0 = no tickets.",
          .range = {ns(1min), ns(24h * 7), {}, true}},
};

constexpr std::array certificate_table{
    field{.key = "certificate",
          .at = to<&certificate_settings::certificate>,
          .doc = "A file (PEM) with the certificate and its chain.",
          .form = "path",
          .may_be_empty = false,
          .is_required = true},
    field{.key = "key",
          .at = to<&certificate_settings::key>,
          .doc = "A file (PEM) with its private key; \"\" = in the same file.",
          .form = "path"},
};

}  // namespace

std::span<const field> tls_fields() {
  return table;
}

template <>
const item_type& items_of<certificate_settings>() {
  static constexpr item_type type{
      .name = "certificate",
      .fields = certificate_table,
      .short_key = "certificate",
      .examples =
          "{certificate: /etc/relais/ecdsa.pem, key: /etc/relais/ecdsa.key}\n"
          "{certificate: /etc/relais/rsa-with-key.pem}"};
  return type;
}

}  // namespace relais::config
