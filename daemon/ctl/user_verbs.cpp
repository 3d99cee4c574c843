#include "daemon/ctl/user_verbs.hpp"

#include "base/text.hpp"
#include "daemon/ctl/output.hpp"
#include "daemon/ctl/password_prompt.hpp"
#include "daemon/ctl/render.hpp"
#include "daemon/ctl/users_editor.hpp"

namespace relais::ctl {
namespace {

std::string scheme_of(const auth::user_entry& entry) {
  return std::string(auth::scheme_of_hash(entry.hash));
}

std::string joined(const std::vector<std::string>& words, const std::string& between) {
  std::string text;
  for (const auto& word : words) text += (text.empty() ? "" : between) + word;
  return text;
}

std::string to_json(const auth::user_entry& entry) {
  std::vector<std::string> senders;
  for (const auto& s : entry.senders) senders.push_back(json_string(s));
  const auto flag = [](bool value) { return value ? "true" : "false"; };
  return "{\"user\":" + json_string(entry.user) +
         ",\"hash\":" + (entry.hash.empty() ? "null" : json_string(scheme_of(entry))) +
         ",\"scram\":" + flag(entry.scram.has_value()) +
         ",\"disabled\":" + flag(entry.is_disabled) + ",\"senders\":[" + joined(senders, ",") +
         "]}";
}

std::string to_line(const auth::user_entry& entry) {
  std::vector<std::string> what;
  if (!entry.hash.empty()) what.push_back(scheme_of(entry));
  if (entry.scram) what.emplace_back("scram");
  if (entry.is_disabled) what.emplace_back("disabled");
  return printable(entry.user) + "  " + (what.empty() ? "-" : joined(what, "+")) +
         (entry.senders.empty() ? "" : "  " + printable(joined(entry.senders, ","))) + "\n";
}

std::vector<std::string> parse_senders(const std::string& text) {
  std::vector<std::string> senders;
  for (const auto part : split(text, ',')) {
    const auto sender = trimmed(part);
    if (sender.empty()) continue;
    if (const auto why = auth::objection_to_sender(sender); !why.empty()) {
      throw failure(exit_code::usage, why);
    }
    senders.emplace_back(sender);
  }
  return senders;
}

void check_name(const std::string& user) {
  if (auth::is_user_name(user) && user.find(':') == std::string::npos && trimmed(user) == user &&
      !user.starts_with('#')) {
    return;
  }
  throw failure(exit_code::usage,
                "\"" + user +
                    "\" can be no user's name: 1 to 255 octets of printable UTF-8 "
                    "without a colon, no \"#\" in front, no blanks at its ends");
}

/// Writes what the password becomes into the entry.
void set_password(auth::user_entry& entry, const account_options& how) {
  entry.hash.clear();
  entry.scram.reset();
  if (how.scheme == "none") return;
  const auto scheme = auth::parse_hash_scheme(how.scheme);
  const bool only_scram = how.scheme == "scram";
  if (only_scram ? how.no_scram : !scheme.has_value()) {
    throw failure(exit_code::usage, "--scheme is yescrypt, bcrypt, sha512, argon2, scram or none");
  }
  const auto password = new_password();
  if (scheme) entry.hash = auth::hash_password(password, *scheme);
  if (!how.no_scram) {
    entry.scram =
        auth::make_scram_record(password, auth::random_octets(16), auth::scram_iterations);
  }
}

auth::user_entry existing(const users_editor& editor, const std::string& user) {
  if (auto entry = editor.entry(user)) return *entry;
  throw failure(exit_code::no_input,
                user + (editor.has(user) ? ": its line is broken" : ": no such user"));
}

exit_code done(const std::string& user, const char* what) {
  put(printable(user) + ": " + what + "\n");
  finish_output();
  return exit_code::ok;
}

}  // namespace

exit_code list_users(const users_file& file) {
  const auto users = read_users(file.path);
  if (file.json) {
    json_array array;
    for (const auto& entry : users) put(array.next(to_json(entry)));
    put(array.end());
  } else {
    for (const auto& entry : users) put(to_line(entry));
  }
  finish_output();
  return exit_code::ok;
}

exit_code add_user(const users_file& file, const std::string& user, const account_options& how) {
  check_name(user);
  auth::user_entry entry;
  entry.user = user;
  entry.senders = parse_senders(how.senders);
  entry.is_disabled = how.disabled;
  // Before the lock: a person types for as long as they like.
  set_password(entry, how);
  users_editor editor(file.path, true, file.reader);
  if (editor.has(user)) {
    throw failure(exit_code::cannot_create, user + ": there is such a user already");
  }
  editor.put(entry);
  editor.commit();
  return done(user, "added");
}

exit_code change_password(const users_file& file, const std::string& user,
                          const account_options& how) {
  static_cast<void>(existing(users_editor(file.path, false), user));
  auth::user_entry fresh;
  set_password(fresh, how);
  users_editor editor(file.path, false);
  auto entry = existing(editor, user);
  entry.hash = fresh.hash;
  entry.scram = fresh.scram;
  editor.put(entry);
  editor.commit();
  return done(user, "password changed");
}

exit_code remove_users(const users_file& file, const std::vector<std::string>& users) {
  users_editor editor(file.path, false);
  std::string removed;
  auto code = exit_code::ok;
  for (const auto& user : users) {
    if (!editor.has(user)) {
      warn(user + ": no such user");
      code = exit_code::no_input;
      continue;
    }
    editor.remove(user);
    removed += printable(user) + ": removed\n";
  }
  if (!removed.empty()) editor.commit();
  put(removed);
  finish_output();
  return code;
}

exit_code set_disabled(const users_file& file, const std::string& user, bool disabled) {
  users_editor editor(file.path, false);
  auto entry = existing(editor, user);
  entry.is_disabled = disabled;
  editor.put(entry);
  editor.commit();
  return done(user, disabled ? "disabled" : "enabled");
}

exit_code set_senders(const users_file& file, const std::string& user, const std::string& senders) {
  users_editor editor(file.path, false);
  auto entry = existing(editor, user);
  entry.senders = parse_senders(senders);
  editor.put(entry);
  editor.commit();
  return done(user, "senders changed");
}

}  // namespace relais::ctl
