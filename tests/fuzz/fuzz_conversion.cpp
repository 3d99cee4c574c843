// Any message made 7-bit: refused, or all ASCII, done once and for all, every leaf decoding to what
// it was, and no larger than base64 makes it.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "../support/mime_reader.hpp"
#include "base/text.hpp"
#include "message/conversion.hpp"

namespace {

using namespace relais;

void require(bool holds) {
  if (!holds) std::abort();
}

/// The reader of the tests is simple: CRLF only, no comments, no quoted pairs, no blank before a
/// colon or around a slash, and a boundary only as "; boundary=abc" at the end of a line.
bool is_for_the_reader(std::string_view content) {
  for (std::size_t i = 0; i < content.size(); ++i) {
    const auto behind = content.substr(i + 1);
    const bool is_bare_lf = content[i] == '\n' && (i == 0 || content[i - 1] != '\r');
    const bool is_bare_cr = content[i] == '\r' && !behind.starts_with('\n');
    const bool is_odd_colon = content[i] == ':' && i > 0 && content[i - 1] <= ' ';
    const bool is_odd_slash = content[i] == '/' && (behind.empty() || behind[0] <= ' ' ||
                                                    (i > 0 && content[i - 1] <= ' '));
    if (is_odd_slash || is_bare_lf || is_bare_cr || is_odd_colon || content[i] == '(' ||
        content[i] == '\\')
      return false;
    if (!istarts_with(content.substr(i), "boundary")) continue;
    auto value = behind.substr(std::min<std::size_t>(7, behind.size()));
    if (i < 2 || content.substr(i - 2, 2) != "; " || !value.starts_with('=')) return false;
    value.remove_prefix(1);
    std::size_t length = 0;
    while (length < value.size() && is_alnum(value[length])) ++length;
    if (length == 0 || !value.substr(length).starts_with("\r\n")) return false;
  }
  return true;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const bool also_signed = (data[0] & 1) != 0;
  const bool is_read = (data[0] & 2) != 0;
  const std::string_view content(reinterpret_cast<const char*>(data) + 1, size - 1);
  const auto done = message::to_7bit(content, also_signed);
  if (done.fault != message::conversion_fault::none) {
    require(done.content.empty() && !message::to_text(done.fault).empty());
    return 0;
  }
  require(!message::is_8bit(done.content));
  if (!message::is_8bit(content)) require(done.content == content);
  require(message::to_7bit(done.content, also_signed).content == done.content);
  // Per entity a field or three, and an entity takes two octets at least.
  require(done.content.size() <= content.size() * 80 + 256);
  if (is_read && is_for_the_reader(content)) {
    const auto before = testing::read_mime(content), behind = testing::read_mime(done.content);
    require(before.size() == behind.size());
    for (std::size_t i = 0; i < before.size(); ++i) require(before[i].body == behind[i].body);
  }
  return 0;
}
