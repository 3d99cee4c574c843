// Bearer tokens: a local set of keys first, then the introspection endpoint.
#pragma once

#include <memory>

#include "auth/backend.hpp"
#include "auth/make_authenticator.hpp"

namespace relais::auth {

/// Null if no token is accepted. What is unusable is warned about.
std::unique_ptr<token_backend> make_token_backend(const config::token_settings& settings,
                                                  const surroundings& around);

}  // namespace relais::auth
