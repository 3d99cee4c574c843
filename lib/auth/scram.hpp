// SCRAM-SHA-256 and SCRAM-SHA-256-PLUS: what a server keeps of a password, and the server's side
// of the exchange as a sans-I/O mechanism. RFC 5802, RFC 7677; channel bindings of RFC 5929
// (tls-server-end-point) and RFC 9266 (tls-exporter). Preparation of strings is minimal: controls
// and invalid UTF-8 are refused, nothing is mapped (plain ASCII needs no mapping).
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "auth/mechanism.hpp"
#include "auth/secret.hpp"

namespace relais::auth {

constexpr unsigned scram_iterations = 20000;
constexpr unsigned largest_scram_iterations = 10'000'000;

/// "{SCRAM-SHA-256}iterations,salt,stored,server", the last three in base64.
struct scram_record {
  unsigned iterations = 0;
  std::string salt, stored_key, server_key;  ///< octets; keys of 32
  std::string text() const;
  friend bool operator==(const scram_record&, const scram_record&) = default;
};
constexpr std::string_view scram_prefix = "{SCRAM-SHA-256}";

std::optional<scram_record> parse_scram_record(std::string_view text);
scram_record make_scram_record(const secret& password, std::string salt, unsigned iterations);
/// Whether the record is that of this password. Takes long, as hashes do.
bool password_matches(const secret& password, const scram_record& record);

struct scram_options {
  bool plus = false;             ///< -PLUS: the client must bind
  bool binding_offered = false;  ///< -PLUS was announced: "y" is a downgrade (RFC 5802 6)
  std::string tls_exporter, tls_end_point;
  std::string nonce;  ///< the server's part: printable, without comma, fresh for each exchange
  /// Never fails: for unknown users a made-up record, always the same for one name.
  std::function<scram_record(std::string_view user)> find;
};

/// Accepts with the user's name; whether that user exists and is enabled is the caller's to know:
/// the made-up record of an unknown one matches no proof.
std::unique_ptr<mechanism> make_scram(scram_options options);

}  // namespace relais::auth
