// Framing of message content (RFC 5321 4.5.2, 2.3.8): from the wire to CRLF lines without stuffing,
// and back. Only CRLF.CRLF ends data; every deviation is counted, so that no peer can see another
// end.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace relais::smtp {

/// Where content ends: `dots`, behind DATA, at CRLF.CRLF and with stuffed dots; `counted`, in the
/// chunks of BDAT (RFC 3030), where the caller says, and no dot means anything.
enum class framing : std::uint8_t { dots, counted };

/// Takes the octets behind 354, or those of all chunks; the first line counts as following a CRLF.
class content_decoder {
 public:
  explicit content_decoder(std::size_t line_limit, framing how = framing::dots)
      : line_limit_(line_limit), dots_(how == framing::dots) {}

  struct progress {
    std::size_t consumed =
        0;               ///< octets of input used; what is behind the end belongs to the session
    bool ended = false;  ///< CRLF.CRLF (or .CRLF at the very start) was seen
  };
  /// Appends decoded octets to `output`: a bare LF becomes CRLF, a CR without LF becomes a space, a
  /// line of one dot that is not between two true CRLFs stays data. Always reads to the true end,
  /// whatever faults it meets, so that the session stays in step.
  progress decode(std::string_view input, std::string& output);
  /// framing::counted: the last octet was seen. Settles a CR at the end, and ends the last line if
  /// it lacks its CRLF, which is no fault.
  void finish(std::string& output);

  bool saw_bare_lf() const noexcept { return bare_lf_; }
  bool saw_bare_cr() const noexcept { return bare_cr_; }
  bool saw_nul() const noexcept { return nul_; }
  bool saw_long_line() const noexcept { return long_line_; }

 private:
  enum class at : std::uint8_t {
    line_start_crlf,  // behind a true CRLF: a dot may begin the end of data
    line_start_lf,    // behind a bare LF: a dot is stuffing at most, never the end
    dot_crlf,         // a dot at such a line start, its meaning still open
    dot_lf,
    dot_crlf_cr,  // and a CR behind it
    dot_lf_cr,
    text,
    cr  // a CR whose successor decides whether it is half a line end or stray
  };
  class scanner;

  const char* take_text(const char* from, scanner& next, std::string& output);
  bool settle_cr(char octet, std::string& output);
  bool settle_dot(char octet, std::string& output);
  void count(std::size_t octets) noexcept;
  void end_line(at next) noexcept;

  at at_ = at::line_start_crlf;
  bool bare_lf_ = false, bare_cr_ = false, nul_ = false, long_line_ = false;
  std::size_t line_limit_;
  bool dots_;
  std::size_t line_ = 0;  // octets of the current line so far, without a stuffed dot
};

/// Stuffs CRLF-clean content for DATA: a dot that begins a line is doubled; end() closes the last
/// line if it lacks its CRLF, adds ".\r\n" and is ready for the next content. Bulk copies between
/// line starts, no work per octet.
class dot_stuffer {
 public:
  void append(std::string_view content, std::string& output);
  void end(std::string& output);

 private:
  bool line_start_ = true;
  char last_[2] = {'\r', '\n'};
};

}  // namespace relais::smtp
