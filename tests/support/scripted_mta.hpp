// A remote MTA for the simulated world: a real smtp::server_protocol whose answers to the end of
// data are scripted, and that remembers what it took responsibility for.
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "net/stream.hpp"
#include "net/task_group.hpp"
#include "smtp/server_protocol.hpp"

namespace relais::testing {

class scripted_mta {
 public:
  struct received {
    std::string reverse_path;
    std::vector<std::string> forward_paths;
    std::string content;
    steady_time when;
    smtp::mail_parameters mail;
    std::vector<smtp::rcpt_parameters> rcpt;
    bool is_answered = false;  ///< the 250 went out
  };

  scripted_mta(const net::runtime& world, const endpoint& at, std::string hostname);

  /// Answers to the next ends of data; when the script is used up, everything is taken with 250.
  std::deque<smtp::reply_id> answers;
  smtp::extension_set extensions = smtp::extension_set::usual();
  std::uint64_t message_size = smtp::server_limits{}.message_size;
  /// So many of the next connections are taken, and never get a greeting.
  std::size_t silent = 0;
  /// Behind so many messages, MAIL is answered 421; 0: no limit.
  unsigned messages_per_connection = 0;
  /// More at a time are greeted with 421; 0: no limit.
  std::size_t connections_at_a_time = 0;
  bool turns_away = false;  ///< everybody is greeted with 421
  /// Answers to the next MAIL; when the script is used up, 250.
  std::deque<smtp::reply_id> mail_answers;
  /// Answers to the next RCPT, in whatever transaction; then 250.
  std::deque<smtp::reply_id> rcpt_answers;
  /// So many octets of each of the next connections are read, then it is closed without a word.
  std::deque<std::size_t> cuts;
  std::string drops;             ///< a reverse-path: its MAIL is answered by closing the connection
  std::size_t dropped = 0;       ///< so often
  duration thinking_time{};      ///< before each answer to an end of data
  std::size_t connections = 0;   ///< so far
  std::size_t octets_heard = 0;  ///< of all connections
  std::size_t open_now = 0, open_at_most = 0;  ///< of those that were not turned away
  std::vector<steady_time> visits;             ///< when each connection came
  std::size_t recipients_per_message = 1000;   ///< beyond: 452
  std::vector<received> taken;
  std::vector<steady_time> attempts;  ///< ends of data, whatever was answered

  void stop();
  bool is_idle() const noexcept { return sessions_.size() == 0; }

 private:
  net::task<void> accept();
  net::task<void> serve(net::accepted_connection accepted);
  net::task<void> talk(net::stream& stream);
  smtp::reply_id judge_content(received& message, const smtp::server_event& end);

  const net::runtime& world_;
  std::string hostname_;
  std::unique_ptr<net::acceptor> listener_;
  net::task_group sessions_;
};

}  // namespace relais::testing
