// Any octets as a path: what parses holds no control, and its text parses to the same address
// again.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "base/text.hpp"
#include "smtp/path.hpp"

using namespace relais::smtp;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  for (const auto kind : {path_kind::reverse, path_kind::forward}) {
    const auto parsed = parse_path(input, kind);
    if (!parsed) continue;
    const auto text = parsed->address.text();
    const auto again = parse_address(text);
    if (parsed->length == 0 || parsed->length > size ||
        std::ranges::any_of(text, relais::is_control) || !relais::is_valid_utf8(text) || !again ||
        !(*again == parsed->address))
      std::abort();
  }
  return 0;
}
