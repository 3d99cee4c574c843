// Any octets as content: pieces give what the whole gives, the result is CRLF-clean, and stuffing
// it again leads back to it.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "smtp/content.hpp"

using namespace relais::smtp;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  content_decoder whole(1000), pieces(1000), back(SIZE_MAX);
  std::string content, same, wire, returned;
  const auto end = whole.decode(input, content);
  std::size_t consumed = 0;
  for (bool ended = false; !ended && consumed < size; ++consumed)
    ended = pieces.decode(input.substr(consumed, 1), same).ended;
  if (content != same || consumed != end.consumed || whole.saw_bare_lf() != pieces.saw_bare_lf() ||
      whole.saw_bare_cr() != pieces.saw_bare_cr() || whole.saw_nul() != pieces.saw_nul() ||
      whole.saw_long_line() != pieces.saw_long_line())
    std::abort();
  dot_stuffer stuffer;
  stuffer.append(content, wire);
  stuffer.end(wire);
  const auto behind = back.decode(wire, returned);
  if (!content.empty() && !content.ends_with("\r\n")) content += "\r\n";
  if (!behind.ended || behind.consumed != wire.size() || returned != content ||
      back.saw_bare_lf() || back.saw_bare_cr())
    std::abort();
  return 0;
}
