// Received octets that are not consumed yet, and the cutting of command lines out of them: one
// line, one answer, whatever ends it and however long it is (RFC 5321 2.3.8, 4.5.3.1.4). Memory is
// bounded by one line limit plus what was received at once. It knows nothing of verbs or of
// content.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "smtp/newline_mode.hpp"

namespace relais::smtp {

class command_buffer {
 public:
  command_buffer(std::size_t line_limit, newline_mode newlines) noexcept
      : line_limit_(line_limit), newlines_(newlines) {}

  enum class found : std::uint8_t {
    nothing,       ///< no whole line yet
    line,          ///< a line, without its end
    too_long,      ///< reported once; the rest of the line is skipped
    bare_newline,  ///< newline_mode::reject and a line with a bare CR or LF
    tls_hello      ///< the client speaks TLS: 0x16 0x03 where a command should begin
  };
  /// `line` is valid until append().
  found next_line(std::string_view& line);

  void append(std::string_view octets);
  void set_newlines(newline_mode newlines) noexcept { newlines_ = newlines; }
  /// Octets with line end; `auth`: of a line that begins with AUTH, which carries a token (RFC
  /// 4954 4).
  void set_line_limits(std::size_t usual, std::size_t auth) noexcept {
    line_limit_ = usual;
    auth_limit_ = auth;
  }
  /// What is not consumed; for content.
  std::string_view rest() const noexcept { return std::string_view(octets_).substr(begin_); }
  void consume(std::size_t octets) noexcept { begin_ += octets; }
  void clear() noexcept;
  /// Gives back the memory that a large append() took. Views of lines are void afterwards.
  void shrink();
  /// No octet waits, and no over-long line is being skipped.
  bool is_empty() const noexcept { return begin_ == octets_.size() && !skipping_; }

 private:
  void skip();
  std::size_t limit_of(std::string_view line) const noexcept;

  std::string octets_;
  std::size_t begin_ = 0;
  std::size_t searched_ = 0;  // octets of rest() that hold no LF
  std::size_t line_limit_;
  std::size_t auth_limit_ = 0;
  newline_mode newlines_;
  bool skipping_ = false;
  char last_skipped_ = '\0';
};

}  // namespace relais::smtp
