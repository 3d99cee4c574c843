// relaisctl: looks at the queue and changes it, of the running relaisd or in the spool of a stopped
// one, and keeps the users file. Here are the arguments and the exit codes; what the verbs do is in
// ctl/.
#include <CLI/CLI.hpp>
#include <csignal>
#include <functional>
#include <string>
#include <vector>

#include "base/units.hpp"
#include "config/load.hpp"
#include "daemon/ctl/output.hpp"
#include "daemon/ctl/queue_verbs.hpp"
#include "daemon/ctl/relay_verbs.hpp"
#include "daemon/ctl/route_verbs.hpp"
#include "daemon/ctl/spool_verbs.hpp"
#include "daemon/ctl/user_verbs.hpp"

namespace {

using namespace relais::ctl;

struct arguments {
  std::string config = "/etc/relais/relais.yaml";
  std::string spool;
  std::string socket;
  bool json = false;
  std::string id;  ///< of a message, or the name of a user
  selection which;
  std::string target;
  std::string next_hop;
  bool as_routed = false;
  bool closed_only = false;
  std::string oldest = "4h";
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
  c.control_socket = args.socket;
  // What is named needs no configuration: it may be a copy on another host.
  if ((!args.spool.empty() || !args.socket.empty()) && !config_given) return c;
  const auto loaded = relais::config::load_file(args.config, relais::config::process_environment());
  for (const auto& m : loaded.mistakes) warn(m.to_text());
  if (!loaded.mistakes.empty()) {
    throw failure(exit_code::config,
                  "without its configuration, name the spool by --spool DIR or the socket of the "
                  "running relaisd by --socket PATH");
  }
  c.settings = loaded.values;
  if (args.spool.empty()) c.directory = c.settings.spool.directory;
  if (args.socket.empty()) c.control_socket = c.settings.http.control_socket;
  return c;
}

// Options of the program may stand behind the verb as well: fallthrough() is inherited by verbs.
CLI::App& add_group(CLI::App& app, const char* name, const char* doc) {
  auto& group = *app.add_subcommand(name, doc);
  group.fallthrough();
  group.require_subcommand(1);
  return group;
}

void add_criteria(CLI::App& verb, selection& which) {
  struct row {
    const char* option;
    const char* name;
    const char* doc;
  };
  static constexpr row rows[] = {
      {"--sender", "sender", "a@b.example, a@, b.example, .example, <>"},
      {"--recipient", "recipient", "the same"},
      {"--destination", "destination", "a next hop, its domain or its host"},
      {"--older", "older_than", "in the queue for longer than: 90s, 2h, 1d"},
      {"--younger", "younger_than", "in the queue for less than"},
      {"--larger", "larger_than", "5000, 100 KiB, 10 MiB"},
      {"--smaller", "smaller_than", "the same"},
      {"--reason", "reason", "a part of why it waits"},
      {"--reason-regex", "reason_regex", "the same as a regular expression"}};
  for (const auto& r : rows) {
    verb.add_option_function<std::vector<std::string>>(
            r.option,
            [&which, name = r.name](const std::vector<std::string>& values) {
              for (const auto& value : values) which.which.emplace_back(name, value);
            },
            r.doc)
        ->allow_extra_args(false);  // what follows is an id
  }
  verb.add_flag_callback(
      "--held", [&which] { which.which.emplace_back("held", "true"); }, "only held ones");
  verb.add_flag_callback(
      "--not-held", [&which] { which.which.emplace_back("held", "false"); }, "only others");
}

void add_selection(CLI::App& verb, selection& which) {
  verb.add_option("ID", which.ids, "queue ids; - reads them from standard input");
  add_criteria(verb, which);
  verb.add_flag("--all", which.all, "all messages");
  verb.add_flag("--yes", which.confirmed, "do it, also to more than a list of ids");
  verb.add_flag("--dry-run", which.dry_run, "only say what would be done");
  verb.final_callback([&] {
    if (which.ids.empty() && which.which.empty() && !which.all) {
      throw CLI::ValidationError("say which messages: ids, --all, or criteria");
    }
    if (which.all && !which.ids.empty()) throw CLI::ValidationError("give either ids or --all");
  });
}

void add_queue_verbs(CLI::App& queue, arguments& args, action& chosen) {
  using delivery_verb = relais::delivery::queue_verb;
  auto& list_verb = *queue.add_subcommand("list", "what waits, in the manner of mailq");
  add_criteria(list_verb, args.which);
  list_verb.final_callback([&] { chosen = [&](const context& c) { return list(c, args.which); }; });
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
    delivery_verb what;
  };
  static constexpr row changes[] = {
      {"hold", "keep messages from being delivered", delivery_verb::hold},
      {"release", "let held messages be delivered again", delivery_verb::release},
      {"remove", "remove messages, without a report to anybody", delivery_verb::remove},
      {"bounce", "give messages up: their senders get a report", delivery_verb::bounce},
      {"retry", "try messages now", delivery_verb::retry},
      {"reroute", "send messages to another next hop", delivery_verb::reroute}};
  for (const auto& r : changes) {
    auto& verb = *queue.add_subcommand(r.name, r.doc);
    add_selection(verb, args.which);
    if (r.what == delivery_verb::reroute) {
      auto* to = verb.add_option("--to", args.next_hop, "b.example, [relay.example]:587");
      auto* back = verb.add_flag("--as-routed", args.as_routed, "where the routes lead");
      to->excludes(back);
    }
    verb.parse_complete_callback([&chosen, &args, what = r.what] {
      if (what == delivery_verb::reroute && args.next_hop.empty() && !args.as_routed) {
        throw CLI::ValidationError("reroute needs --to NEXT_HOP or --as-routed");
      }
      chosen = [&args, what](const context& c) {
        return apply(c, what, args.which, args.next_hop);
      };
    });
  }
  queue.add_subcommand("flush", "try everything now")->final_callback([&] { chosen = flush; });
}

