// relaisctl: looks into the spool and changes it while relaisd is stopped. Here are the arguments
// and the exit codes; what the verbs do is in ctl/.
#include <CLI/CLI.hpp>
#include <csignal>
#include <functional>
#include <string>

#include "config/load.hpp"
#include "daemon/ctl/output.hpp"
#include "daemon/ctl/queue_verbs.hpp"
#include "daemon/ctl/spool_verbs.hpp"

namespace {

using namespace relais::ctl;

struct arguments {
  std::string config = "/etc/relais/relais.yaml";
  std::string spool;
  bool json = false;
  std::string id;
  selection which;
  std::string target;
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

exit_code parse_and_act(int argc, char** argv) {
  arguments args;
  action chosen;
  CLI::App app{"relaisctl, for the spool of relaisd while it is stopped"};
  const auto* config = app.add_option("-c,--config", args.config, "the configuration of relaisd")
                           ->capture_default_str();
  app.add_option("--spool", args.spool, "the spool, in place of the configured one");
  app.add_flag("--json", args.json, "results as JSON");
  app.set_version_flag("--version", "relais " RELAIS_VERSION);
  app.require_subcommand(1);
  add_queue_verbs(add_group(app, "queue", "messages in the spool"), args, chosen);
  add_spool_verbs(add_group(app, "spool", "the spool as a whole"), args, chosen);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? exit_code::ok : exit_code::usage;
  }
  return chosen(context_of(args, config->count() > 0));
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
