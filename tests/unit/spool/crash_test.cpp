// Short random histories of a spool, cut at every single disk operation, with every un-synced
// sector and name kept, lost or torn by seed; then recovery, and the promises are checked
// (design 7.1). The same checks must catch a disk that forgets to sync: a test that cannot fail
// proves nothing.
#include <catch2/catch.hpp>
#include <memory>
#include <set>

#include "unit/spool/spool_world.hpp"

using namespace relais;
using namespace relais::testing;
using spool::recipient_status;

namespace {

/// Known-bad on purpose: promises durability and does nothing.
class forgetful_disk final : public spool::disk {
 public:
  enum class forgets { file_sync, directory_sync };
  forgetful_disk(spool::disk& inner, forgets what) : inner_(inner), what_(what) {}

  result<std::unique_ptr<spool::file>> open(std::string_view name, spool::open_mode mode) override {
    auto opened = inner_.open(name, mode);
    if (!opened || what_ != forgets::file_sync) return opened;
    return std::unique_ptr<spool::file>(std::make_unique<forgetful_file>(std::move(*opened)));
  }
  error_code make_directory(std::string_view name) override { return inner_.make_directory(name); }
  result<std::vector<std::string>> list(std::string_view d) override { return inner_.list(d); }
  error_code rename(std::string_view from, std::string_view to) override {
    return inner_.rename(from, to);
  }
  error_code remove(std::string_view name) override { return inner_.remove(name); }
  error_code sync_directory(std::string_view name) override {
    return what_ == forgets::directory_sync ? error_code{} : inner_.sync_directory(name);
  }
  result<spool::free_space> space() override { return inner_.space(); }

 private:
  struct forgetful_file final : spool::file {
    explicit forgetful_file(std::unique_ptr<spool::file> f) : inner(std::move(f)) {}
    error_code write_at(std::uint64_t offset, std::span<const std::string_view> parts) override {
      return inner->write_at(offset, parts);
    }
    result<std::string> read_at(std::uint64_t at, std::size_t n) override {
      return inner->read_at(at, n);
    }
    result<std::uint64_t> size() override { return inner->size(); }
    error_code sync() override { return {}; }
    std::unique_ptr<spool::file> inner;
  };
  spool::disk& inner_;
  forgets what_;
};

struct settled {
  std::uint32_t version = 0;  ///< carried in `attempts`
  recipient_status status = recipient_status::pending;
};

struct known_message {
  std::shared_ptr<const spool::message> message;
  std::uint64_t token = 0;
  std::vector<std::vector<settled>> history;  ///< per recipient, oldest first
  std::vector<std::uint32_t> durable;         ///< per recipient: the version that must not be lost

  recipient_status newest(std::size_t r) const {
    return history[r].empty() ? recipient_status::pending : history[r].back().status;
  }
};

/// One history: what was asked of the store and what it answered.
class history {
 public:
  history(sim_disk& sim, spool::disk& disk, std::uint64_t seed)
      : sim_(sim), random_(seed), sink_([this] { return sim_.is_off(); }) {
    auto opened = open_spool(disk, runner_);
    store_ = std::move(opened.store);
  }

  void play(int steps) {
    if (!store_) return;
    for (int i = 0; i < steps && !sim_.is_off(); ++i) step();
    if (!sim_.is_off()) {
      store_->flush([](error_code) {});
      runner_.run_all();
    }
    store_.reset();
    for (const auto& [token, change] : tokens_) {
      const auto outcome = sink_.outcomes.find(token);
      if (outcome == sink_.outcomes.end() || outcome->second) continue;
      auto& durable = messages_.at(change.id).durable[change.recipient];
      durable = std::max(durable, change.version);
    }
  }

  /// Every broken promise in one sentence each.
  enum class faults { none, one, many };
  /// With at most one failed operation, what was refused must not come back; with many, it may, or
  /// be found damaged, because withdrawing it failed, too.
  std::vector<std::string> check(opened_spool& after, faults how_many) const {
    const bool one_fault = how_many == faults::one;
    std::vector<std::string> broken;
    if (!after.store) return {"does not open: " + after.error.message()};
    for (const auto& sentence : after.report.damaged)
      if (how_many != faults::many) broken.push_back("damage: " + sentence);
    for (const auto& [id, found] : after.found)
      if (!messages_.contains(id)) broken.push_back("invented " + id.text());
    for (const auto& [id, known] : messages_) check_message(after, id, known, one_fault, broken);
    return broken;
  }

 private:
  struct token_use {
    queue_id id;
    std::uint32_t recipient = 0;
    std::uint32_t version = 0;
  };

