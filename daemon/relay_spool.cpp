// The relay and its spool: opening it, and what it held at the start. See relay.hpp.
#include <algorithm>
#include <boost/asio/post.hpp>

#include "base/error.hpp"
#include "daemon/exit_codes.hpp"
#include "daemon/relay_worker.hpp"

namespace relais::daemon {
namespace {

// How many messages of the spool are handed over at once: sessions are served in between.
constexpr std::size_t hand_over = 500;
// Batches that may be on their way to workers.
constexpr std::int64_t most_under_way = 16;

}  // namespace

spool::store_options relay::store_options() {
  const auto& s = settings_.spool;
  spool::store_options o;
  o.segment_size = s.segment_size.bytes;
  o.spare_segments = static_cast<std::size_t>(s.spare_segments);
  o.minimum_free_bytes = s.minimum_free.bytes;
  o.minimum_free_inodes = s.minimum_free_inodes;
  // A hard floor above the soft one would have no meaning.
  o.critical_free_bytes = std::min(s.critical_free, s.minimum_free).bytes;
  o.critical_free_inodes = std::min(s.critical_free_inodes, s.minimum_free_inodes);
  o.lazy_delay = s.state_delay;
  o.checkpoint_after = s.checkpoint_after.bytes;
  o.compaction_slack = s.compaction_slack.bytes;
  o.compaction_rate = s.compaction_rate.bytes;
  o.seed = world_.workers.front()->random.next();
  o.warn = [events = world_.events](const std::string& sentence) {
    events->emit(events::notice{"spool", true, sentence});
  };
  // On the first worker: whoever asks for the history of a message finds it in one order.
  o.left = [events = world_.events,
            executor = world_.workers.front()->executor](std::vector<queue_id> gone) {
    net::asio::post(executor, [events, gone = std::move(gone)] {
      std::vector<event> lines;
      for (const auto id : gone) lines.emplace_back(events::removed{id});
      events->emit_all(lines);
    });
  };
  return o;
}

void relay::open_spool() {
  const auto& first = *world_.workers.front();
  const spool::store_world surroundings{*world_.disk, *world_.committer, *world_.maintenance,
                                        first.clock};
  const auto options = store_options();
  std::string why;
  auto opened = spool::open_store(surroundings, options, why);
  if (!opened) {
    // A store that opens has written to the disk: nothing else says "writable".
    const auto error = opened.error();
    const auto sentence = "the spool " + settings_.spool.directory +
                          " cannot be opened: " + (why.empty() ? error.message() : why);
    if (error == errc::corrupt) throw startup_error(exit_code::software, sentence);
    const bool full_or_failing = error == errc::no_space || error == errc::io_error;
    throw startup_error(full_or_failing ? exit_code::io_error : exit_code::cannot_create, sentence);
  }
  store_ = std::move(opened->store);
  // Not before the spool is ours.
  if (settings_.policy.greylist.enabled) {
    greylist_ =
        inbound::make_state_file(*world_.disk, *world_.maintenance, "greylist", options.warn);
  }
  ids_.raise(opened->highest_id);
  const auto health = store_->has_room(0);
  if (health == spool::health::good) return;
  const auto sentence = "the spool " + settings_.spool.directory +
                        " cannot take mail: " + make_error_code(errc::no_space).message();
  // With mail in the queue the relay starts all the same: delivering it is what frees the disk.
  if (opened->highest_id == queue_id{}) throw startup_error(exit_code::io_error, sentence);
  world_.events->emit(events::notice{"qmgr", true, sentence + "; what is queued is delivered"});
}

void relay::enumerate() {
  std::uint64_t held = 0;
  std::size_t turn = 0;
  std::vector<spool::stored_message> batch;
  const auto hand = [&] {
    // A worker that is busy must not have the whole spool waiting in its inbox.
    auto ahead = under_way_.load();
    while (world_.maintenance_may_wait && ahead >= most_under_way && !hurried_) {
      under_way_.wait(ahead);
      ahead = under_way_.load();
    }
    ++under_way_;
    auto& to = *workers_[turn++ % workers_.size()];
    net::asio::post(to.world.executor,
                    [this, &to, found = std::exchange(batch, {})] { take(to, found); });
  };
  auto report = store_->enumerate([&](spool::stored_message message) {
    if (message.is_held) {
      ++held;
    } else if (!hurried_) {
      batch.push_back(std::move(message));
    }
    if (batch.size() >= hand_over) hand();
  });
  const auto& first = workers_.front()->world.executor;
  if (!report) {
    net::asio::post(first, [this, why = report.error()] { enumeration_failed(why); });
    return;
  }
  if (!batch.empty()) hand();
  // Behind the last batch of each worker all that it had to hand to others is under way.
  const auto told = std::make_shared<const spool::recovery_report>(std::move(*report));
  for (const auto& w : workers_) {
    net::asio::post(w->world.executor, [this, first, told, held] {
      if (++dealt_ < workers_.size()) return;
      net::asio::post(first, [this, told, held] { enumerated(*told, held); });
    });
  }
}

void relay::take(worker_parts& to, const std::vector<spool::stored_message>& found) {
  for (const auto& message : found) to.dispatcher->add(message, longest_wait_);
  --under_way_;
  under_way_.notify_one();
}

void relay::enumerated(const spool::recovery_report& report, std::uint64_t held) {
  for (const auto& sentence : report.damaged) {
    world_.events->emit(events::notice{"qmgr", true, sentence});
  }
  auto sentence = std::to_string(report.messages) +
                  (report.messages == 1 ? " message" : " messages") + " found in the spool";
  if (held > 0) sentence += ", " + std::to_string(held) + " of them on hold";
  if (report.incomplete > 0) {
    sentence +=
        "; " + std::to_string(report.incomplete) + " writes that a stop had cut off dropped";
  }
  world_.events->emit(events::notice{"qmgr", false, sentence});
  index_ = index::complete;
  begin_deliveries();
}

// New mail is accepted and delivered; what was there stays untouched for the next start (nothing of
// it has been handed over: the spool tells when it knows all).
void relay::enumeration_failed(error_code why) {
  const auto sentence = "the spool " + settings_.spool.directory +
                        " cannot be read: " + why.message() +
                        "; the mail that it held is NOT delivered until a restart reads it, new "
                        "mail is accepted and delivered";
  world_.events->emit(events::notice{"qmgr", true, sentence});
  index_ = index::failed;
  begin_deliveries();
}

void relay::begin_deliveries() {
  index_changed_.notify_all();
  for (const auto& w : workers_) {
    net::asio::post(w->world.executor, [scheduler = &w->scheduler] { scheduler->begin(); });
  }
}

}  // namespace relais::daemon
