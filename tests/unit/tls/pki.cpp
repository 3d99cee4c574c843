#include "unit/tls/pki.hpp"

#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <unistd.h>

#include <fstream>
#include <stdexcept>
#include <string_view>

namespace relais::testing {
namespace {

key_ptr make_key(std::string_view kind) {
  EVP_PKEY* made = nullptr;
  if (kind == "EC") made = EVP_EC_gen("P-256");
  if (kind == "RSA") made = EVP_RSA_gen(2048);
  if (kind == "RSA-1024") made = EVP_RSA_gen(1024);
  if (kind == "ED25519") made = EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519");
  if (made == nullptr) throw std::runtime_error("no test key");
  return key_ptr(made);
}

void extend(X509* certificate, int nid, const std::string& value) {
  X509V3_CTX context{};
  X509V3_set_ctx(&context, certificate, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* made = X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str());
  if (made == nullptr) throw std::runtime_error("no test extension: " + value);
  X509_add_ext(certificate, made, -1);
  X509_EXTENSION_free(made);
}

template <class Write>
std::string pem_of(Write write) {
  const std::unique_ptr<BIO, tls::free_openssl> out(BIO_new(BIO_s_mem()));
  write(out.get());
  char* text = nullptr;
  const long size = BIO_get_mem_data(out.get(), &text);
  return {text, static_cast<std::size_t>(size)};
}

}  // namespace

identity issue(const wanted_certificate& wanted, const identity* issuer) {
  static long serial = 1;
  identity made{make_key(wanted.key), x509_ptr(X509_new())};
  auto* leaf = made.leaf.get();
  X509_set_version(leaf, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(leaf), serial++);
  X509_gmtime_adj(X509_getm_notBefore(leaf), wanted.starts);
  X509_gmtime_adj(X509_getm_notAfter(leaf), wanted.ends);
  X509_set_pubkey(leaf, made.key.get());
  X509_NAME_add_entry_by_txt(X509_get_subject_name(leaf), "CN", MBSTRING_UTF8,
                             reinterpret_cast<const unsigned char*>(wanted.common_name.c_str()), -1,
                             -1, 0);
  const auto& signer = issuer != nullptr ? *issuer : made;
  X509_set_issuer_name(leaf, X509_get_subject_name(signer.leaf.get()));
  if (wanted.is_authority) extend(leaf, NID_basic_constraints, "critical,CA:TRUE");
  if (!wanted.alternative_names.empty()) {
    extend(leaf, NID_subject_alt_name, wanted.alternative_names);
  }
  const bool hashes = EVP_PKEY_get_base_id(signer.key.get()) != EVP_PKEY_ED25519;
  if (X509_sign(leaf, signer.key.get(), hashes ? EVP_sha256() : nullptr) == 0) {
    throw std::runtime_error("no test signature");
  }
  return made;
}

std::string fingerprint_of(const X509* certificate) {
  unsigned char octets[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  X509_digest(certificate, EVP_sha256(), octets, &size);
  std::string hex;
  for (unsigned i = 0; i < size; ++i) {
    hex += "0123456789abcdef"[octets[i] >> 4];
    hex += "0123456789abcdef"[octets[i] & 15];
  }
  return hex;
}

pki::pki() {
  auto name = (std::filesystem::temp_directory_path() / "relais-pki-XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("no test directory");
  directory_ = name;
}

pki::~pki() {
  std::error_code ignored;
  std::filesystem::remove_all(directory_, ignored);
}

std::string pki::write(const std::string& name, const std::string& text) const {
  std::ofstream(directory_ / name) << text;
  return path(name);
}

config::certificate_settings pki::save(const std::string& name, const identity& made) const {
  config::certificate_settings files;
  files.certificate =
      write(name + ".pem", pem_of([&](BIO* out) { PEM_write_bio_X509(out, made.leaf.get()); }));
  files.key =
      write(name + ".key", pem_of([&](BIO* out) {
              PEM_write_bio_PrivateKey(out, made.key.get(), nullptr, nullptr, 0, nullptr, nullptr);
            }));
  return files;
}

}  // namespace relais::testing
