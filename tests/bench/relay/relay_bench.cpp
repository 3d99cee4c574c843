// The tools of ./dev bench relay, which tests/bench/relay.py starts: what sends, what receives, and
// what is between. Figures are JSON on stdout. Servers say {"ready": true} when they listen, answer
// a line "report" on stdin with their figures and "reset" with a new beginning, and end with stdin.
#include <fmt/format.h>
#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdio>
#include <optional>
#include <stdexcept>
#include <string>

#include "bench/relay/event_loop.hpp"
#include "bench/relay/load.hpp"
#include "bench/relay/names.hpp"
#include "bench/relay/proxy.hpp"
#include "bench/relay/sink.hpp"

namespace relais::bench {
namespace {

void say(const std::string& line) {
  fmt::print("{}\n", line);
  std::fflush(stdout);
}

void serve(event_loop& loop, const std::function<std::string()>& report,
           const std::function<void()>& reset) {
  loop.on_input([&](const std::string& line) {
    if (line == "reset") reset();
    say(line == "report" ? report() : "{}");
  });
  say(R"({"ready": true})");
  loop.run();
}

struct chosen {
  std::string where, target, live, first_dead;
  load_options load;
  sink_options sink;
  double delay_ms = 25;
  std::uint16_t silent_port = 0;
};

void add_load(CLI::App& app, chosen& options) {
  auto& sub = *app.add_subcommand("load", "send messages");
  sub.add_option("server", options.where, "ADDRESS:PORT")->required();
  sub.add_option("--sessions", options.load.sessions);
  sub.add_option("--messages", options.load.messages, "0: until the time is over");
  sub.add_option("--seconds", options.load.seconds, "no new message behind that");
  sub.add_option("--size", options.load.size, "octets of a message");
  sub.add_option("--recipients", options.load.recipients, "of each message");
  sub.add_option("--domain", options.load.domain);
  sub.add_option("--domains", options.load.domains, "to d0.DOMAIN, d1.DOMAIN ... in turn");
  sub.add_option("--pause", options.load.pause, "seconds between messages of a session");
  sub.add_flag("--one-per-connection", options.load.one_per_connection);
  sub.add_flag("--pipelining", options.load.pipelines, "MAIL, RCPT and DATA in one packet");
  sub.add_flag("--starttls", options.load.starttls);
}

void add_servers(CLI::App& app, chosen& options) {
  auto& sink = *app.add_subcommand("sink", "receive messages");
  sink.add_option("where", options.where, "ADDRESS:PORT")->required();
  sink.add_flag("--chunking", options.sink.chunking);
  sink.add_option("--certificate", options.sink.certificate, "PEM; offers STARTTLS");
  sink.add_option("--key", options.sink.key);
  auto& proxy = *app.add_subcommand("proxy", "pass everything on, later");
  proxy.add_option("where", options.where, "ADDRESS:PORT")->required();
  proxy.add_option("target", options.target, "ADDRESS:PORT")->required();
  proxy.add_option("--delay-ms", options.delay_ms, "each way");
  auto& names =
      *app.add_subcommand("names", "answer DNS queries for live.example and dead.example");
  names.add_option("where", options.where, "ADDRESS:PORT")->required();
  names.add_option("live", options.live, "ADDRESS:0 of mx.live.example")->required();
  names.add_option("first_dead", options.first_dead, "ADDRESS:0 of mx.d0.dead.example")->required();
  names.add_option("--silent-port", options.silent_port, "0: connections there are refused");
}

void run(CLI::App& app, chosen& options) {
  event_loop loop;
  const auto where = to_place(options.where);
  const auto nothing = [] { return std::string("{}"); };
  if (app.got_subcommand("load")) {
    options.load.server = where;
    load clients(loop, options.load);
    clients.start();
    loop.run();
    say(clients.to_json());
  } else if (app.got_subcommand("sink")) {
    options.sink.where = where;
    sink server(loop, options.sink);
    serve(loop, [&] { return server.counts().to_json(); }, [&] { server.counts().reset(); });
  } else if (app.got_subcommand("proxy")) {
    const proxy server(loop, {where, to_place(options.target), options.delay_ms / 1000});
    serve(loop, nothing, [] {});
  } else {
    names_options zone;
    zone.where = where;
    zone.live_address = to_place(options.live).address;
    zone.first_dead = to_place(options.first_dead).address;
    const names server(loop, zone);
    std::optional<silent_port> silence;
    if (options.silent_port != 0) silence.emplace(options.silent_port);
    serve(loop, [&] { return server.to_json(); }, [] {});
  }
}

}  // namespace
}  // namespace relais::bench

int main(int count, char** words) {
  std::signal(SIGPIPE, SIG_IGN);  // NOLINT(cert-err33-c): nothing to be done if it fails
  const ::rlimit files{.rlim_cur = 65536, .rlim_max = 65536};
  ::setrlimit(RLIMIT_NOFILE, &files);
  CLI::App app("the tools of ./dev bench relay");
  app.require_subcommand(1);
  relais::bench::chosen options;
  relais::bench::add_load(app, options);
  relais::bench::add_servers(app, options);
  try {
    app.parse(count, words);
    relais::bench::run(app, options);
  } catch (const CLI::ParseError& error) {
    return app.exit(error);
  } catch (const std::exception& error) {
    fmt::print(stderr, "relay_bench: {}\n", error.what());
    return 1;
  }
}
