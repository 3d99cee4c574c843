#include "auth/gs2.hpp"

#include <algorithm>

#include "auth/mechanism.hpp"
#include "base/text.hpp"

namespace relais::auth {
namespace {

bool is_binding_name(std::string_view text) noexcept {
  return !text.empty() &&
         std::ranges::all_of(text, [](char c) { return is_alnum(c) || c == '.' || c == '-'; });
}

}  // namespace

std::optional<std::string> decode_saslname(std::string_view text) {
  std::string name;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == ',') return {};
    if (text[i] != '=') {
      name += text[i];
      continue;
    }
    const auto code = text.substr(i, 3);
    if (code != "=2C" && code != "=3D") return {};
    name += code == "=2C" ? ',' : '=';
    i += 2;
  }
  if (!is_user_name(name)) return {};
  return name;
}

std::optional<gs2_header> parse_gs2_header(std::string_view text) {
  const auto first = text.find(',');
  if (first == std::string_view::npos) return {};
  const auto second = text.find(',', first + 1);
  if (second == std::string_view::npos) return {};
  const auto flag = text.substr(0, first), authzid = text.substr(first + 1, second - first - 1);
  gs2_header header;
  header.length = second + 1;
  if (flag == "y") {
    header.binding = gs2_header::flag::not_seen;
  } else if (flag.starts_with("p=")) {
    header.binding = gs2_header::flag::bound;
    header.binding_name = flag.substr(2);
    if (!is_binding_name(header.binding_name)) return {};
  } else if (flag != "n") {
    return {};
  }
  if (authzid.empty()) return header;
  if (!authzid.starts_with("a=")) return {};
  auto name = decode_saslname(authzid.substr(2));
  if (!name) return {};
  header.authzid = std::move(*name);
  return header;
}

}  // namespace relais::auth