  void step() {
    const auto what = random_.below(10);
    if (what < 4) return append();
    if (what < 7) return settle(false);
    if (what < 8) return settle(true);
    if (what < 9) {
      runner_.run_one();
      return;
    }
    runner_.run_all();
  }

  void append() {
    const auto recipients = 1 + random_.below(3);
    std::string content(static_cast<std::size_t>(random_.below(4) == 0 ? 3000 : random_.below(300)),
                        'x');
    for (auto& c : content) c = static_cast<char>(random_.below(256));
    auto m = make_message(++last_id_, std::move(content), static_cast<std::size_t>(recipients));
    auto request = append_of(m, ++last_token_);
    if (random_.below(3) == 0) {
      if (auto change = any_change(false)) request.together_with.push_back(std::move(*change));
    }
    auto& known = messages_[m->id];
    known.message = m;
    known.token = last_token_;
    known.history.resize(static_cast<std::size_t>(recipients));
    known.durable.resize(static_cast<std::size_t>(recipients));
    store_->append(std::move(request), sink_);
  }

  void settle(bool with_token) {
    auto change = any_change(with_token);
    if (!change) return;
    if (with_token) {
      store_->settle(std::move(*change), last_token_, sink_);
    } else {
      store_->settle(std::move(*change));
    }
  }

  /// A new state for a pending recipient of an acknowledged message.
  std::optional<spool::state_change> any_change(bool with_token) {
    std::vector<std::pair<queue_id, std::uint32_t>> candidates;
    for (const auto& [id, known] : messages_) {
      const auto outcome = sink_.outcomes.find(known.token);
      if (outcome == sink_.outcomes.end() || outcome->second) continue;
      for (std::uint32_t r = 0; r < known.history.size(); ++r)
        if (known.newest(r) == recipient_status::pending) candidates.emplace_back(id, r);
    }
    if (candidates.empty()) return {};
    const auto [id, recipient] =
        candidates[static_cast<std::size_t>(random_.below(candidates.size()))];
    const auto status =
        random_.below(2) == 0 ? recipient_status::pending : recipient_status::delivered;
    auto& versions = messages_.at(id).history[recipient];
    versions.push_back({static_cast<std::uint32_t>(versions.size() + 1), status});
    if (with_token) tokens_[++last_token_] = {id, recipient, versions.back().version};
    return change_of(id, recipient, status, versions.back().version,
                     std::string(static_cast<std::size_t>(random_.below(400)), 'd'));
  }

  void check_message(opened_spool& after, queue_id id, const known_message& known, bool one_fault,
                     std::vector<std::string>& broken) const {
    const auto outcome = sink_.outcomes.find(known.token);
    const bool answered = outcome != sink_.outcomes.end();
    const bool acknowledged = answered && !outcome->second;
    bool may_be_gone = true;
    bool must_be_gone = true;
    for (std::size_t r = 0; r < known.history.size(); ++r) {
      may_be_gone = may_be_gone && known.newest(r) != recipient_status::pending;
      const auto v = known.durable[r];
      must_be_gone =
          must_be_gone && v != 0 && known.history[r][v - 1].status != recipient_status::pending;
    }
    const auto found = after.found.find(id);
    if (found == after.found.end()) {
      if (acknowledged && !may_be_gone) broken.push_back("lost " + id.text());
      return;
    }
    if (must_be_gone) broken.push_back("resurrected " + id.text());
    if (answered && !acknowledged && one_fault)
      broken.push_back("refused, yet there: " + id.text());
    if (found->second.envelope.forward_paths != known.message->envelope.forward_paths ||
        found->second.envelope.reverse_path != known.message->envelope.reverse_path ||
        found->second.arrival != known.message->arrival) {
      broken.push_back("changed envelope " + id.text());
    }
    for (std::size_t r = 0; r < known.history.size(); ++r) {
      const auto& state = found->second.recipients.at(r);
      const auto version = state.attempts;
      if (version < known.durable[r]) broken.push_back("state went back " + id.text());
      if (version > known.history[r].size() ||
          (version != 0 && known.history[r][version - 1].status != state.status)) {
        broken.push_back("invented state " + id.text());
      }
    }
    const auto read = after.store->read(id);
    if (!read) {
      broken.push_back("unreadable " + id.text() + ": " + read.error().message());
    } else if ((*read)->content != known.message->content) {
      broken.push_back("changed content " + id.text());
    }
  }

