#include "net/tls_octets.hpp"

#include <algorithm>
#include <memory>

namespace relais::net {
namespace {

tls_octets& octets_of(BIO* bio) {
  return *static_cast<tls_octets*>(BIO_get_data(bio));
}

// These are called by OpenSSL, which knows no exceptions.
int read_octets(BIO* bio, char* to, std::size_t size, std::size_t* n) noexcept {
  auto& o = octets_of(bio);
  BIO_clear_retry_flags(bio);
  *n = std::min(size, o.in.size() - o.consumed);
  if (*n == 0) {
    // Empty means "wait", not "end".
    BIO_set_retry_read(bio);
    return 0;
  }
  std::copy_n(o.in.data() + o.consumed, *n, to);
  o.consumed += *n;
  if (o.consumed == o.in.size()) {
    std::string().swap(o.in);
    o.consumed = 0;
  }
  return 1;
}

int write_octets(BIO* bio, const char* from, std::size_t size, std::size_t* n) noexcept {
  BIO_clear_retry_flags(bio);
  *n = 0;
  try {
    octets_of(bio).out.append(from, size);
  } catch (...) {
    return 0;
  }
  *n = size;
  return 1;
}

long control(BIO* bio, int command, long, void*) noexcept {
  const auto& o = octets_of(bio);
  switch (command) {
    case BIO_CTRL_FLUSH: return 1;
    case BIO_CTRL_PENDING: return static_cast<long>(o.in.size() - o.consumed);
    case BIO_CTRL_WPENDING: return static_cast<long>(o.out.size());
    default: return 0;
  }
}

const BIO_METHOD* method() {
  struct free_method {
    void operator()(BIO_METHOD* m) const noexcept { BIO_meth_free(m); }
  };
  static const auto made = [] {
    std::unique_ptr<BIO_METHOD, free_method> m(
        BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "relais"));
    if (m) {
      BIO_meth_set_read_ex(m.get(), read_octets);
      BIO_meth_set_write_ex(m.get(), write_octets);
      BIO_meth_set_ctrl(m.get(), control);
    }
    return m;
  }();
  return made.get();
}

}  // namespace

BIO* make_tls_bio(tls_octets& octets) {
  BIO* bio = BIO_new(method());
  if (bio == nullptr) return nullptr;
  BIO_set_data(bio, &octets);
  BIO_set_init(bio, 1);
  return bio;
}

}  // namespace relais::net
