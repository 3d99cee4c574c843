// Public keys of a JSON Web Key Set, and signatures by them (RFC 7517, RFC 7518 3 and 6, RFC 8037).
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/param_build.h>

#include <algorithm>
#include <boost/json.hpp>

#include "auth/jwt.hpp"
#include "base/text.hpp"

namespace relais::auth {
namespace {

namespace json = boost::json;

constexpr int weakest_rsa = 2048;
constexpr std::size_t coordinate_size = 32;
constexpr std::size_t most_keys = 100;

struct free_all {
  void operator()(BIGNUM* n) const noexcept { BN_free(n); }
  void operator()(OSSL_PARAM_BLD* b) const noexcept { OSSL_PARAM_BLD_free(b); }
  void operator()(OSSL_PARAM* p) const noexcept { OSSL_PARAM_free(p); }
  void operator()(EVP_PKEY_CTX* c) const noexcept { EVP_PKEY_CTX_free(c); }
  void operator()(EVP_MD_CTX* c) const noexcept { EVP_MD_CTX_free(c); }
  void operator()(ECDSA_SIG* s) const noexcept { ECDSA_SIG_free(s); }
};
template <class T>
using owned = std::unique_ptr<T, free_all>;

const unsigned char* octets_of(std::string_view text) noexcept {
  return reinterpret_cast<const unsigned char*>(text.data());
}

owned<BIGNUM> number(std::string_view octets) {
  return owned<BIGNUM>(BN_bin2bn(octets_of(octets), static_cast<int>(octets.size()), nullptr));
}

std::string text_of(const json::object& object, std::string_view name) {
  const auto* value = object.if_contains(name);
  return value != nullptr && value->is_string() ? std::string(value->get_string()) : std::string();
}

/// base64url octets of a member; "" if there are none.
std::string octets_member(const json::object& object, std::string_view name) {
  return base64url_decode(text_of(object, name)).value_or("");
}

public_key key_from(const char* type, OSSL_PARAM_BLD* builder) {
  const owned<OSSL_PARAM> parameters(OSSL_PARAM_BLD_to_param(builder));
  const owned<EVP_PKEY_CTX> context(EVP_PKEY_CTX_new_from_name(nullptr, type, nullptr));
  EVP_PKEY* made = nullptr;
  if (!parameters || !context || EVP_PKEY_fromdata_init(context.get()) != 1 ||
      EVP_PKEY_fromdata(context.get(), &made, EVP_PKEY_PUBLIC_KEY, parameters.get()) != 1) {
    ERR_clear_error();
    return {};
  }
  return public_key(made);
}

public_key rsa_key(const json::object& jwk) {
  const auto modulus = octets_member(jwk, "n"), exponent = octets_member(jwk, "e");
  if (modulus.empty() || modulus.size() > 2048 || exponent.empty() || exponent.size() > 8)
    return {};
  const auto n = number(modulus), e = number(exponent);
  const owned<OSSL_PARAM_BLD> builder(OSSL_PARAM_BLD_new());
  if (!n || !e || !builder ||
      OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_N, n.get()) != 1 ||
      OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_E, e.get()) != 1) {
    return {};
  }
  auto key = key_from("RSA", builder.get());
  if (key && EVP_PKEY_get_bits(key.get()) < weakest_rsa) key.reset();
  return key;
}

public_key p256_key(const json::object& jwk) {
  const auto x = octets_member(jwk, "x"), y = octets_member(jwk, "y");
  if (x.size() != coordinate_size || y.size() != coordinate_size) return {};
  const auto point = "\x04" + x + y;
  const owned<OSSL_PARAM_BLD> builder(OSSL_PARAM_BLD_new());
  if (!builder ||
      OSSL_PARAM_BLD_push_utf8_string(builder.get(), OSSL_PKEY_PARAM_GROUP_NAME, "P-256", 0) != 1 ||
      OSSL_PARAM_BLD_push_octet_string(builder.get(), OSSL_PKEY_PARAM_PUB_KEY, point.data(),
                                       point.size()) != 1) {
    return {};
  }
  return key_from("EC", builder.get());
}