  sim_disk& sim_;
  seeded_random random_;
  recording_sink sink_;
  manual_runner runner_;
  std::unique_ptr<spool::store> store_;
  std::map<queue_id, known_message> messages_;
  std::map<std::uint64_t, token_use> tokens_;
  std::uint64_t last_id_ = 100;
  std::uint64_t last_token_ = 0;
};

constexpr int steps = 24;

std::uint64_t operations_of(std::uint64_t seed) {
  sim_disk sim;
  history h(sim, sim, seed);
  h.play(steps);
  return sim.operations();
}

/// What recovery says, for comparison.
std::string summary(const opened_spool& opened) {
  std::string text;
  for (const auto& [id, m] : opened.found) {
    text += id.text();
    for (const auto& r : m.recipients)
      text += " " + std::to_string(static_cast<int>(r.status)) + "/" + std::to_string(r.attempts);
    text += "\n";
  }
  return text;
}

std::vector<std::string> crash_at(std::uint64_t seed, std::uint64_t operation,
                                  std::optional<forgetful_disk::forgets> forgets = {}) {
  sim_disk sim;
  forgetful_disk bad(sim, forgets.value_or(forgetful_disk::forgets::file_sync));
  sim.cut_power_after(operation);
  history h(sim, forgets ? static_cast<spool::disk&>(bad) : sim, seed);
  h.play(steps);
  sim.crash(seed * 1000 + operation);

  // Sometimes the power fails again, while the spool recovers.
  if (operation % 3 == 0) {
    manual_runner jobs;
    sim.cut_power_after(operation % 17);
    (void)open_spool(sim, jobs);
    sim.crash(seed * 77 + operation);
  }
  manual_runner jobs;
  auto first = open_spool(sim, jobs);
  auto broken = h.check(first, history::faults::none);
  const auto said = summary(first);
  first.store.reset();
  sim.crash(seed + operation);
  auto second = open_spool(sim, jobs);
  for (auto& sentence : h.check(second, history::faults::none))
    broken.push_back("second recovery: " + sentence);
  if (summary(second) != said) broken.push_back("the second recovery says something else");
  return broken;
}

}  // namespace

TEST_CASE("a crash at any disk operation loses nothing that was acknowledged") {
  std::uint64_t runs = 0;
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    const auto operations = operations_of(seed);
    for (std::uint64_t at = 0; at <= operations; ++at, ++runs) {
      const auto broken = crash_at(seed, at);
      CAPTURE(seed, at);
      if (!broken.empty()) FAIL(broken.front());
    }
  }
  CHECK(runs > 3000);
}

TEST_CASE("the crash test catches a disk that forgets to sync files") {
  std::set<std::string> kinds;
  for (std::uint64_t seed = 1; seed <= 30; ++seed)
    for (std::uint64_t at = 0; at <= operations_of(seed); ++at)
      for (const auto& b : crash_at(seed, at, forgetful_disk::forgets::file_sync))
        kinds.insert(b.substr(0, b.find(' ')));
  CHECK(kinds.contains("lost"));
  CHECK(kinds.contains("damage:"));
}

TEST_CASE("the crash test catches a disk that forgets to sync directories") {
  std::set<std::string> kinds;
  for (std::uint64_t seed = 1; seed <= 30; ++seed)
    for (std::uint64_t at = 0; at <= operations_of(seed); ++at)
      for (const auto& b : crash_at(seed, at, forgetful_disk::forgets::directory_sync))
        kinds.insert(b.substr(0, b.find(' ')));
  CHECK(kinds.contains("lost"));
  CHECK(kinds.contains("resurrected"));
}

TEST_CASE(
    "an error at any disk operation is never answered with success, and what was refused stays "
    "away") {
  const auto error = GENERATE(errc::io_error, errc::no_space);
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    const auto operations = operations_of(seed);
    for (std::uint64_t at = 0; at < operations; ++at) {
      CAPTURE(seed, at);
      sim_disk sim;
      sim.fail_after(at, error);
      history h(sim, sim, seed);
      h.play(steps);
      sim.crash(seed * 31 + at);
      manual_runner jobs;
      auto after = open_spool(sim, jobs);
      const auto broken = h.check(after, history::faults::one);
      if (!broken.empty()) FAIL(broken.front());
    }
  }
}

TEST_CASE("errors everywhere at random never lose what was acknowledged") {
  for (std::uint64_t seed = 1; seed <= 400; ++seed) {
    CAPTURE(seed);
    sim_disk sim;
    auto random = std::make_shared<seeded_random>(seed);
    history h(sim, sim, seed);
    sim.on_operation([random](disk_operation, std::string_view) -> std::optional<errc> {
      if (random->below(12) == 0) return errc::io_error;
      return {};
    });
    h.play(steps);
    sim.on_operation({});
    sim.crash(seed);
    manual_runner jobs;
    auto after = open_spool(sim, jobs);
    const auto broken = h.check(after, history::faults::many);
    if (!broken.empty()) FAIL(broken.front());
  }
}
