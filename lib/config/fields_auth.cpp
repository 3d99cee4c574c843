// Rows of the field table: logins of clients, and what is done with the messages of users.
#include "config/field_parts.hpp"

namespace relais::config {
namespace {

constexpr std::array auth_table{
    field{.key = "auth.mechanisms",
          .at = to<&settings::auth, &auth_settings::mechanisms>,
          .doc =
              "SASL mechanisms that may be offered, best first; each only where a connection and "
              "the means below allow it.",
          .check = check_mechanism,
          .form = "SASL mechanism",
          .normal = to_upper},
    field{.key = "auth.users_file",
          .at = to<&settings::auth, &auth_settings::users_file>,
          .doc = "A file of users and their passwords, kept by relaisctl user; \"\" = none.",
          .form = "path"},
    field{.key = "auth.pam_service",
          .at = to<&settings::auth, &auth_settings::pam_service>,
          .doc = "The PAM service (/etc/pam.d/NAME) that checks passwords; \"\" = none.",
          .check = check_service_name,
          .form = "service name"},
    field{.key = "auth.dovecot_socket",
          .at = to<&settings::auth, &auth_settings::dovecot_socket>,
          .doc = "The socket of Dovecot's auth service that checks passwords; \"\" = none.",
          .check = check_socket_path,
          .form = "path"},
    field{.key = "auth.certificates",
          .at = to<&settings::auth, &auth_settings::certificates>,
          .doc = "Client certificates that stand for a user (EXTERNAL); needs a listener with "
                 "client_certificates."},
    field{.key = "auth.without_tls",
          .at = to<&settings::auth, &auth_settings::without_tls>,
          .doc = "Offer PLAIN and LOGIN also on connections that are not encrypted."},
    field{.key = "auth.legacy_line",
          .at = to<&settings::auth, &auth_settings::legacy_line>,
          .doc = "Announce AUTH=PLAIN LOGIN besides, for very old mail programs."},
    field{.key = "auth.failures_per_connection",
          .at = to<&settings::auth, &auth_settings::failures_per_connection>,
          .doc = "Failed logins before a connection is closed.",
          .range = {1, 1000}},
    field{.key = "auth.failures_per_client",
          .at = to<&settings::auth, &auth_settings::failures_per_client>,
          .doc = "Failed logins from one address within failure_window; further ones are refused "
                 "unseen; 0 = no limit.",
          .range = {0, million}},
    field{.key = "auth.failure_window",
          .at = to<&settings::auth, &auth_settings::failure_window>,
          .doc = "The time in which those are counted.",
          .range = {ns(1s), ns(24h * 7)}},
    field{.key = "auth.failure_delay",
          .at = to<&settings::auth, &auth_settings::failure_delay>,
          .doc = "The wait before a failed login is answered; doubled with each failure of the "
                 "connection, up to 16 s.",
          .range = {0, ns(16s)}},
    field{.key = "auth.bind_sender",
          .at = to<&settings::auth, &auth_settings::bind_sender>,
          .doc = "Users may send only as the senders that the users file allows them; without any "
                 "there, as their own address, or their own name at any domain; false = as "
                 "anybody."},

    field{.key = "auth.tokens.introspection_url",
          .at = to<&settings::auth, &auth_settings::tokens, &token_settings::introspection_url>,
          .doc = "Where the authorization server tells whether a token is good (RFC 7662); \"\" = "
                 "it is not asked.",
          .check = check_url,
          .form = "URL"},
    field{.key = "auth.tokens.client_id",
          .at = to<&settings::auth, &auth_settings::tokens, &token_settings::client_id>,
          .doc = "Our account there.",
          .form = "text"},
    field{.key = "auth.tokens.client_secret",
          .at = to<&settings::auth, &auth_settings::tokens, &token_settings::client_secret>,
          .doc = "The secret of that account, best given as ${NAME} from the environment.",
          .form = "text",
          .is_secret = true,
          .in_file = "auth.tokens.client_secret_file"},
    field{.key = "auth.tokens.client_secret_file",
          .at = to<&settings::auth, &auth_settings::tokens, &token_settings::client_secret_file>,
          .doc = "A file that holds the secret, not writable by everybody; excludes client_secret.",
          .form = "path"},
    field{.key = "auth.tokens.jwt_keys_file",
          .at = to<&settings::auth, &auth_settings::tokens, &token_settings::jwt_keys_file>,
          .doc = "The keys that tokens are signed with: a JSON Web Key Set (RFC 7517); \"\" = "
                 "none.",
          .form = "path"},
    field{.key = "auth.tokens.issuer",
          .at = to<&settings::auth, &auth_settings::tokens, &token_settings::issuer>,
          .doc = "The claim iss must be this; \"\" = any.",
          .form = "text"},
    field{.key = "auth.tokens.audience",
          .at = to<&settings::auth, &auth_settings::tokens, &token_settings::audience>,
          .doc = "The claim aud must hold this; \"\" = any.",
          .form = "text"},
    field{.key = "auth.tokens.user_claim",
          .at = to<&settings::auth, &auth_settings::tokens, &token_settings::user_claim>,
          .doc = "The claim that names the user.",
          .check = check_one_word,
          .form = "claim",
          .may_be_empty = false},
};

constexpr std::array login_table{
    field{.key = "fingerprint",
          .at = to<&certificate_login::fingerprint>,
          .doc = "SHA-256 of the certificate: 64 hexadecimal digits, colons between them or not.",
          .check = check_fingerprint,
          .form = "SHA-256 fingerprint",
          .may_be_empty = false,
          .is_required = true,
          .normal = normal_fingerprint},
    field{.key = "user",
          .at = to<&certificate_login::user>,
          .doc = "Whom it stands for.",
          .form = "user",
          .may_be_empty = false,
          .is_required = true},
};

constexpr std::array submission_table{
    field{.key = "submission.domain",
          .at = to<&settings::submission, &submission_settings::domain>,
          .doc = "Completes addresses without a domain; \"\" = hostname.",
          .check = check_host_name,
          .form = "domain",
          .normal = to_lower},
    field{.key = "submission.add_missing",
          .at = to<&settings::submission, &submission_settings::add_missing>,
          .doc = "Add the fields Date, Message-ID and From where they are missing."},
    field{.key = "submission.remove_bcc",
          .at = to<&settings::submission, &submission_settings::remove_bcc>,
          .doc = "Remove the field Bcc."},
    field{.key = "submission.add_sender",
          .at = to<&settings::submission, &submission_settings::add_sender>,
          .doc = "Add a field Sender where From is not an address of the user."},
    field{.key = "submission.longest_hold",
          .at = to<&settings::submission, &submission_settings::longest_hold>,
          .doc = "Users may ask that a message waits before it is sent (FUTURERELEASE, RFC 4865), "
                 "but no longer than this.",
          .range = lifetime_range},
};

}  // namespace

std::span<const field> auth_fields() {
  return auth_table;
}

std::span<const field> submission_fields() {
  return submission_table;
}

template <>
const item_type& items_of<certificate_login>() {
  static constexpr item_type type{
      .name = "certificate login",
      .fields = login_table,
      .short_key = {},
      .examples =
          "{fingerprint: "
          "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08, user: printer}"};
  return type;
}

}  // namespace relais::config
