// A server context with a fresh self-signed certificate for one name, made in memory.
#pragma once

#include <openssl/ssl.h>

#include <memory>
#include <string>

namespace relais::testing {

struct free_context {
  void operator()(SSL_CTX* c) const noexcept { SSL_CTX_free(c); }
};
std::unique_ptr<SSL_CTX, free_context> self_signed_server(const std::string& name);

}  // namespace relais::testing
