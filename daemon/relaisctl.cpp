// relaisctl: looks into the spool and changes it while relaisd is stopped, and keeps the users
// file. Here are the arguments and the exit codes; what the verbs do is in ctl/.
#include <CLI/CLI.hpp>
#include <csignal>
#include <functional>
#include <string>
#include <vector>

#include "config/load.hpp"
#include "daemon/ctl/output.hpp"
#include "daemon/ctl/queue_verbs.hpp"
#include "daemon/ctl/spool_verbs.hpp"
#include "daemon/ctl/user_verbs.hpp"

namespace {

using namespace relais::ctl;

struct arguments {
  std::string config = "/etc/relais/relais.yaml";
  std::string spool;
  bool json = false;
  std::string id;  ///< of a message, or the name of a user
  selection which;
  std::string target;
  std::string users_file;
  std::vector<std::string> users;
  account_options account;
};

/// What was asked for, when all arguments are known.
using action = std::function<exit_code(const context&)>;

context context_of(const arguments& args, bool config_given) {
  context c;
  c.json = args.json;
  c.directory = args.spool;
  // A spool that is named needs no configuration: it may be a copy on another host.
  if (!args.spool.empty() && !config_given) return c;
  const auto loaded = relais::config::load_file(args.config, relais::config::process_environment());
  for (const auto& m : loaded.mistakes) warn(m.to_text());
  if (!loaded.mistakes.empty()) {
    throw failure(exit_code::config, "without its configuration, name the spool by --spool DIR");
  }
  if (args.spool.empty()) c.directory = loaded.values.spool.directory;
  return c;
}

// Options of the program may stand behind the verb as well: fallthrough() is inherited by verbs.
CLI::App& add_group(CLI::App& app, const char* name, const char* doc) {
  auto& group = *app.add_subcommand(name, doc);
  group.fallthrough();
  group.require_subcommand(1);
  return group;
}

void add_selection(CLI::App& verb, selection& which) {
  verb.add_option("ID", which.ids, "queue ids");
  verb.add_flag("--all", which.all, "all messages; needs --yes as well");
  verb.add_flag("--yes", which.confirmed, "really all");
  verb.add_flag("--dry-run", which.dry_run, "only say what would be done");
  verb.final_callback([&] {
    if (which.ids.empty() != which.all) {
      throw CLI::ValidationError("give either ids or --all");
    }
  });
}

void add_queue_verbs(CLI::App& queue, arguments& args, action& chosen) {
  queue.add_subcommand("list", "what waits, in the manner of mailq")->final_callback([&] {
    chosen = list;
  });
  auto& show_verb = *queue.add_subcommand("show", "everything known of one message");
  show_verb.add_option("ID", args.id, "queue id")->required();
  show_verb.final_callback([&] { chosen = [&](const context& c) { return show(c, args.id); }; });
  auto& cat_verb = *queue.add_subcommand("cat", "the message as it is stored, to standard output");
  cat_verb.add_option("ID", args.id, "queue id")->required();
  cat_verb.final_callback([&] {
    if (args.json) throw CLI::ValidationError("cat has no JSON form: it writes the message");
    chosen = [&](const context& c) { return cat(c, args.id); };
  });
  struct row {
    const char* name;
    const char* doc;
    change what;
  };
  static constexpr row changes[] = {
      {"remove", "remove messages, without a report to anybody", change::remove},
      {"hold", "keep messages from being delivered", change::hold},
      {"release", "let held messages be delivered again", change::release}};
  for (const auto& r : changes) {
    auto& verb = *queue.add_subcommand(r.name, r.doc);
    add_selection(verb, args.which);
    verb.parse_complete_callback([&chosen, &args, what = r.what] {
      chosen = [&args, what](const context& c) { return apply(c, what, args.which); };
    });
  }
}

void add_spool_verbs(CLI::App& spool, arguments& args, action& chosen) {
  spool.add_subcommand("check", "verify every checksum, change nothing")->final_callback([&] {
    chosen = check;
  });
  auto& verb = *spool.add_subcommand("export", "each message as ID.eml and ID.json");
  verb.add_option("DIR", args.target, "new or empty directory")->required();
  verb.final_callback(
      [&] { chosen = [&](const context& c) { return export_to(c, args.target); }; });
}

users_file users_file_of(const arguments& args, bool config_given) {
  users_file file;
  file.json = args.json;
  file.path = args.users_file;
  if (!file.path.empty() && !config_given) return file;
  const auto loaded = relais::config::load_file(args.config, relais::config::process_environment());
  for (const auto& m : loaded.mistakes) warn(m.to_text());
  if (!loaded.mistakes.empty()) {
    throw failure(exit_code::config, "without its configuration, name the file by --file FILE");
  }
  if (file.path.empty()) file.path = loaded.values.auth.users_file;
  file.reader = loaded.values.user;
  if (file.path.empty()) {
    throw failure(exit_code::config,
                  args.config + " has no auth.users_file; name the file by --file FILE");
  }
  return file;
}

using user_action = std::function<exit_code(const users_file&)>;

CLI::App& add_user_verb(CLI::App& user, const char* name, const char* doc, arguments& args) {
  auto& verb = *user.add_subcommand(name, doc);
  verb.add_option("USER", args.id, "the name of the account")->required();
  return verb;
}

void add_password_options(CLI::App& verb, account_options& how) {
  verb.add_option("--scheme", how.scheme,
                  "yescrypt, bcrypt, sha512, argon2; scram: a SCRAM record and no hash; none")
      ->capture_default_str();
  verb.add_flag("--no-scram", how.no_scram, "no SCRAM record besides the hash");
}

void add_user_verbs(CLI::App& user, arguments& args, user_action& chosen) {
  user.add_option("--file", args.users_file, "the users file, in place of the configured one");
  user.add_subcommand("list", "all accounts, without their secrets")->final_callback([&] {
    chosen = list_users;
  });
  auto& how = args.account;
  auto& add = add_user_verb(user, "add", "a new account; its password is read from stdin", args);
  add_password_options(add, how);
  add.add_option("--senders", how.senders, "the senders it may use: a@b.example,@b.example,*");
  add.add_flag("--disable", how.disabled, "it cannot log in until it is enabled");
  add.final_callback([&] { chosen = [&](const auto& f) { return add_user(f, args.id, how); }; });
  auto& passwd = add_user_verb(user, "passwd", "another password, read from stdin", args);
  add_password_options(passwd, how);
  passwd.final_callback(
      [&] { chosen = [&](const auto& f) { return change_password(f, args.id, how); }; });
  auto& senders = add_user_verb(user, "senders", "other senders that it may use", args);
  senders.add_option("SENDERS", how.senders, "a@b.example,@b.example,*; empty: the rule")
      ->required();
  senders.final_callback(
      [&] { chosen = [&](const auto& f) { return set_senders(f, args.id, how.senders); }; });
  auto& disable = add_user_verb(user, "disable", "it cannot log in any more", args);
  disable.final_callback(
      [&] { chosen = [&](const auto& f) { return set_disabled(f, args.id, true); }; });
  auto& enable = add_user_verb(user, "enable", "it can log in again", args);
  enable.final_callback(
      [&] { chosen = [&](const auto& f) { return set_disabled(f, args.id, false); }; });
  auto& remove = *user.add_subcommand("remove", "take accounts away");
  remove.add_option("USER", args.users, "their names")->required();
  remove.final_callback(
      [&] { chosen = [&](const auto& f) { return remove_users(f, args.users); }; });
}

exit_code parse_and_act(int argc, char** argv) {
  arguments args;
  action chosen;
  user_action chosen_of_users;
  CLI::App app{"relaisctl, for the spool of relaisd while it is stopped, and for its users"};
  const auto* config = app.add_option("-c,--config", args.config, "the configuration of relaisd")
                           ->capture_default_str();
  app.add_option("--spool", args.spool, "the spool, in place of the configured one");
  app.add_flag("--json", args.json, "results as JSON");
  app.set_version_flag("--version", "relais " RELAIS_VERSION);
  app.require_subcommand(1);
  add_queue_verbs(add_group(app, "queue", "messages in the spool"), args, chosen);
  add_spool_verbs(add_group(app, "spool", "the spool as a whole"), args, chosen);
  add_user_verbs(add_group(app, "user", "accounts of AUTH in the users file"), args,
                 chosen_of_users);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? exit_code::ok : exit_code::usage;
  }
  const bool config_given = config->count() > 0;
  if (chosen_of_users) return chosen_of_users(users_file_of(args, config_given));
  return chosen(context_of(args, config_given));
}

}  // namespace

int main(int argc, char** argv) {
  // A reader of our output that goes away is an error like any other, not the end in the middle.
  std::signal(SIGPIPE, SIG_IGN);
  try {
    return static_cast<int>(parse_and_act(argc, argv));
  } catch (const failure& e) {
    if (*e.what() != '\0') warn(e.what());
    return static_cast<int>(e.code());
  } catch (const std::exception& e) {
    warn(e.what());
    return static_cast<int>(exit_code::software);
  }
}
