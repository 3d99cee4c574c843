// The benchmarks of the spool (./dev bench spool, docs/benchmarks.md): options, the order of the
// cases, and where the figures go. Exit status 0 also when a target is missed; 1 when something is
// broken: an error, a lost acknowledgement, a message that reads differently.
#include <fmt/format.h>
#include <malloc.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>
#include <fstream>

#include "bench/bench.hpp"

namespace {

using namespace relais::bench;

struct arguments {
  run_options run;
  std::string directory = "build/bench-spool";
  std::string json;
  bool quick = false;
  bool markdown = false;
  bool settle_after = false;
  std::string child;
  std::string child_that_closes;
};

void describe(CLI::App& app, arguments& a) {
  app.add_option("--dir", a.directory, "where to write, on the disk to be measured")
      ->capture_default_str();
  app.add_option("--only", a.run.only,
                 "only these cases, or all that begin with it: accept/10k/50, life")
      ->delimiter(',');
  app.add_option("--rounds", a.run.rounds, "rounds of each case")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--seconds", a.run.seconds, "of a round")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--life-seconds", a.run.life_seconds, "of a round of the full life cycle")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--pending", a.run.pending, "messages pending in the full life cycle")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--start-up-pending", a.run.start_up_pending, "messages pending at the start-up")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_flag("--quick", a.quick, "short rounds: a first impression");
  app.add_flag("--settle-after", a.settle_after,
               "accept: deliver the messages between the rounds, not in them");
  app.add_option("--json", a.json, "write all figures to this file");
  app.add_flag("--markdown", a.markdown, "print the tables as Markdown");
  app.add_option("--start-up-child", a.child)->group("");
  app.add_option("--start-up-child-closes", a.child_that_closes)->group("");
}

void apply(arguments& a) {
  a.run.settles_in_round = !a.settle_after;
  if (!a.quick) return;
  a.run.rounds = std::min<std::size_t>(a.run.rounds, 2);
  a.run.seconds = std::min(a.run.seconds, 0.3);
  a.run.life_seconds = std::min(a.run.life_seconds, 4.0);
  a.run.probe_seconds = 0.1;
  a.run.start_up_pending = std::min<std::size_t>(a.run.start_up_pending, 200'000);
}

/// The folder of this run, gone when it ends.
class scratch {
 public:
  explicit scratch(const std::string& above) {
    std::filesystem::create_directories(above);
    path_ = std::filesystem::absolute(above) / fmt::format("run-{}", ::getpid());
    std::filesystem::create_directory(path_);
  }
  ~scratch() {
    std::error_code none;
    std::filesystem::remove_all(path_, none);
    std::filesystem::remove(path_.parent_path(), none);  // if it is empty
  }
  scratch(const scratch&) = delete;
  scratch& operator=(const scratch&) = delete;
  std::string path() const { return path_.string(); }

 private:
  std::filesystem::path path_;
};

/// The full life cycle keeps three times its live octets, and a slow compaction more.
double needed_octets(const run_options& run) {
  const bool many = run.wants(fmt::format("life/{}", run.pending)) || run.wants("stalls");
  return many ? 2e9 + static_cast<double>(run.pending) * 10240 * 4 : 5e9;
}

void run_all(context& c) {
  bench_generator(c);
  bench_accept(c);
  bench_large(c);
  bench_files(c);
  bench_slow_flush(c);
  bench_life(c);
  bench_start_up(c);
  bench_raw(c);
}

int bench(const arguments& a) {
  const scratch place(a.directory);
  const auto free = static_cast<double>(std::filesystem::space(place.path()).available);
  if (free < needed_octets(a.run)) {
    fmt::print(stderr, "spool_bench: {} has {} MB free, {} are needed\n", a.directory,
               spelled(free / 1e6), spelled(needed_octets(a.run) / 1e6));
    return 69;
  }
  context c(a.run, place.path());
  fmt::print(
      stderr, "writing in {} on {}\n", place.path(),
      c.device.device().empty() ? "a file system without a block device" : c.device.device());
  run_all(c);
  fmt::print("{}", c.results.tables(a.markdown));
  if (!a.json.empty()) std::ofstream(a.json) << c.results.json();
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  arguments a;
  CLI::App app("Benchmarks of the spool");
  describe(app, a);
  CLI11_PARSE(app, argc, argv);
  if (!a.child.empty()) return start_up_child(a.child, false);
  if (!a.child_that_closes.empty()) return start_up_child(a.child_that_closes, true);
  apply(a);
  // The load's own memory is not what is measured: keep it, instead of a page fault per page.
  ::mallopt(M_TRIM_THRESHOLD, 1 << 30);
  ::mallopt(M_MMAP_THRESHOLD, 32 << 20);
  return bench(a);
}
