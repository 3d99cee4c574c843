// relaisd: arguments, configuration, exit codes. Everything else is built in relay.cpp and
// real_world.cpp.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>

#include "config/load.hpp"
#include "daemon/real_world.hpp"
#include "net/system_hostname.hpp"

namespace {

using relais::daemon::exit_code;

int ended(exit_code code) {
  return static_cast<int>(code);
}

int start(const std::string& file, bool check, bool print) {
  auto loaded = relais::config::load_file(file, relais::config::process_environment());
  for (const auto& m : loaded.mistakes) fmt::print(stderr, "relaisd: {}\n", m.to_text());
  if (!loaded.mistakes.empty()) return ended(exit_code::config);
  auto& settings = loaded.values;
  if (settings.hostname.empty()) settings.hostname = relais::net::system_hostname();
  if (print) fmt::print("{}", relais::config::print(settings));
  if (check && !print) fmt::print("{}: good\n", file);
  if (check || print) return ended(exit_code::ok);
  return ended(relais::daemon::run(std::move(settings)));
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"relaisd, a mail relay daemon"};
  std::string file = "/etc/relais/relais.yaml";
  bool check = false, print = false;
  app.add_option("-c,--config", file, "the configuration file")->capture_default_str();
  app.add_flag("--check-config", check, "check the configuration and exit: 0 good, 78 not");
  app.add_flag("--print-config", print, "print the effective configuration, commented, and exit");
  app.set_version_flag("--version", "relais " RELAIS_VERSION);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? ended(exit_code::ok) : ended(exit_code::usage);
  }
  try {
    return start(file, check, print);
  } catch (const relais::daemon::startup_error& e) {
    fmt::print(stderr, "relaisd: {}\n", e.what());
    return ended(e.code());
  } catch (const std::exception& e) {
    fmt::print(stderr, "relaisd: unexpected failure: {}\n", e.what());
    return ended(exit_code::software);
  }
}
