#include "tls/certificate.hpp"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/pem.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <ctime>

#include "base/text.hpp"

namespace relais::tls {
namespace {

using bio_ptr = std::unique_ptr<BIO, free_openssl>;

constexpr std::size_t largest_file = std::size_t{1} << 20;
constexpr int warned_days = 14;

bio_ptr over(const std::string& text) {
  return bio_ptr(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

// Nobody is there to type a passphrase.
int no_passphrase(char*, int, int, void*) {
  return -1;
}

wall_time to_wall(const ASN1_TIME* t) {
  std::tm parts{};
  if (ASN1_TIME_to_tm(t, &parts) != 1) return {};
  return wall_time(std::chrono::seconds(::timegm(&parts)));
}

std::string date_of(wall_time t) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(t).time_since_epoch().count();
  const auto count = static_cast<std::time_t>(seconds);
  std::tm parts{};
  ::gmtime_r(&count, &parts);
  char text[] = "0000-00-00";
  std::strftime(text, sizeof text, "%Y-%m-%d", &parts);
  return text;
}

std::string utf8_of(const ASN1_STRING* s) {
  unsigned char* text = nullptr;
  const int size = ASN1_STRING_to_UTF8(&text, s);
  if (size < 0) return {};
  std::string made(reinterpret_cast<const char*>(text), static_cast<std::size_t>(size));
  OPENSSL_free(text);
  return made;
}

std::vector<std::string> names_of(const X509* leaf) {
  std::vector<std::string> names;
  const std::unique_ptr<GENERAL_NAMES, free_openssl> all(
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(leaf, NID_subject_alt_name, nullptr, nullptr)));
  for (int i = 0; all && i < sk_GENERAL_NAME_num(all.get()); ++i) {
    const auto* name = sk_GENERAL_NAME_value(all.get(), i);
    if (name->type == GEN_DNS) names.push_back(to_lower(utf8_of(name->d.dNSName)));
  }
  if (!names.empty()) return names;
  const auto* subject = X509_get_subject_name(leaf);
  const int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
  if (at >= 0) {
    const auto* entry = X509_NAME_get_entry(subject, at);
    names.push_back(to_lower(utf8_of(X509_NAME_ENTRY_get_data(entry))));
  }
  return names;
}

bool read_chain(const std::string& pem, certificate& into, std::string& why) {
  const auto source = over(pem);
  into.leaf.reset(PEM_read_bio_X509_AUX(source.get(), nullptr, no_passphrase, nullptr));
  if (!into.leaf) {
    why = into.file + " holds no certificate that can be read: " + openssl_reason();
    return false;
  }
  into.chain.reset(sk_X509_new_null());
  while (X509* next = PEM_read_bio_X509(source.get(), nullptr, no_passphrase, nullptr)) {
    sk_X509_push(into.chain.get(), next);
  }
  const auto code = ERR_peek_last_error();
  ERR_clear_error();
  if (ERR_GET_LIB(code) == ERR_LIB_PEM && ERR_GET_REASON(code) == PEM_R_NO_START_LINE) return true;
  why = "a certificate of the chain in " + into.file + " cannot be read";
  return false;
}

bool read_key(const std::string& file, const std::string& pem, certificate& into,
              std::string& why) {
  into.key.reset(PEM_read_bio_PrivateKey(over(pem).get(), nullptr, no_passphrase, nullptr));
  if (into.key) return true;
  const auto reason = openssl_reason();
  why = pem.find("ENCRYPTED") != std::string::npos
            ? "the key in " + file + " is encrypted, and there is nobody to ask for its passphrase"
            : file + " holds no private key that can be read: " + reason;
  return false;
}

}  // namespace

std::string openssl_reason() {
  const auto code = ERR_peek_last_error();
  const char* words = ERR_reason_error_string(code);
  ERR_clear_error();
  return words != nullptr ? words : "error " + std::to_string(code);
}

std::optional<std::string> read_small_file(const std::string& file, std::string& why) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> opened(std::fopen(file.c_str(), "re"),
                                                               std::fclose);
  if (!opened) {
    why = file + " cannot be read: " + std::strerror(errno);
    return {};
  }
  std::string octets(largest_file + 1, '\0');
  octets.resize(std::fread(octets.data(), 1, octets.size(), opened.get()));
  if (std::ferror(opened.get()) != 0) {
    why = file + " cannot be read: " + std::strerror(errno);
    return {};
  }
  if (octets.size() > largest_file) {
    why = file + " is larger than 1 MiB";
    return {};
  }
  return octets;
}

fit certificate::fits(std::string_view name) const noexcept {
  auto best = fit::none;
  const auto dot = name.find('.');
  for (const auto& own : names) {
    if (iequals(own, name)) return fit::exact;
    // The asterisk stands for one whole label, the first.
    const bool is_wildcard = own.starts_with("*.") && dot != std::string_view::npos && dot > 0;
    if (is_wildcard && iequals(std::string_view(own).substr(1), name.substr(dot))) {
      best = fit::wildcard;
    }
  }
  return best;
}

std::optional<certificate> load_certificate(const config::certificate_settings& files,
                                            std::string& why) {
  ERR_clear_error();
  certificate made;
  made.file = files.certificate;
  const auto& key_file = files.key.empty() ? files.certificate : files.key;
  const auto pem = read_small_file(files.certificate, why);
  if (!pem || !read_chain(*pem, made, why)) return {};
  auto key = read_small_file(key_file, why);
  if (!key) return {};
  const bool read = read_key(key_file, *key, made, why);
  OPENSSL_cleanse(key->data(), key->size());
  if (!read) return {};
  if (X509_check_private_key(made.leaf.get(), made.key.get()) != 1) {
    ERR_clear_error();
    why = "the key in " + key_file + " is not that of the certificate in " + files.certificate;
    return {};
  }
  made.names = names_of(made.leaf.get());
  made.not_before = to_wall(X509_get0_notBefore(made.leaf.get()));
  made.not_after = to_wall(X509_get0_notAfter(made.leaf.get()));
  return made;
}

std::string expiry_warning(const certificate& c, wall_time now) {
  if (now > c.not_after) {
    return fmt::format("the certificate in {} expired on {}", c.file, date_of(c.not_after));
  }
  if (now < c.not_before) {
    return fmt::format("the certificate in {} is valid from {} only", c.file,
                       date_of(c.not_before));
  }
  const auto left = std::chrono::floor<std::chrono::days>(c.not_after - now).count();
  if (left >= warned_days) return {};
  return fmt::format("the certificate in {} expires on {}, in {} days", c.file,
                     date_of(c.not_after), left);
}

}  // namespace relais::tls
