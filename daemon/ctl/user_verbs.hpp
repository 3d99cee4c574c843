// relaisctl user ...: the accounts of AUTH in the users file. Works while relaisd runs, which reads
// the file again within a second.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "daemon/ctl/failure.hpp"

namespace relais::ctl {

struct users_file {
  std::string path;
  std::string reader;  ///< the user that relaisd becomes; ""
  bool json = false;
};

/// How a password is kept.
struct account_options {
  std::string scheme = "yescrypt";  ///< or bcrypt, sha512, argon2; scram: a SCRAM record only;
                                    ///< none: no password
  bool no_scram = false;            ///< no SCRAM record besides the hash
  bool disabled = false;
  std::string senders;  ///< "a@b.example,@b.example,*"; "" = none
};

/// Each throws failure. The password of add and passwd comes from standard input.
exit_code list_users(const users_file& file);
exit_code add_user(const users_file& file, const std::string& user, const account_options& how);
exit_code change_password(const users_file& file, const std::string& user,
                          const account_options& how);
exit_code remove_users(const users_file& file, const std::vector<std::string>& users);
exit_code set_disabled(const users_file& file, const std::string& user, bool disabled);
exit_code set_senders(const users_file& file, const std::string& user, const std::string& senders);

}  // namespace relais::ctl
