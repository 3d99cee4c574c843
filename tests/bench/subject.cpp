#include "bench/subject.hpp"

#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>
#include <future>
#include <mutex>
#include <utility>

#include "base/error.hpp"
#include "base/random.hpp"

namespace relais::bench {

void broken(const std::string& what) {
  fmt::print(stderr, "spool_bench: broken: {}\n", what);
  std::fflush(stdout);
  std::_Exit(1);  // other threads are at work; what they wrote stays for a look at it
}

spool::store_options production_options() {
  spool::store_options options;
  options.seed = system_seed();
  options.warn = [](const std::string& sentence) {
    fmt::print(stderr, "the store warns: {}\n", sentence);
  };
  return options;
}

subject::subject(const std::string& directory, subject_shape shape)
    : observed_(shape.observed || shape.flush_takes.count() > 0) {
  auto opened_disk = spool::open_disk(directory);
  if (!opened_disk) broken(fmt::format("{}: {}", directory, opened_disk.error().message()));
  disk_ = std::move(*opened_disk);
  if (observed_) disk_ = observe(std::move(disk_), account_, shape.flush_takes);
  maintenance_ = spool::make_thread_runner();
  committer_ = spool::make_thread_runner();
  committer_->run([this] { account_.mark_committer(); });
  std::string why;
  auto opened =
      spool::open_store({*disk_, *committer_, *maintenance_, time_}, production_options(), why);
  if (!opened) broken(fmt::format("open_store: {} {}", opened.error().message(), why));
  store_ = std::move(opened->store);
  highest_id_ = opened->highest_id;
  const auto report = store_->enumerate([](const spool::stored_message&) {});
  if (!report) broken("enumerate: " + report.error().message());
  for (const auto& sentence : report->damaged) broken(sentence);
}

subject::~subject() {
  store_->close();
  store_.reset();
}

void subject::flush() {
  std::promise<error_code> done;
  store_->flush([&done](error_code error) { done.set_value(error); });
  if (const auto error = done.get_future().get()) broken("flush: " + error.message());
}

namespace {

class null_store final : public spool::store {
 public:
  null_store(spool::runner& committer, std::size_t batch) : committer_(committer), batch_(batch) {}

  void append(spool::append_request request, spool::completion_sink& sink) override {
    const std::lock_guard lock(mutex_);
    sink_ = &sink;
    waiting_.push_back(std::move(request));
    if (waiting_.size() == batch_) committer_.run([this] { complete_all(); });
  }
  void settle(spool::state_change) override {}

  result<spool::recovery_report> enumerate(
      const std::function<void(spool::stored_message)>&) override {
    return spool::recovery_report{};
  }
  void settle(spool::state_change, std::uint64_t, spool::completion_sink&) override {}
  std::optional<spool::stored_message> look_up(queue_id) override { return {}; }
  std::vector<spool::stored_message> messages(std::size_t) override { return {}; }
  std::optional<queue_id> oldest() override { return {}; }
  result<std::shared_ptr<const spool::message>> read(queue_id) override {
    return make_error_code(errc::not_found);
  }
  result<std::unique_ptr<spool::content_reader>> open_content(queue_id) override {
    return make_error_code(errc::not_found);
  }
  result<std::unique_ptr<spool::large_writer>> create_large(queue_id) override {
    return make_error_code(errc::io_error);
  }
  spool::health has_room(std::uint64_t) const noexcept override { return spool::health::good; }
  spool::store_status status() const override { return {}; }
  void flush(std::function<void(error_code)> done) override {
    committer_.run([done = std::move(done)] { done({}); });
  }
  void close() override {}

 private:
  void complete_all() {
    std::vector<spool::append_request> batch;
    spool::completion_sink* sink = nullptr;
    {
      const std::lock_guard lock(mutex_);
      batch.swap(waiting_);
      sink = sink_;
    }
    std::vector<spool::completion> done;
    done.reserve(batch.size());
    for (const auto& request : batch) done.push_back({request.token, {}});
    sink->complete(std::move(done));
  }

  spool::runner& committer_;
  std::size_t batch_;
  std::mutex mutex_;
  std::vector<spool::append_request> waiting_;
  spool::completion_sink* sink_ = nullptr;
};

}  // namespace

std::unique_ptr<spool::store> make_null_store(spool::runner& committer, std::size_t batch) {
  return std::make_unique<null_store>(committer, batch);
}

}  // namespace relais::bench
