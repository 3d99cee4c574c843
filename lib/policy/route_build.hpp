// From the settings to routes: one for each row, and those that are built in. Internal to policy/.
#pragma once

#include <memory>
#include <vector>

#include "policy/route.hpp"

namespace relais::policy {

std::unique_ptr<route> route_of_row(const config::settings& settings, std::size_t row);
/// Precondition: there is a smarthost.
std::unique_ptr<route> smarthost_route(const config::settings& settings);
std::unique_ptr<route> mx_route(const config::settings& settings);
/// Has no hosts: each next hop's domain is one.
std::unique_ptr<route> operator_route(const config::settings& settings);

/// One host as people write it; none: it is no next hop.
std::optional<route_host> parse_host(std::string_view text, std::uint16_t default_port);

}  // namespace relais::policy
