// Changes the users file of AUTH (lib/auth/users_file.hpp says its format): under a lock, line by
// line, so that comments, order and what it does not understand stay; written as a new file that
// takes the place of the old one at once, with its mode and owner.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "auth/users_file.hpp"

namespace relais::ctl {

class users_editor {
 public:
  /// Waits for others that edit it. `create`: an absent file counts as an empty one; made by root,
  /// it can be read by the group of `reader`, the user of relaisd. Throws failure.
  users_editor(const std::string& path, bool create, const std::string& reader = "");
  ~users_editor();
  users_editor(const users_editor&) = delete;
  users_editor& operator=(const users_editor&) = delete;

  /// Whether there is a line of that user, also a broken one.
  bool has(const std::string& user) const { return find(user) != nullptr; }
  /// None also if its line is broken.
  std::optional<auth::user_entry> entry(const std::string& user) const;
  /// In place of the user's line, or behind all.
  void put(const auth::user_entry& entry);
  void remove(const std::string& user);
  /// On stable storage when it returns. Throws failure.
  void commit();

 private:
  const std::string* find(const std::string& user) const;
  void open_locked(bool create);
  void read();
  void give_to(const std::string& reader);
  void write_draft(int draft) const;

  std::string path_;
  int file_ = -1;  // locked
  std::vector<std::string> lines_;
};

/// The file as a table; complaints go to standard error. Throws failure.
std::vector<auth::user_entry> read_users(const std::string& path);

}  // namespace relais::ctl
