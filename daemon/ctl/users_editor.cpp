#include "daemon/ctl/users_editor.hpp"

#include <fcntl.h>
#include <pwd.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "base/error.hpp"
#include "base/text.hpp"
#include "daemon/ctl/failure.hpp"
#include "daemon/ctl/output.hpp"

namespace relais::ctl {
namespace {

[[noreturn]] void fail(const std::string& path, const char* what) {
  const int number = errno;
  throw failure(exit_code_of(from_errno(number)),
                path + ": " + what + ": " + std::strerror(number));
}

/// Behind symbolic links, so that the file they lead to is replaced and not they.
std::string real_path(const std::string& path) {
  char* const resolved = ::realpath(path.c_str(), nullptr);
  if (resolved == nullptr) return path;
  std::string real = resolved;
  std::free(resolved);
  return real;
}

std::string_view user_of(std::string_view line) {
  const auto text = trimmed(line);
  return text.starts_with('#') ? std::string_view() : trimmed(text.substr(0, text.find(':')));
}

std::string directory_of(const std::string& path) {
  const auto slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

}  // namespace

users_editor::users_editor(const std::string& path, bool create, const std::string& reader)
    : path_(real_path(path)) {
  const bool is_new = create && ::access(path_.c_str(), F_OK) != 0;
  try {
    open_locked(create);
    read();
    if (is_new && lines_.empty()) give_to(reader);
  } catch (...) {
    if (file_ >= 0) ::close(file_);
    throw;
  }
}

users_editor::~users_editor() {
  ::close(file_);
}

void users_editor::open_locked(bool create) {
  for (;;) {
    file_ = ::open(path_.c_str(), O_RDWR | O_CLOEXEC | O_NONBLOCK | (create ? O_CREAT : 0), 0600);
    if (file_ < 0) fail(path_, "cannot be opened");
    struct stat ours{}, named{};
    while (::flock(file_, LOCK_EX) != 0) {
      if (errno != EINTR) fail(path_, "cannot be locked");
    }
    if (::fstat(file_, &ours) != 0) fail(path_, "cannot be looked at");
    if (!S_ISREG(ours.st_mode)) throw failure(exit_code::no_input, path_ + " is no regular file");
    // Whoever had the lock before us has put another file in its place.
    if (::stat(path_.c_str(), &named) == 0 && named.st_ino == ours.st_ino &&
        named.st_dev == ours.st_dev) {
      return;
    }
    ::close(file_);
    file_ = -1;
  }
}

void users_editor::read() {
  const auto text = auth::read_small_file(path_);
  if (!text.error.empty()) throw failure(exit_code::io_error, path_ + " " + text.error);
  if (text.text.empty()) return;
  for (const auto line : split(text.text, '\n')) lines_.emplace_back(line);
  if (lines_.back().empty()) lines_.pop_back();
}

void users_editor::give_to(const std::string& reader) {
  if (::geteuid() != 0) return;
  const auto* who = reader.empty() ? nullptr : ::getpwnam(reader.c_str());
  if (who != nullptr && ::fchown(file_, 0, who->pw_gid) == 0 && ::fchmod(file_, 0640) == 0) return;
  warn(path_ + " is new and only root can read it; relaisd must, too: chgrp it, and chmod 0640");
}

const std::string* users_editor::find(const std::string& user) const {
  const auto found =
      std::ranges::find_if(lines_, [&](const auto& l) { return user_of(l) == user; });
  return found == lines_.end() ? nullptr : &*found;
}

std::optional<auth::user_entry> users_editor::entry(const std::string& user) const {
  const auto* line = find(user);
  return line == nullptr ? std::nullopt : auth::parse_user_line(*line).entry;
}

void users_editor::put(const auth::user_entry& entry) {
  for (auto& line : lines_) {
    if (user_of(line) != entry.user) continue;
    line = auth::user_line(entry);
    return;
  }
  lines_.push_back(auth::user_line(entry));
}

void users_editor::remove(const std::string& user) {
  std::erase_if(lines_, [&](const auto& line) { return user_of(line) == user; });
}

void users_editor::write_draft(int draft) const {
  struct stat old{};
  if (::fstat(file_, &old) != 0) fail(path_, "cannot be looked at");
  if (::fchmod(draft, old.st_mode & 07777) != 0) fail(path_, "cannot keep its mode");
  struct stat now{};
  if (::fstat(draft, &now) != 0) fail(path_, "cannot be looked at");
  if ((now.st_uid != old.st_uid || now.st_gid != old.st_gid) &&
      ::fchown(draft, old.st_uid, old.st_gid) != 0) {
    fail(path_, "cannot keep its owner");
  }
  std::string text;
  for (const auto& line : lines_) text += line + "\n";
  std::string_view rest = text;
  while (!rest.empty()) {
    const auto n = ::write(draft, rest.data(), rest.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) fail(path_, "cannot be written");
    rest.remove_prefix(static_cast<std::size_t>(n));
  }
  if (::fsync(draft) != 0) fail(path_, "cannot be written");
}

void users_editor::commit() {
  auto name = path_ + ".XXXXXX";
  const int draft = ::mkostemp(name.data(), O_CLOEXEC);
  if (draft < 0) fail(name, "cannot be made");
  try {
    write_draft(draft);
    if (::rename(name.c_str(), path_.c_str()) != 0) fail(path_, "cannot be replaced");
  } catch (...) {
    ::close(draft);
    ::unlink(name.c_str());
    throw;
  }
  ::close(draft);
  const int directory = ::open(directory_of(path_).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const bool synced = directory >= 0 && ::fsync(directory) == 0;
  if (directory >= 0) ::close(directory);
  if (!synced) fail(path_, "its directory cannot be synced");
}

std::vector<auth::user_entry> read_users(const std::string& path) {
  const auto text = auth::read_small_file(path);
  if (!text.error.empty()) {
    const bool missing = ::access(path.c_str(), F_OK) != 0 && errno == ENOENT;
    throw failure(missing ? exit_code::no_input : exit_code::no_permission,
                  path + " " + text.error);
  }
  std::vector<auth::user_entry> users;
  unsigned number = 0;
  for (const auto line : split(text.text, '\n')) {
    ++number;
    auto parsed = auth::parse_user_line(line);
    if (!parsed.why.empty()) warn(path + ":" + std::to_string(number) + ": " + parsed.why);
    if (parsed.entry) users.push_back(std::move(*parsed.entry));
  }
  return users;
}

}  // namespace relais::ctl
