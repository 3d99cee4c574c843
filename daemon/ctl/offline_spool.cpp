#include "daemon/ctl/offline_spool.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <condition_variable>
#include <mutex>
#include <utility>

#include "base/error.hpp"
#include "base/random.hpp"
#include "daemon/ctl/failure.hpp"
#include "daemon/ctl/output.hpp"
#include "daemon/ctl/privileges.hpp"

namespace relais::ctl {
namespace {

/// Collects the completions of a known number of changes; their tokens are places.
class waiting_sink final : public spool::completion_sink {
 public:
  explicit waiting_sink(std::size_t expected) : outcomes_(expected), left_(expected) {}

  void complete(std::vector<spool::completion> batch) override {
    const std::lock_guard lock(mutex_);
    for (const auto& c : batch) outcomes_.at(c.token) = c.error;
    left_ -= batch.size();
    if (left_ == 0) all_.notify_all();
  }

  std::vector<error_code> wait() {
    std::unique_lock lock(mutex_);
    all_.wait(lock, [&] { return left_ == 0; });
    return std::move(outcomes_);
  }

 private:
  std::mutex mutex_;
  std::condition_variable all_;
  std::vector<error_code> outcomes_;
  std::size_t left_;
};

[[noreturn]] void no_spool(const std::string& directory) {
  throw failure(exit_code::no_input, "there is no spool in " + directory);
}

/// Not where we may not look: the error that follows says that better.
bool is_missing(const std::string& name) {
  struct stat status{};
  return ::lstat(name.c_str(), &status) != 0 && errno == ENOENT;
}

std::string sentence_for(const std::string& directory, const error_code& error) {
  if (error == errc::busy) return "relaisd is running with this spool; stop it first";
  auto sentence = "the spool " + directory + " cannot be used: " + error.message();
  if (error != errc::permission) return sentence;
  return sentence +
         " (it belongs to the user of relaisd, mode 0700: run this as that user or root)";
}

/// The daemon's segment size, which no configuration need tell: new segments are like the old ones.
std::uint64_t segment_size_of(spool::disk& storage, std::uint64_t otherwise) {
  std::uint64_t largest = 0;
  const auto names = storage.list("segments");
  if (!names) return otherwise;
  for (const auto& name : *names) {
    const auto segment = storage.open("segments/" + name, spool::open_mode::read);
    const auto size = segment ? (*segment)->size() : result<std::uint64_t>(segment.error());
    if (size) largest = std::max(largest, *size);
  }
  return largest == 0 ? otherwise : largest;
}

spool::store_options options_for(spool::disk& storage) {
  spool::store_options options;
  options.segment_size = segment_size_of(storage, options.segment_size);
  options.seed = system_seed();
  options.warn = [](const std::string& sentence) { warn(sentence); };
  return options;
}

}  // namespace

std::unique_ptr<spool::disk> open_spool_disk(const std::string& directory) {
  std::string name = directory;
  while (name.size() > 1 && name.ends_with('/')) name.pop_back();
  // open_disk() would make what is missing: that is for the daemon to do.
  if (!become_owner_of(name) || is_missing(name + "/segments")) no_spool(name);
  auto disk = spool::open_disk(name);
  if (!disk) throw failure(exit_code_of(disk.error()), sentence_for(name, disk.error()));
  return std::move(*disk);
}

offline_spool::offline_spool(const std::string& directory)
    : disk_(open_spool_disk(directory)),
      committer_(spool::make_thread_runner()),
      maintenance_(spool::make_thread_runner()) {
  std::string why;
  auto opened =
      spool::open_store({*disk_, *committer_, *maintenance_, time_}, options_for(*disk_), why);
  if (!opened) {
    throw failure(exit_code_of(opened.error()), "the spool " + directory + " cannot be used: " +
                                                    (why.empty() ? opened.error().message() : why));
  }
  store_ = std::move(opened->store);
  const auto report = store_->enumerate(
      [&](spool::stored_message&& found) { messages_.push_back(std::move(found)); });
  if (!report) {
    throw failure(exit_code_of(report.error()),
                  "the spool " + directory + " cannot be read: " + report.error().message());
  }
  for (const auto& sentence : report->damaged) warn(sentence);
  // Ids are ordered by time.
  std::ranges::sort(messages_, {}, &spool::stored_message::id);
}

offline_spool::~offline_spool() {
  // The last jobs end before the store that they work on does.
  committer_.reset();
  maintenance_.reset();
}

const spool::stored_message* offline_spool::find(queue_id id) const noexcept {
  const auto at = std::ranges::lower_bound(messages_, id, {}, &spool::stored_message::id);
  return at != messages_.end() && at->id == id ? &*at : nullptr;
}

std::vector<error_code> offline_spool::settle(std::vector<spool::state_change> changes) {
  waiting_sink sink(changes.size());
  for (std::size_t i = 0; i < changes.size(); ++i) store_->settle(std::move(changes[i]), i, sink);
  return sink.wait();
}

void offline_spool::close() {
  waiting_sink sink(1);
  store_->flush([&](error_code error) { sink.complete({{0, error}}); });
  if (const auto error = sink.wait().front()) {
    throw failure(exit_code::io_error, "the spool cannot be written: " + error.message());
  }
  store_->close();
}

}  // namespace relais::ctl
