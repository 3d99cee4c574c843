// A small MIME reader of its own for tests: takes a message apart into its leaves, decoded. Knows
// nothing of the code under test (lib/message/conversion); reads CRLF text, and gives up on
// nothing.
#pragma once

#include <algorithm>
#include <cctype>
#include <string>
#include <string_view>
#include <vector>

namespace relais::testing {

struct mime_leaf {
  std::string type;  ///< "text/plain"
  std::string body;  ///< decoded
  friend bool operator==(const mime_leaf&, const mime_leaf&) = default;
};

namespace mime {

inline std::string lower(std::string_view text) {
  std::string out(text);
  for (auto& c : out) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

/// The unfolded value of a header field; "" if it is not there.
inline std::string field(std::string_view header, std::string_view name) {
  std::size_t at = 0;
  while (at < header.size()) {
    auto end = at;
    do {
      end = header.find('\n', end);
      end = end == std::string_view::npos ? header.size() : end + 1;
    } while (end < header.size() && (header[end] == ' ' || header[end] == '\t'));
    const auto line = header.substr(at, end - at);
    const auto colon = line.find(':');
    if (colon != std::string_view::npos && lower(line.substr(0, colon)) == lower(name)) {
      std::string value;
      for (const char c : line.substr(colon + 1))
        if (c != '\r' && c != '\n') value += c;
      value.erase(0, std::min(value.size(), value.find_first_not_of(" \t")));
      return value;
    }
    at = end;
  }
  return {};
}

inline std::string boundary(const std::string& type) {
  const auto at = lower(type).find("boundary=");
  if (at == std::string::npos) return {};
  auto rest = type.substr(at + 9);
  if (rest.starts_with('"')) return rest.substr(1, rest.find('"', 1) - 1);
  return rest.substr(0, rest.find_first_of("; \t"));
}

inline int hex(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

inline std::string from_quoted_printable(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '=' && text.substr(i + 1).starts_with("\r\n")) {
      i += 2;
    } else if (text[i] == '=' && i + 2 < text.size() && hex(text[i + 1]) >= 0) {
      out += static_cast<char>(hex(text[i + 1]) * 16 + hex(text[i + 2]));
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

inline std::string from_base64(std::string_view text) {
  static constexpr std::string_view digits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  unsigned bits = 0, count = 0;
  for (const char c : text) {
    const auto digit = digits.find(c);
    if (digit == std::string_view::npos) continue;
    bits = bits << 6 | static_cast<unsigned>(digit);
    if ((count += 6) < 8) continue;
    count -= 8;
    out += static_cast<char>(bits >> count & 0xff);
  }
  return out;
}

inline void read(std::string_view entity, const std::string& default_type,
                 std::vector<mime_leaf>& leaves) {
  const auto empty = entity.starts_with("\r\n") ? 0 : entity.find("\r\n\r\n");
  const auto header = entity.substr(0, empty == std::string_view::npos ? empty : empty + 2);
  auto body = empty == std::string_view::npos ? std::string_view()
              : empty == 0                    ? entity.substr(2)
                                              : entity.substr(empty + 4);
  auto whole_type = field(header, "Content-Type");
  if (whole_type.empty()) whole_type = default_type;
  auto type = lower(whole_type.substr(0, whole_type.find_first_of("; \t")));
  const auto encoding = lower(field(header, "Content-Transfer-Encoding"));
  const auto mark = boundary(whole_type);
  if (type.starts_with("multipart/") && !mark.empty()) {
    std::vector<std::string_view> parts;
    std::size_t begin = std::string_view::npos;
    for (std::size_t at = 0; at <= body.size();) {
      auto end = body.find('\n', at);
      end = end == std::string_view::npos ? body.size() + 1 : end + 1;
      auto line = body.substr(at, end - at);
      while (!line.empty() &&
             std::string_view(" \t\r\n").find(line.back()) != std::string_view::npos)
        line.remove_suffix(1);
      const bool is_last = line == "--" + mark + "--";
      if (is_last || line == "--" + mark) {
        if (begin != std::string_view::npos)
          parts.push_back(body.substr(begin, at >= begin + 2 ? at - begin - 2 : 0));
        begin = end;
        if (is_last) break;
      }
      at = end;
      if (at > body.size() && begin <= body.size()) parts.push_back(body.substr(begin));
    }
    const bool is_digest = type == "multipart/digest";
    for (const auto part : parts) read(part, is_digest ? "message/rfc822" : "text/plain", leaves);
    return;
  }
  if (type == "message/rfc822") return read(body, "text/plain", leaves);
  mime_leaf leaf;
  leaf.type = type;
  leaf.body = encoding == "quoted-printable" ? from_quoted_printable(body)
              : encoding == "base64"         ? from_base64(body)
                                             : std::string(body);
  leaves.push_back(std::move(leaf));
}

}  // namespace mime

inline std::vector<mime_leaf> read_mime(std::string_view message) {
  std::vector<mime_leaf> leaves;
  mime::read(message, "text/plain", leaves);
  return leaves;
}

}  // namespace relais::testing
