#include "daemon/ctl/route_verbs.hpp"

#include <algorithm>
#include <memory>

#include "base/text.hpp"
#include "config/load.hpp"
#include "daemon/ctl/output.hpp"
#include "daemon/ctl/route_explanation.hpp"
#include "net/system_hostname.hpp"

namespace relais::ctl {
namespace {

struct test_arguments {
  std::string to, from, user, listener;
};

config::settings settings_of(const std::string& file) {
  auto loaded = config::load_file(file, config::process_environment());
  for (const auto& m : loaded.mistakes) warn(m.to_text());
  if (!loaded.mistakes.empty()) {
    throw failure(exit_code::config, "without its configuration, relaisd takes no way at all");
  }
  if (loaded.values.hostname.empty()) loaded.values.hostname = net::system_hostname();
  return std::move(loaded.values);
}

smtp::path address_of(const std::string& text, const char* option) {
  const bool bracketed = text.starts_with('<') && text.ends_with('>');
  const auto address = smtp::parse_address(bracketed ? text.substr(1, text.size() - 2) : text);
  if (!address) {
    throw failure(exit_code::usage, std::string(option) + ": " + printable(text, 300) +
                                        " is no address: write joe@example.org");
  }
  return *address;
}

std::string listener_of(const std::string& text, const config::settings& settings) {
  if (text.empty()) return {};
  const auto address = listen_address::parse(text);
  const auto shown = address ? address->text() : text;
  const auto is_it = [&](const config::listener& l) { return l.address.text() == shown; };
  if (std::ranges::any_of(settings.listeners, is_it)) return shown;
  std::string all;
  for (const auto& l : settings.listeners) all += (all.empty() ? "" : ", ") + l.address.text();
  throw failure(exit_code::usage, "--listener: there is none at " + printable(text, 300) +
                                      ", but " + printable(all, 1000));
}

exit_code test(const test_arguments& args, const std::string& config, bool json) {
  const auto settings = settings_of(config);
  route_question question;
  question.to = address_of(args.to, "--to");
  if (question.to.is_null()) throw failure(exit_code::usage, "--to: <> is no recipient");
  question.from = address_of(args.from, "--from");
  question.user = args.user;
  question.listener = listener_of(args.listener, settings);
  const policy::routes ways(settings);
  auto found = explain(ways, question);
  found.hosts = look_up_hosts(settings, ways.hosts(found.hop));
  if (!found.fallback.empty()) {
    auto fallback = found.hop;
    fallback.is_fallback = true;
    found.fallback_hosts = look_up_hosts(settings, ways.hosts(fallback));
  }
  put(json ? to_json(found) + '\n' : to_text(found));
  finish_output();
  return verdict_of(found);
}

}  // namespace

void add_route_verbs(CLI::App& route, route_action& chosen) {
  auto& verb = *route.add_subcommand(
      "test", "which way mail takes and why; exit code 68: back to its sender, 75: it waits");
  const auto args = std::make_shared<test_arguments>();
  verb.add_option("--to", args->to, "the recipient")->required();
  verb.add_option("--from", args->from, "the envelope sender; none: <>");
  verb.add_option("--user", args->user, "who logged in");
  verb.add_option("--listener", args->listener, "the listener that took it, by its address");
  verb.final_callback([args, &chosen] {
    chosen = [args](const std::string& config, bool json) { return test(*args, config, json); };
  });
}

}  // namespace relais::ctl