void add_relay_verbs(CLI::App& app, arguments& args, action& chosen) {
  auto& status_verb = *app.add_subcommand("status", "how relaisd is; exit status 1: trouble");
  status_verb.fallthrough();
  status_verb.add_option("--oldest", args.oldest, "trouble if a message waits longer")
      ->capture_default_str();
  status_verb.final_callback([&] {
    const auto oldest = relais::parse_duration(args.oldest);
    if (!oldest) throw CLI::ValidationError("--oldest is a time: 30m, 4h, 1d");
    chosen = [limit = *oldest](const context& c) { return status(c, limit); };
  });
  auto& all = *app.add_subcommand("destinations", "next hops with mail, and what they are at");
  all.fallthrough();
  all.add_flag("--closed", args.closed_only, "only those that are down, paused or suspended");
  all.final_callback(
      [&] { chosen = [&](const context& c) { return destinations(c, args.closed_only); }; });
  auto& group = add_group(app, "destination", "one next hop");
  for (const auto& [name, doc] :
       {std::pair{"suspend", "try nothing there until it is resumed"},
        std::pair{"resume", "let its mail go again"}, std::pair{"retry", "try its mail now"}}) {
    auto& verb = *group.add_subcommand(name, doc);
    verb.add_option("NAME", args.target, "as `destinations` shows it")->required();
    verb.final_callback([&chosen, &args, what = std::string(name)] {
      chosen = [&args, what](const context& c) { return order_destination(c, what, args.target); };
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
  route_action chosen_of_routes;
  CLI::App app{"relaisctl, for the queue of relaisd and for its users"};
  const auto* config = app.add_option("-c,--config", args.config, "the configuration of relaisd")
                           ->capture_default_str();
  app.add_option("--spool", args.spool, "the spool, in place of the configured one");
  app.add_option("--socket", args.socket, "the control socket, in place of the configured one");
  app.add_flag("--json", args.json, "results as JSON");
  app.set_version_flag("--version", "relais " RELAIS_VERSION);
  app.require_subcommand(1);
  add_queue_verbs(add_group(app, "queue", "messages in the queue"), args, chosen);
  add_relay_verbs(app, args, chosen);
  add_spool_verbs(add_group(app, "spool", "the spool as a whole"), args, chosen);
  add_user_verbs(add_group(app, "user", "accounts of AUTH in the users file"), args,
                 chosen_of_users);
  add_route_verbs(add_group(app, "route", "which way mail takes"), chosen_of_routes);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? exit_code::ok : exit_code::usage;
  }
  const bool config_given = config->count() > 0;
  if (chosen_of_routes) return chosen_of_routes(args.config, args.json);
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
