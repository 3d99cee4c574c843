// The next start with many messages pending: from the checkpoint, and from the segments alone, each
// in a process of its own, so that its memory is that of the index; files are not in the page
// cache.
#include <fmt/format.h>
#include <malloc.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <sstream>

#include "bench/bench.hpp"

extern char** environ;

namespace relais::bench {
namespace {

constexpr std::size_t size = 2u << 10;

class nothing final : public afterlife {
  void acknowledged(std::span<const queue_id>) override {}
};

void fill(context& c, const std::string& folder) {
  subject s(folder, {});
  nothing after;
  closed_loop loop(s.store(), c.source, after, nullptr);
  loop.run({.size = size, .outstanding = 1000, .messages = c.options.start_up_pending});
  if (s.store().status().messages != c.options.start_up_pending)
    broken("start-up: messages are missing");
}

/// Runs this program as start_up_child; what it prints are lines of "name value".
std::map<std::string, double> start(const std::string& folder, bool closes) {
  std::array<int, 2> ends{};
  if (::pipe(ends.data()) != 0) broken("pipe");
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
  ::posix_spawn_file_actions_addclose(&actions, ends[0]);
  std::string self = "/proc/self/exe";
  std::string option = closes ? "--start-up-child-closes" : "--start-up-child";
  std::string where = folder;
  std::array<char*, 4> arguments{self.data(), option.data(), where.data(), nullptr};
  pid_t child = 0;
  if (::posix_spawn(&child, self.c_str(), &actions, nullptr, arguments.data(), environ) != 0) {
    broken("cannot start this program again");
  }
  ::posix_spawn_file_actions_destroy(&actions);
  ::close(ends[1]);
  std::string text;
  std::array<char, 4096> piece{};
  for (ssize_t got = 0; (got = ::read(ends[0], piece.data(), piece.size())) > 0;) {
    text.append(piece.data(), static_cast<std::size_t>(got));
  }
  ::close(ends[0]);
  int status = 0;
  ::waitpid(child, &status, 0);
  if (status != 0) broken("the process that measures a start failed");
  std::map<std::string, double> values;
  std::istringstream lines(text);
  std::string name;
  for (double value = 0; lines >> name >> value;) values[name] = value;
  return values;
}

void remove_checkpoints(const std::string& folder) {
  std::vector<std::filesystem::path> found;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().filename().string().starts_with("checkpoint")) found.push_back(entry.path());
  }
  if (found.empty()) broken("start-up: there is no checkpoint to remove");
  for (const auto& path : found) std::filesystem::remove(path);
}

}  // namespace

int start_up_child(const std::string& directory, bool closes) {
  system_clocks time;
  const auto resident = resident_octets();
  const auto heap = heap_octets();
  const auto begin = now();
  auto disk = spool::open_disk(directory);
  if (!disk) broken("open_disk: " + disk.error().message());
  const auto maintenance = spool::make_thread_runner();
  const auto committer = spool::make_thread_runner();
  std::string why;
  auto opened =
      spool::open_store({**disk, *committer, *maintenance, time}, production_options(), why);
  if (!opened) broken("open_store: " + opened.error().message() + " " + why);
  auto& store = *opened->store;
  const auto ready = now();
  std::uint64_t found = 0;
  const auto report = store.enumerate([&found](const spool::stored_message&) { ++found; });
  const auto complete = now();
  if (!report) broken("enumerate: " + report.error().message());
  fmt::print("open_s {}\n", static_cast<double>(ready - begin) / 1e9);
  fmt::print("enumerate_s {}\n", static_cast<double>(complete - ready) / 1e9);
  fmt::print("found {}\n", found);
  fmt::print("damaged {}\n", report->damaged.size());
  fmt::print("from_checkpoint {}\n", report->from_checkpoint ? 1 : 0);
  fmt::print("resident {}\n", resident_octets() - resident);
  fmt::print("heap {}\n", heap_octets() - heap);
  ::malloc_trim(0);
  fmt::print("resident_trimmed {}\n", resident_octets() - resident);
  fmt::print("index {}\n", store.status().memory);
  const auto closing = now();
  if (closes) store.close();
  fmt::print("close_s {}\n", static_cast<double>(now() - closing) / 1e9);
  std::fflush(stdout);
  // Without close() this is what a crash leaves; nothing was appended.
  if (!closes) ::_exit(0);
  opened->store.reset();
  return 0;
}

void bench_start_up(context& c) {
  if (!c.options.wants("start-up")) return;
  const auto folder = c.folder("start-up");
  fill(c, folder);
  measure m;
  m.id = "start-up";
  m.title = fmt::format("start-up, {} pending of 2 KiB",
                        spelled(static_cast<double>(c.options.start_up_pending)));
  const auto number = static_cast<double>(c.options.start_up_pending);
  const auto check = [&](const std::map<std::string, double>& got, bool checkpoint) {
    if (got.at("found") != number) broken("start-up: not all messages were found");
    if (got.at("damaged") != 0) broken("start-up: something is damaged");
    if ((got.at("from_checkpoint") != 0) != checkpoint) broken("start-up: not the way expected");
  };
  forget_cached(folder);
  const auto quick = start(folder, true);
  check(quick, true);
  m.values["open_s"] = quick.at("open_s");
  m.values["checkpoint_s"] = quick.at("enumerate_s");
  m.values["checkpoint_s_per_million"] =
      (quick.at("open_s") + quick.at("enumerate_s")) / number * 1e6;
  m.values["close_s"] = quick.at("close_s");
  for (const auto* name : {"resident", "resident_trimmed", "heap", "index"}) {
    m.values[std::string("memory_") + name] = quick.at(name) / number;
  }
  remove_checkpoints(folder);
  forget_cached(folder);
  const auto scan = start(folder, false);
  check(scan, false);
  m.values["scan_s"] = scan.at("enumerate_s");
  m.values["scan_s_per_million"] = (scan.at("open_s") + scan.at("enumerate_s")) / number * 1e6;
  m.note = "memory: octets per pending message, after a start from the checkpoint";
  c.results.add(std::move(m));
  c.remove("start-up");
}

}  // namespace relais::bench
