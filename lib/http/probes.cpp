#include "http/probes.hpp"

#include <algorithm>
#include <array>

namespace relais::http {

response answer(std::string_view method, std::string_view target, const relay_state& state) {
  constexpr std::array<std::string_view, 3> live{"/healthz", "/livez", "/healthz/live"};
  constexpr std::array<std::string_view, 3> ready{"/readyz", "/healthz/ready", "/startupz"};
  const auto path = target.substr(0, target.find('?'));
  const auto is_one_of = [&](const auto& paths) {
    return std::ranges::find(paths, path) != paths.end();
  };
  if (!is_one_of(live) && !is_one_of(ready)) return {404, "not found\n"};
  if (method != "GET" && method != "HEAD") return {405, "only GET and HEAD\n"};
  if (is_one_of(live) || state.ready) return {200, "ok\n"};
  return {503, state.reason + '\n'};
}

}  // namespace relais::http
