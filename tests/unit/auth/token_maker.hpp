// Keys made for a test, their JSON Web Key Set, and tokens signed by them: with OpenSSL directly,
// not with what is under test.
#pragma once

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

#include <memory>
#include <stdexcept>
#include <string>

#include "base/text.hpp"

namespace relais::testing {

inline std::string base64url(const std::string& octets) {
  auto text = base64_encode(octets);
  while (text.ends_with('=')) text.pop_back();
  for (char& c : text) c = c == '+' ? '-' : c == '/' ? '_' : c;
  return text;
}

class token_maker {
 public:
  enum class kind { rsa, weak_rsa, ec, ed };
  explicit token_maker(kind what, std::string id = "k1") : kind_(what), id_(std::move(id)) {
    EVP_PKEY* made = nullptr;
    switch (what) {
      case kind::rsa: made = EVP_RSA_gen(2048); break;
      case kind::weak_rsa: made = EVP_RSA_gen(1024); break;
      case kind::ec: made = EVP_EC_gen("P-256"); break;
      case kind::ed: made = EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"); break;
    }
    if (made == nullptr) throw std::runtime_error("no key");
    key_.reset(made);
  }

  std::string algorithm() const {
    return kind_ == kind::ec ? "ES256" : kind_ == kind::ed ? "EdDSA" : "RS256";
  }

  /// One member of "keys".
  std::string jwk() const {
    const auto head = "{\"kid\":\"" + id_ + "\",\"use\":\"sig\",";
    if (kind_ == kind::ed) {
      std::string x(32, '\0');
      std::size_t size = x.size();
      EVP_PKEY_get_raw_public_key(key_.get(), reinterpret_cast<unsigned char*>(x.data()), &size);
      return head + "\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"" + base64url(x) + "\"}";
    }
    if (kind_ == kind::ec) {
      return head + "\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" +
             number(OSSL_PKEY_PARAM_EC_PUB_X, 32) + "\",\"y\":\"" +
             number(OSSL_PKEY_PARAM_EC_PUB_Y, 32) + "\"}";
    }
    return head + "\"kty\":\"RSA\",\"n\":\"" + number(OSSL_PKEY_PARAM_RSA_N, 0) + "\",\"e\":\"" +
           number(OSSL_PKEY_PARAM_RSA_E, 0) + "\"}";
  }
  std::string key_set() const { return "{\"keys\":[" + jwk() + "]}"; }

  std::string token(const std::string& claims) const {
    return token_with_header("{\"alg\":\"" + algorithm() + "\",\"kid\":\"" + id_ + "\"}", claims);
  }
  std::string token_with_header(const std::string& header, const std::string& claims) const {
    const auto input = base64url(header) + "." + base64url(claims);
    return input + "." + base64url(sign(input));
  }

 private:
  struct free_key {
    void operator()(EVP_PKEY* k) const noexcept { EVP_PKEY_free(k); }
  };

  std::string number(const char* name, int size) const {
    BIGNUM* n = nullptr;
    EVP_PKEY_get_bn_param(key_.get(), name, &n);
    std::string octets(static_cast<std::size_t>(size == 0 ? BN_num_bytes(n) : size), '\0');
    BN_bn2binpad(n, reinterpret_cast<unsigned char*>(octets.data()),
                 static_cast<int>(octets.size()));
    BN_free(n);
    return base64url(octets);
  }

  std::string sign(const std::string& input) const {
    auto* context = EVP_MD_CTX_new();
    const auto* data = reinterpret_cast<const unsigned char*>(input.data());
    std::size_t size = 0;
    EVP_DigestSignInit(context, nullptr, kind_ == kind::ed ? nullptr : EVP_sha256(), nullptr,
                       key_.get());
    EVP_DigestSign(context, nullptr, &size, data, input.size());
    std::string signature(size, '\0');
    EVP_DigestSign(context, reinterpret_cast<unsigned char*>(signature.data()), &size, data,
                   input.size());
    signature.resize(size);
    EVP_MD_CTX_free(context);
    return kind_ == kind::ec ? side_by_side(signature) : signature;
  }

  static std::string side_by_side(const std::string& der) {
    const auto* at = reinterpret_cast<const unsigned char*>(der.data());
    ECDSA_SIG* pair = d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(der.size()));
    std::string both(64, '\0');
    auto* out = reinterpret_cast<unsigned char*>(both.data());
    BN_bn2binpad(ECDSA_SIG_get0_r(pair), out, 32);
    BN_bn2binpad(ECDSA_SIG_get0_s(pair), out + 32, 32);
    ECDSA_SIG_free(pair);
    return both;
  }

  kind kind_;
  std::string id_;
  std::unique_ptr<EVP_PKEY, free_key> key_;
};

}  // namespace relais::testing
