#include "auth/scram.hpp"

#include <algorithm>

#include "auth/gs2.hpp"
#include "base/text.hpp"

namespace relais::auth {
namespace {

using enum mechanism_step::kind;

constexpr std::size_t longest_client_nonce = 256;
constexpr std::size_t key_size = 32;

std::string exclusive_or(std::string a, std::string_view b) {
  for (std::size_t i = 0; i < a.size(); ++i) a[i] = static_cast<char>(a[i] ^ b[i]);
  return a;
}

/// RFC 5802 7: printable ASCII but for the comma.
bool is_nonce(std::string_view text) noexcept {
  return !text.empty() && text.size() <= longest_client_nonce &&
         std::ranges::all_of(text, [](char c) { return c >= 0x21 && c <= 0x7e && c != ','; });
}

/// "x=value" with that letter; none otherwise.
std::optional<std::string_view> attribute(std::string_view text, char letter) {
  if (text.size() < 2 || text[0] != letter || text[1] != '=') return {};
  return text.substr(2);
}

class scram final : public mechanism {
 public:
  explicit scram(scram_options options) : options_(std::move(options)) {}
  mechanism_step advance(std::optional<std::string_view> response) override;

 private:
  mechanism_step first(std::string_view message);
  mechanism_step last(std::string_view message);
  const char* objection_to(const gs2_header& header);

  enum class state : std::uint8_t { first, last, confirmed } state_ = state::first;
  scram_options options_;
  scram_record record_;
  std::string expected_binding_;  // gs2 header and the binding's data, as "c=" must say in base64
  std::string nonce_, auth_message_;
};

mechanism_step scram::advance(std::optional<std::string_view> response) {
  if (!response) {
    return state_ == state::first ? mechanism_step(challenge, "")
                                  : mechanism_step(refused, "malformed SCRAM response");
  }
  switch (state_) {
    case state::first: return first(*response);
    case state::last: return last(*response);
    case state::confirmed: break;
  }
  // The client has seen our signature; it has nothing more to say (RFC 4954 4).
  if (!response->empty()) return {refused, "malformed SCRAM response"};
  return {accepted, user_};
}

/// Null: none. Otherwise expected_binding_ is set.
const char* scram::objection_to(const gs2_header& header) {
  if (!options_.plus) {
    if (header.binding == gs2_header::flag::bound) return "SCRAM with a binding, but without -PLUS";
    if (header.binding == gs2_header::flag::not_seen && options_.binding_offered) {
      return "SCRAM downgrade: the client did not see -PLUS";
    }
    return nullptr;
  }
  if (header.binding != gs2_header::flag::bound) return "SCRAM-PLUS without a binding";
  const auto& data = header.binding_name == "tls-exporter"           ? options_.tls_exporter
                     : header.binding_name == "tls-server-end-point" ? options_.tls_end_point
                                                                     : std::string();
  if (data.empty()) return "SCRAM-PLUS with a binding that is not to be had";
  expected_binding_ += data;
  return nullptr;
}

mechanism_step scram::first(std::string_view message) {
  const auto header = parse_gs2_header(message);
  if (!header) return {refused, "malformed SCRAM header"};
  expected_binding_ = message.substr(0, header->length);
  if (const char* objection = objection_to(*header)) return {refused, objection};

  // client-first-message-bare: n=user,r=nonce with extensions behind; "m=" in front is mandatory
  // and unknown.
  const auto bare = message.substr(header->length);
  const auto parts = split(bare, ',');
  if (parts.size() < 2) return {refused, "malformed SCRAM message"};
  const auto name = decode_saslname(attribute(parts[0], 'n').value_or(""));
  const auto nonce = attribute(parts[1], 'r').value_or("");
  if (!name || !is_nonce(nonce)) return {refused, "malformed SCRAM message"};
  user_ = *name;
  if (!header->authzid.empty() && header->authzid != user_) {
    return {refused, "wants to act as somebody else"};
  }
  record_ = options_.find(user_);
  nonce_ = std::string(nonce) + options_.nonce;
  auto answer = "r=" + nonce_ + ",s=" + base64_encode(record_.salt) +
                ",i=" + std::to_string(record_.iterations);
  auth_message_ = std::string(bare) + "," + answer + ",";
  state_ = state::last;
  return {challenge, std::move(answer)};
}

mechanism_step scram::last(std::string_view message) {
  const auto comma = message.rfind(",p=");
  if (comma == std::string_view::npos) return {refused, "malformed SCRAM proof"};
  const auto without_proof = message.substr(0, comma);
  const auto proof = base64_decode(message.substr(comma + 3));
  const auto parts = split(without_proof, ',');
  if (!proof || proof->size() != key_size || parts.size() < 2) {
    return {refused, "malformed SCRAM proof"};
  }
  const auto binding = base64_decode(attribute(parts[0], 'c').value_or("!"));
  if (!binding || !equal_in_constant_time(*binding, expected_binding_)) {
    return {refused, "SCRAM channel binding does not match"};
  }
  if (attribute(parts[1], 'r').value_or("") != nonce_)
    return {refused, "SCRAM nonce does not match"};

  auth_message_ += without_proof;
  const auto client_key = exclusive_or(*proof, hmac_sha256(record_.stored_key, auth_message_));
  if (!equal_in_constant_time(sha256(client_key), record_.stored_key)) {
    return {refused, "wrong password"};
  }
  state_ = state::confirmed;
  return {challenge, "v=" + base64_encode(hmac_sha256(record_.server_key, auth_message_))};
}

}  // namespace

std::string scram_record::text() const {
  return std::string(scram_prefix) + std::to_string(iterations) + "," + base64_encode(salt) + "," +
         base64_encode(stored_key) + "," + base64_encode(server_key);
}

std::optional<scram_record> parse_scram_record(std::string_view text) {
  if (!text.starts_with(scram_prefix)) return {};
  const auto parts = split(text.substr(scram_prefix.size()), ',');
  if (parts.size() != 4) return {};
  const auto iterations = parse_number(parts[0]);
  const auto salt = base64_decode(parts[1]), stored = base64_decode(parts[2]),
             server = base64_decode(parts[3]);
  if (!iterations || *iterations == 0 || *iterations > largest_scram_iterations || !salt ||
      salt->empty() || salt->size() > 255 || !stored || stored->size() != key_size || !server ||
      server->size() != key_size) {
    return {};
  }
  return scram_record{static_cast<unsigned>(*iterations), *salt, *stored, *server};
}

scram_record make_scram_record(const secret& password, std::string salt, unsigned iterations) {
  auto salted = pbkdf2_sha256(password.text(), salt, iterations);
  auto client_key = hmac_sha256(salted, "Client Key");
  scram_record made{iterations, std::move(salt), sha256(client_key),
                    hmac_sha256(salted, "Server Key")};
  wipe(salted);
  wipe(client_key);
  return made;
}

bool password_matches(const secret& password, const scram_record& record) {
  const auto made = make_scram_record(password, record.salt, record.iterations);
  return equal_in_constant_time(made.stored_key, record.stored_key);
}

std::unique_ptr<mechanism> make_scram(scram_options options) {
  return std::make_unique<scram>(std::move(options));
}

}  // namespace relais::auth
