#include "daemon/ctl/password_prompt.hpp"

#include <termios.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <string>

#include "base/text.hpp"
#include "daemon/ctl/failure.hpp"

namespace relais::ctl {
namespace {

constexpr std::size_t longest = 511;  // libcrypt takes no more

class without_echo {
 public:
  without_echo() {
    if (::tcgetattr(STDIN_FILENO, &before_) != 0) return;
    auto silent = before_;
    silent.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    changed_ = ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent) == 0;
  }
  ~without_echo() {
    if (changed_) ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &before_);
  }
  without_echo(const without_echo&) = delete;
  without_echo& operator=(const without_echo&) = delete;

 private:
  termios before_{};
  bool changed_ = false;
};

/// Octet by octet: what is behind the line is not ours.
auth::secret read_line() {
  std::string line;
  line.reserve(longest + 2);
  for (char c = 0; line.size() <= longest;) {
    const auto n = ::read(STDIN_FILENO, &c, 1);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0 || c == '\n') break;
    line += c;
  }
  if (line.ends_with('\r')) line.pop_back();
  auth::secret read(line);
  auth::wipe(line);
  return read;
}

auth::secret ask(const char* prompt) {
  // Silent first: whoever answers the prompt at once is neither shown nor flushed away.
  const without_echo silence;
  std::fputs(prompt, stderr);
  auto answer = read_line();
  std::fputs("\n", stderr);
  return answer;
}

}  // namespace

auth::secret new_password() {
  const bool person = ::isatty(STDIN_FILENO) == 1;
  auto password = person ? ask("New password: ") : read_line();
  if (person && ask("The same again: ").text() != password.text()) {
    throw failure(exit_code::usage, "the two passwords differ");
  }
  if (password.empty()) throw failure(exit_code::usage, "there is no password on standard input");
  if (password.text().size() > longest || !is_valid_utf8(password.text()) ||
      password.text().find('\0') != std::string_view::npos) {
    throw failure(exit_code::usage, "a password is UTF-8 of at most 511 octets, without NUL");
  }
  return password;
}

}  // namespace relais::ctl
