// What was asked of a spool and what it answered, so that what is found after a crash can be
// judged: every broken promise becomes one sentence. The first word of a sentence says its kind.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "unit/spool/spool_world.hpp"

namespace relais::testing {

/// How strictly to judge. After a mere crash, and after one failed operation, everything is asked;
/// when many operations failed, what was refused may come back, because withdrawing it failed, too.
struct strictness {
  bool refused_stays_away = true;
  bool no_damage = true;
  /// Messages from this id on are of this life: enumerate() does not report them.
  std::optional<queue_id> fresh_from{};
};

class spool_model {
 public:
  /// One new state that a call asked for; version n of a recipient carries n in `attempts`.
  struct effect {
    queue_id id;
    std::optional<std::uint32_t> recipient;  ///< empty: the hold
    std::uint32_t version = 0;
  };

  // What is asked, said before the store is asked; each gives the token.
  std::uint64_t ask_append(std::shared_ptr<const spool::message> m, std::string content,
                           std::vector<effect> together_with = {});
  std::uint64_t ask_settle(std::vector<effect> effects, bool is_lazy);
  std::uint64_t ask_flush();
  /// Puts a new state of a recipient into `change`.
  effect add_state(spool::state_change& change, std::uint32_t recipient,
                   spool::recipient_status status, std::size_t diagnostic);
  effect add_hold(spool::state_change& change, bool hold);
  void answer(std::uint64_t token, error_code error);

  /// After a restart: what was found is the truth from now on; what was asked and is not there will
  /// never be. Messages from `fresh_from` on are of the new life already.
  void adopt(const opened_spool& after, std::optional<queue_id> fresh_from = {});

  /// Acknowledged messages with a pending recipient, as far as the model knows.
  std::vector<queue_id> pending() const;
  std::vector<std::uint32_t> pending_recipients(queue_id id) const;
  bool is_held(queue_id id) const { return messages_.at(id).holds.back(); }
  std::size_t acknowledged() const { return acknowledged_; }

  std::vector<std::string> check(const opened_spool& after, strictness how = {}) const;
  /// The same for what look_up() says of one message; empty: it is not there.
  std::vector<std::string> check(queue_id id,
                                 const std::optional<spool::stored_message>& found) const;
  /// Reads the content both ways in turn.
  void check_content(spool::store& store, queue_id id, std::vector<std::string>& broken) const;

 private:
  enum class answered { not_yet, yes, no };
  struct version {
    spool::recipient_state state;
    bool is_void = false;  ///< came together with a message that was refused
  };
  struct tracked {
    std::shared_ptr<const spool::message> message;
    std::string content;
    answered append = answered::not_yet;
    bool is_gone = false;                          ///< a recovery did not find it
    std::vector<std::vector<version>> recipients;  ///< oldest first
    std::vector<std::uint32_t> durable;            ///< the version that must not be lost
    std::vector<bool> holds{false};
    std::size_t durable_hold = 0;

    const version* newest(std::size_t recipient) const;
    bool may_be_gone() const;
    bool may_be_gone_with_refused() const;
    bool must_be_gone() const;
  };
  struct call {
    std::optional<queue_id> appended;
    std::vector<effect> effects;
    bool is_lazy = false;
    bool is_flush = false;
  };

  void make_durable(const call& c);
  void check_states(queue_id id, const tracked& known, const spool::stored_message& found,
                    bool void_is_wrong, std::vector<std::string>& broken) const;
  void check_message(queue_id id, const tracked& known, const spool::stored_message* found,
                     strictness how, std::vector<std::string>& broken) const;
  void check_call(const call& c, const opened_spool& after, std::vector<std::string>& broken) const;

  std::map<queue_id, tracked> messages_;
  std::map<std::uint64_t, call> calls_;  ///< neither answered nor known to be durable
  std::uint64_t last_token_ = 0;
  std::size_t acknowledged_ = 0;
  queue_id highest_acknowledged_;
};

/// What recovery says, for comparison.
std::string fingerprint(const opened_spool& opened);

}  // namespace relais::testing
