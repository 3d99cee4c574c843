#include "daemon/real_world.hpp"

#include <fmt/format.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <csignal>
#include <cstdlib>
#include <future>
#include <optional>
#include <thread>

#include "base/error.hpp"
#include "daemon/bound_listeners.hpp"
#include "daemon/control.hpp"
#include "daemon/log.hpp"
#include "daemon/privileges.hpp"
#include "daemon/relay.hpp"
#include "dns/cache.hpp"
#include "dns/cares_resolver.hpp"
#include "dns/hosts_file.hpp"
#include "net/descriptors.hpp"

namespace relais::daemon {
namespace {

namespace asio = boost::asio;

std::unique_ptr<dns::cares_resolver> make_resolver(const config::dns_settings& s,
                                                   const asio::any_io_executor& executor) {
  dns::resolver_options o;
  o.servers = s.servers;
  o.timeout = s.timeout;
  o.attempts = static_cast<unsigned>(s.attempts);
  try {
    return std::make_unique<dns::cares_resolver>(executor, o);
  } catch (const std::exception& e) {
    throw startup_error(exit_code::os_error, std::string("DNS cannot be set up: ") + e.what());
  }
}

struct worker {
  explicit worker(const clock& time)
      : alarms(net::make_system_alarms(io.get_executor())),
        network(net::make_system_network(io.get_executor(), *alarms, time)),
        random(system_seed()),
        runtime{io.get_executor(), time, random, *alarms, *network},
        work(io.get_executor()) {}

  /// Each worker asks and remembers by itself.
  void look_up_names(const config::dns_settings& settings, const clock& time) {
    source = make_resolver(settings, io.get_executor());
    cache = std::make_unique<dns::caching_resolver>(*source, time);
    resolver = std::make_unique<dns::hosts_file_resolver>(*cache, "/etc/hosts");
    client_cache = std::make_unique<dns::caching_resolver>(*source, time);
    client_resolver = std::make_unique<dns::hosts_file_resolver>(*client_cache, "/etc/hosts");
  }

