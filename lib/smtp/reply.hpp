// A reply of a remote server, as read from the wire (RFC 5321 4.2, RFC 3463). Our own replies are
// in replies.hpp.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace relais::smtp {

/// RFC 3463 class.subject.detail; all zero = absent.
struct enhanced_code {
  std::uint16_t klass = 0, subject = 0, detail = 0;
  bool present() const noexcept { return klass != 0; }
  std::string text() const;  ///< "5.1.1"
  /// The code that `text` begins with, followed by a space or the end; class 2, 4 or 5 only.
  static std::optional<enhanced_code> parse(std::string_view text) noexcept;
  friend bool operator==(const enhanced_code&, const enhanced_code&) = default;
};

class reply {
 public:
  reply() = default;
  reply(unsigned code, std::vector<std::string> lines);

  unsigned code() const noexcept { return code_; }
  /// Only where its class agrees with the first digit of the code.
  enhanced_code enhanced() const noexcept { return enhanced_; }
  /// The text of each line without code and separator, enhanced code included, not yet printable().
  const std::vector<std::string>& lines() const noexcept { return lines_; }
  bool is_positive() const noexcept { return code_ / 100 == 2; }
  bool is_intermediate() const noexcept { return code_ / 100 == 3; }
  bool is_transient() const noexcept { return code_ / 100 == 4; }
  bool is_permanent() const noexcept { return code_ / 100 == 5; }
  /// "550 5.1.1 no such user": one line, controls escaped, for logs and reports.
  std::string text() const;

 private:
  unsigned code_ = 0;
  enhanced_code enhanced_;
  std::vector<std::string> lines_;
};

}  // namespace relais::smtp
