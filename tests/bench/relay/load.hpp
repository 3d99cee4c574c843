// The clients of the relay benchmark: N sessions that send messages to an MTA as ordinary clients
// do, one command at a time, and what came of it. Not here: what arrives at the next hop
// (sink.hpp).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "bench/relay/connection.hpp"
#include "bench/relay/latencies.hpp"

namespace relais::bench {

struct load_options {
  place server;
  std::size_t sessions = 50;
  std::uint64_t messages = 0;  ///< 0 = until the time is over
  double seconds = 0;          ///< no new message behind that; 0 = no limit
  std::size_t size = 4096;     ///< octets of content, header included
  std::size_t recipients = 1;
  std::string domain = "dest.example";
  std::uint64_t domains = 0;  ///< N: to d0.DOMAIN ... d<N-1>.DOMAIN in turn; 0 = to DOMAIN
  bool one_per_connection = false;
  bool pipelines = false;  ///< MAIL, RCPT and DATA in one packet
  bool starttls = false;   ///< resumed sessions, behind the first one
  double pause = 0;        ///< seconds between two messages of a session
};

/// What all sessions share: which message is next, and the sums.
class load {
 public:
  load(event_loop& loop, load_options options);
  ~load();
  /// Starts the sessions; the loop ends when all of them have.
  void start();
  std::string to_json();

  const load_options& options() const { return options_; }
  event_loop& loop() { return loop_; }
  SSL_CTX* tls() { return tls_.get(); }
  SSL_SESSION* session() { return session_.get(); }

  /// The number of a message that is to be sent now; none: enough were sent.
  bool next(std::uint64_t& number);
  std::string sender() const { return "sender@client.example"; }
  std::string recipient(std::uint64_t number, std::size_t index) const;
  /// Header, content and final dot. The field X-Sent holds now_ns(), so that the sink can tell how
  /// long the message took.
  std::string content(std::uint64_t number) const;

  void accepted(std::int64_t waited);
  void refused(const std::string& reply);
  void failed(const std::string& why);
  void connected(bool was_resumed);
  void is_over();
  bool time_is_over() const;
  bool has_given_up() const { return refusals_in_a_row_ > 2000; }

 private:
  void look_after();
  static int remember(SSL* ssl, SSL_SESSION* session);

  event_loop& loop_;
  load_options options_;
  tls_context tls_;
  tls_session session_;
  std::string run_;   ///< part of each Message-ID
  std::string body_;  ///< the lines below the header
  std::vector<std::unique_ptr<class load_session>> sessions_;
  std::size_t open_ = 0;
  std::uint64_t next_ = 0, accepted_ = 0, refused_ = 0, failures_ = 0, connections_ = 0,
                resumed_ = 0;
  std::uint64_t refusals_in_a_row_ = 0;
  std::int64_t begin_ = 0, last_ = 0;
  std::string sample_;  ///< of what was refused or failed
  latencies waits_;
};

}  // namespace relais::bench