public_key ed25519_key(const json::object& jwk) {
  const auto x = octets_member(jwk, "x");
  if (x.size() != coordinate_size) return {};
  return public_key(EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, octets_of(x), x.size()));
}

/// r and s side by side (RFC 7518 3.4), as the DER that OpenSSL wants; "" if it is none.
std::string ecdsa_der(std::string_view signature) {
  if (signature.size() != 2 * coordinate_size) return {};
  const owned<ECDSA_SIG> pair(ECDSA_SIG_new());
  auto r = number(signature.substr(0, coordinate_size));
  auto s = number(signature.substr(coordinate_size));
  if (!pair || !r || !s || ECDSA_SIG_set0(pair.get(), r.get(), s.get()) != 1) return {};
  static_cast<void>(r.release());
  static_cast<void>(s.release());
  unsigned char* der = nullptr;
  const int size = i2d_ECDSA_SIG(pair.get(), &der);
  if (size <= 0) return {};
  std::string text(reinterpret_cast<const char*>(der), static_cast<std::size_t>(size));
  OPENSSL_free(der);
  return text;
}

bool is_signed_by(EVP_PKEY* key, std::string_view algorithm, std::string_view input,
                  std::string_view signature) {
  const auto der = algorithm == "ES256" ? ecdsa_der(signature) : std::string(signature);
  const owned<EVP_MD_CTX> context(EVP_MD_CTX_new());
  const auto* digest = algorithm == "EdDSA" ? nullptr : EVP_sha256();
  const bool good =
      context && EVP_DigestVerifyInit(context.get(), nullptr, digest, nullptr, key) == 1 &&
      EVP_DigestVerify(context.get(), octets_of(der), der.size(), octets_of(input), input.size()) ==
          1;
  ERR_clear_error();
  return good;
}

}  // namespace

jwt_keys jwt_keys::parse(std::string_view text, std::vector<std::string>& complaints) {
  jwt_keys set;
  const auto document = parse_json_object(text);
  const auto* list = document ? document->if_contains("keys") : nullptr;
  if (list == nullptr || !list->is_array()) {
    complaints.emplace_back("it is no JSON Web Key Set: {\"keys\": [...]}");
    return set;
  }
  std::size_t number = 0;
  for (const auto& member : list->get_array()) {
    ++number;
    if (!member.is_object() || set.keys_.size() == most_keys) continue;
    const auto& jwk = member.get_object();
    const auto type = text_of(jwk, "kty"), curve = text_of(jwk, "crv");
    key made{text_of(jwk, "kid"), "", nullptr};
    if (text_of(jwk, "use") == "enc") continue;
    if (type == "RSA") {
      made.algorithm = "RS256";
      made.value = rsa_key(jwk);
    } else if (type == "EC" && curve == "P-256") {
      made.algorithm = "ES256";
      made.value = p256_key(jwk);
    } else if (type == "OKP" && curve == "Ed25519") {
      made.algorithm = "EdDSA";
      made.value = ed25519_key(jwk);
    } else {
      continue;
    }
    const auto algorithm = text_of(jwk, "alg");
    if (!algorithm.empty() && algorithm != made.algorithm) continue;
    if (made.value) {
      set.keys_.push_back(std::move(made));
    } else {
      complaints.push_back("key " + std::to_string(number) + " is broken, or RSA below 2048 bits");
    }
  }
  if (set.keys_.empty()) complaints.emplace_back("there is no key for RS256, ES256 or EdDSA in it");
  return set;
}

jwt_keys::answer jwt_keys::verify(std::string_view algorithm, std::string_view id,
                                  std::string_view input, std::string_view signature) const {
  auto said = answer::no_key;
  for (const auto& k : keys_) {
    if (k.algorithm != algorithm || (!id.empty() && !k.id.empty() && k.id != id)) continue;
    if (is_signed_by(k.value.get(), algorithm, input, signature)) return answer::good;
    said = answer::bad;
  }
  return said;
}

}  // namespace relais::auth
