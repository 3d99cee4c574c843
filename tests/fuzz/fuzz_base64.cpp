// base64 and xtext: any octets come back from their encoding, and of each value there is one text
// only.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "base/text.hpp"
#include "smtp/xtext.hpp"

using namespace relais;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const auto encoded = base64_encode(input);
  if (base64_decode(encoded) != input || encoded.size() != (size + 2) / 3 * 4) std::abort();
  if (const auto decoded = base64_decode(input); decoded && base64_encode(*decoded) != input)
    std::abort();
  const auto plain = smtp::xtext_decode(input);
  if (plain.has_value() != smtp::is_xtext(input)) std::abort();
  if (plain && plain->size() > size) std::abort();
  return 0;
}
