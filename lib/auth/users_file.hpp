// The users file: "user:secret[:senders]", one a line; empty lines and lines that begin with "#"
// are comments. The secret is a hash (auth/password_hash.hpp), a SCRAM record (auth/scram.hpp), or
// both, apart by a blank; or "-": no password, for users of certificates and
// tokens. "!" in front shuts the account. Senders are addresses "a@b.example",
// domains "@b.example" or "*", apart by commas. A broken line is reported and skipped; the others
// count. Parsing is pure; watched_users reads the file again when it has changed.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "auth/password_hash.hpp"
#include "auth/scram.hpp"
#include "auth/watched_file.hpp"
#include "base/clock.hpp"

namespace relais::auth {

struct user_entry {
  std::string user;
  std::string hash;                   ///< "" = none
  std::optional<scram_record> scram;  ///< alone: PLAIN and LOGIN are too weak for this account
  std::vector<std::string> senders;
  bool is_disabled = false;
  bool has_secret() const noexcept { return !hash.empty() || scram; }
};

/// One line of the file, without its end. Null `why`: it was a comment if there is no entry.
struct parsed_user_line {
  std::optional<user_entry> entry;
  std::string why;
};
parsed_user_line parse_user_line(std::string_view line);
/// The line of an entry, without its end.
std::string user_line(const user_entry& entry);
/// "" if that may stand in a list of senders, else what is wrong.
std::string objection_to_sender(std::string_view sender);

class user_table {
 public:
  /// `file` stands in the complaints: "file:line: sentence".
  static user_table parse(std::string_view text, const std::string& file,
                          std::vector<std::string>& complaints);
  const user_entry* find(const std::string& user) const;
  std::size_t size() const noexcept { return users_.size(); }
  /// Whether every account that has a secret can log in by SCRAM, and there is one.
  bool all_have_scram() const noexcept { return with_secret_ > 0 && with_scram_ == with_secret_; }
  /// To be computed for users that do not exist, so that they take as long as the others.
  const std::string& decoy() const noexcept { return decoy_; }
  unsigned scram_iterations() const noexcept { return iterations_; }

 private:
  std::unordered_map<std::string, user_entry> users_;
  std::size_t with_secret_ = 0, with_scram_ = 0;
  std::string decoy_ = decoy_hash();
  unsigned iterations_ = relais::auth::scram_iterations;
};

/// Of one worker. A file that others may write, or that cannot be read, makes the table empty, with
/// a warning; so is one that others may read, which is used all the same.
class watched_users {
 public:
  watched_users(std::string path, const clock& time, std::function<void(std::string)> warn);
  std::shared_ptr<const user_table> current();

 private:
  watched_file file_;
  std::function<void(std::string)> warn_;
  std::shared_ptr<const user_table> table_ = std::make_shared<user_table>();
};

}  // namespace relais::auth