  asio::io_context io{1};
  std::unique_ptr<net::alarms> alarms;
  std::unique_ptr<net::network> network;
  seeded_random random;
  net::runtime runtime;
  asio::executor_work_guard<asio::io_context::executor_type> work;
  std::unique_ptr<dns::cares_resolver> source;
  std::unique_ptr<dns::caching_resolver> cache;
  std::unique_ptr<dns::hosts_file_resolver> resolver;
  // Names and lists of strangers must not push out the answers that deliveries need.
  std::unique_ptr<dns::caching_resolver> client_cache;
  std::unique_ptr<dns::hosts_file_resolver> client_resolver;
};

/// relaisctl works on the spool of a stopped daemon, for some moments: a start waits for its end,
/// while nobody connects to it yet.
void wait_for_spool(const std::string& directory, asio::io_context& io, event_sink& log) {
  constexpr int looks = 50;
  for (int i = 0; i < looks && spool::is_disk_in_use(directory); ++i) {
    const auto sentence = "the spool " + directory + " is in use by another process: waiting";
    if (i == 0) log.emit(events::notice{"master", true, sentence});
    asio::steady_timer(io, std::chrono::milliseconds(100)).wait();
  }
}

std::unique_ptr<spool::disk> open_spool_disk(const std::string& directory) {
  auto disk = spool::open_disk(directory);
  if (disk) return std::move(*disk);
  const auto error = disk.error();
  const auto sentence = "the spool " + directory + " cannot be used: " + error.message();
  if (error == errc::busy)
    throw startup_error(exit_code::temporary, sentence + " (is relaisd running?)");
  if (error == errc::no_space || error == errc::io_error)
    throw startup_error(exit_code::io_error, sentence);
  if (error == errc::permission)
    throw startup_error(exit_code::cannot_create,
                        sentence + " (it must be a directory of our own with mode 0700)");
  throw startup_error(exit_code::cannot_create, sentence);
}

/// Until everything that waits for the runner is done.
void wait_for(spool::runner& busy) {
  std::promise<void> done;
  busy.run([&] { done.set_value(); });
  done.get_future().wait();
}

// Reads and large writes at a time; more would not make a disk faster.
constexpr std::size_t reader_threads = 4;

// Password hashes at a time: each takes a core for a tenth of a second.
constexpr std::size_t blocking_threads = 4;

void warn_of_few_descriptors(const config::limit_settings& s, std::uint64_t limit,
                             event_sink& log) {
  if (s.connections + s.reserved_descriptors <= limit) return;
  const auto sentence = fmt::format(
      "{} descriptors are allowed (ulimit -n, LimitNOFILE=): new clients will wait before "
      "limits.connections {} are reached",
      limit, s.connections);
  log.emit(events::notice{"master", true, sentence});
}

// SIGHUP is what certificate clients send (certbot's deploy hook, systemctl reload).
void answer_hangups(asio::signal_set& hangups, relay& mail, event_sink& log) {
  hangups.async_wait([&](error_code ec, int) {
    if (ec) return;
    const auto fault = mail.reload_certificates();
    if (fault.empty()) {
      log.emit(events::notice{"master", false,
                              "SIGHUP: certificates read anew; a changed configuration needs a "
                              "restart"});
    } else {
      log.emit(
          events::notice{"master", true, "SIGHUP: the certificates stay as they were: " + fault});
    }
    answer_hangups(hangups, mail, log);
  });
}

// The first SIGTERM or SIGINT drains, a second one cuts short.
net::task<void> until_signal(asio::signal_set& signals, relay& mail, event_sink& log, bool& clean) {
  co_await signals.async_wait(net::nothrow);
  log.emit(events::notice{"master", false, "shutting down"});
  signals.async_wait([&](error_code ec, int) {
    if (ec) return;
    log.emit(events::notice{"master", true, "second signal: not waiting any longer"});
    mail.hurry();
  });
  clean = co_await mail.shut_down();
  signals.cancel();
}

/// Some session did not end, not even when it was cut off: its destructors would run with those of
/// its executor, when the relay that they refer to is gone. So there are no destructors.
[[noreturn]] void end_process(event_sink& log, const std::exception_ptr& failure) {
  auto code = exit_code::hard_stop;
  std::string why = "not every session has ended: stopped without them";
  try {
    if (failure) std::rethrow_exception(failure);
  } catch (const std::exception& e) {
    code = exit_code::software;
    why = std::string("unexpected failure: ") + e.what();
  }
  log.emit(events::notice{"master", true, why});
  std::_Exit(static_cast<int>(code));
}

}  // namespace

exit_code run(config::settings settings) {
  std::signal(SIGPIPE, SIG_IGN);
  const auto log = make_text_log(settings.log);
  const system_clocks time;
  auto count = static_cast<std::size_t>(settings.workers);
  if (count == 0) count = std::max(1u, std::thread::hardware_concurrency());
  std::vector<std::unique_ptr<worker>> workers;
  std::vector<net::network*> networks;
  for (std::size_t i = 0; i < count; ++i) {
    workers.push_back(std::make_unique<worker>(time));
    networks.push_back(workers.back()->network.get());
  }
  auto& first = *workers.front();
  const auto limit = net::raise_descriptor_limit();
  warn_of_few_descriptors(settings.limits, limit, *log);
  net::descriptor_reserve descriptors(limit, settings.limits.reserved_descriptors);

  // From here on a signal waits for its turn rather than kill a half-made daemon.
  asio::signal_set signals(first.io, SIGTERM, SIGINT);
  asio::signal_set hangups(first.io, SIGHUP);
  wait_for_spool(settings.spool.directory, first.io, *log);
  auto listeners = bind_listeners(settings, networks, *log);
  auto http_listener = bind_http(settings, *first.network);
  prepare_control_directory(settings);
  drop_privileges(settings.user);
  const auto disk = open_spool_disk(settings.spool.directory);
  auto control_listener = bind_control(settings, *first.network, *log);
  auto committer = spool::make_thread_runner();
  auto readers = spool::make_thread_runner(reader_threads);
  auto maintenance = spool::make_thread_runner();
  auto blocking = spool::make_thread_runner(blocking_threads);
  for (const auto& w : workers) w->look_up_names(settings.dns, time);

  world surroundings;
  for (const auto& w : workers) {
    surroundings.workers.push_back(&w->runtime);
    surroundings.resolvers.push_back(w->resolver.get());
    surroundings.client_resolvers.push_back(w->client_resolver.get());
  }
  surroundings.disk = disk.get();
  surroundings.committer = committer.get();
  surroundings.readers = readers.get();
  surroundings.maintenance = maintenance.get();
  surroundings.blocking = blocking.get();
  surroundings.descriptors = &descriptors;
  surroundings.events = log.get();
  surroundings.maintenance_may_wait = true;
  relay mail(settings, surroundings);
  for (auto& l : listeners) {
    if (l.worker == 0) {
      const auto where = l.acceptor->address().text();
      log->emit(events::notice{"master", false, "listening on " + where});
    }
    mail.adopt(l.worker, l.listener, std::move(l.acceptor));
  }
  if (http_listener) mail.adopt_http(std::move(http_listener));
  mail.adopt_control(std::move(control_listener));
  mail.start();

  answer_hangups(hangups, mail, *log);
  bool clean = true;
  std::exception_ptr failure;
  asio::co_spawn(first.io, until_signal(signals, mail, *log, clean),
                 [&](const std::exception_ptr& e) {
                   failure = e;
                   for (const auto& w : workers) w->io.stop();
                 });
  log->emit(events::notice{"master", false, "ready"});
  std::vector<std::thread> threads;
  for (std::size_t i = 1; i < count; ++i) {
    threads.emplace_back([&io = workers[i]->io] { io.run(); });
  }
  first.io.run();
  for (auto& t : threads) t.join();
  // From here on a late second signal would meet the default action instead of our handler.
  sigset_t late;
  sigemptyset(&late);
  for (const int number : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&late, number);
  pthread_sigmask(SIG_BLOCK, &late, nullptr);
  // Their last jobs end before the spool that they work on does.
  readers.reset();
  blocking.reset();
  wait_for(*maintenance);
  wait_for(*committer);
  if (!failure) mail.close();
  maintenance.reset();
  committer.reset();
  if (!mail.is_deserted()) end_process(*log, failure);
  if (failure) std::rethrow_exception(failure);
  log->emit(events::notice{"master", false, "stopped"});
  return clean ? exit_code::ok : exit_code::hard_stop;
}

}  // namespace relais::daemon
