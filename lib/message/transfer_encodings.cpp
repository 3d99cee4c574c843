#include "message/transfer_encodings.hpp"

#include <algorithm>

#include "base/text.hpp"

namespace relais::message {
namespace {

constexpr std::size_t quoted_columns = 76;
constexpr std::size_t octets_per_line = 57;  // 76 columns

bool is_plain(char c) noexcept {
  return c >= ' ' && c < 0x7f && c != '=';
}

void add_quoted(std::string& out, char c) {
  static constexpr char hex[] = "0123456789ABCDEF";
  const auto octet = static_cast<unsigned char>(c);
  out += '=';
  out += hex[octet >> 4];
  out += hex[octet & 15];
}

}  // namespace

std::string quoted_printable(std::string_view octets) {
  std::string out;
  out.reserve(octets.size() + octets.size() / 4);
  std::size_t column = 0;
  bool is_soft = false;  // this line was opened by a soft break
  for (std::size_t i = 0; i < octets.size(); ++i) {
    const char c = octets[i];
    const auto behind = octets.substr(i + 1);
    if (c == '\r' && behind.starts_with('\n')) {
      out += "\r\n";
      ++i;
      column = 0;
      is_soft = false;
      continue;
    }
    const bool ends_line = behind.empty() || behind.starts_with("\r\n");
    bool is_safe = is_plain(c) || c == '\t';
    if ((c == ' ' || c == '\t') && ends_line) is_safe = false;
    if (c == '-' && is_soft && column == 0) is_safe = false;
    const std::size_t width = is_safe ? 1 : 3;
    // A column is kept for the "=" of the soft break, unless the line ends here.
    if (column + width > (ends_line ? quoted_columns : quoted_columns - 1)) {
      out += "=\r\n";
      column = 0;
      is_soft = true;
      --i;  // once more, at the begin of a line
      continue;
    }
    if (is_safe)
      out += c;
    else
      add_quoted(out, c);
    column += width;
  }
  return out;
}

std::size_t base64_size(std::size_t octets) noexcept {
  const auto lines = (octets + octets_per_line - 1) / octets_per_line;
  return (octets + 2) / 3 * 4 + (lines > 0 ? (lines - 1) * 2 : 0);
}

std::string base64_body(std::string_view octets) {
  std::string out;
  out.reserve(base64_size(octets.size()));
  while (!octets.empty()) {
    if (!out.empty()) out += "\r\n";
    out += base64_encode(octets.substr(0, octets_per_line));
    octets.remove_prefix(std::min(octets_per_line, octets.size()));
  }
  return out;
}

}  // namespace relais::message
