// The coroutine face of the spool for one worker: await an append, a durable state, a read, a piece
// of a large content. Completions arrive on the spool's thread in batches and cost this worker one
// wake-up per batch; what blocks is done by the readers.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "net/runtime.hpp"
#include "spool/store.hpp"

namespace relais::queue {

class spool_gate final : private spool::completion_sink {
 public:
  /// Their last owner may be anybody, on any thread: the destructor, which blocks, is run by the
  /// readers.
  using upload = std::shared_ptr<spool::large_writer>;
  using download = std::shared_ptr<spool::content_reader>;

  /// `readers` runs reads and large writes, apart from the committer, so that a slow one delays no
  /// acknowledgement. All outlive the gate; the gate outlives every job of the store that it asked
  /// for (flush first).
  spool_gate(spool::store& store, spool::runner& readers, const net::runtime& world);

  /// Success: the message (and what goes with it) is on stable storage.
  net::task<error_code> append(std::shared_ptr<const spool::message> content,
                               std::vector<spool::state_change> together_with);
  /// Lazy, see spool::store::settle.
  void settle(spool::state_change change) { store_.settle(std::move(change)); }
  net::task<error_code> settle_durably(spool::state_change change);
  net::task<result<std::shared_ptr<const spool::message>>> read(queue_id id);
  /// From memory, at once.
  std::optional<spool::stored_message> look_up(queue_id id) { return store_.look_up(id); }
  spool::health has_room(std::uint64_t octets) const noexcept { return store_.has_room(octets); }
  /// How late this worker came to the acknowledgements it got last: how much else it has to do.
  duration lag() const noexcept { return lag_; }

  // A large content on its way into the spool: one call after the other, then append().
  net::task<result<upload>> create_large(queue_id id);
  net::task<error_code> write(upload to, std::string octets);
  net::task<result<spool::large_content>> finish(upload of);

  // A content on its way out, in pieces; see spool::content_reader.
  net::task<result<download>> open_content(queue_id id);
  net::task<result<std::string>> next_piece(download from, std::size_t limit);

 private:
  struct waiter {
    explicit waiter(const net::asio::any_io_executor& executor) : resumed(executor) {}
    net::condition resumed;
    bool done = false;
    error_code error;
  };
  void complete(std::vector<spool::completion> batch) override;
  void deliver();
  net::task<error_code> wait_for(waiter& w);
  /// Runs `work` on the readers and resumes here with what it returned. The waiting coroutine may
  /// be cancelled meanwhile, so `work` owns what it touches, but for the store.
  template <class T>
  net::task<T> on_readers(std::function<T()> work);
  struct registration;

  spool::store& store_;
  spool::runner& readers_;
  const net::runtime& world_;
  std::uint64_t next_token_ = 0;
  std::unordered_map<std::uint64_t, waiter*> waiting_;
  duration lag_{};
  std::mutex mutex_;  // guards what follows: the one hand-over from the spool's thread
  std::vector<spool::completion> inbox_;
  steady_time posted_{};  // when the worker was told of the first of them
};

}  // namespace relais::queue
