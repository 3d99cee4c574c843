// The inside of client_protocol, shared by its three parts: client_protocol.cpp (the public face,
// and matching replies to commands), client_setup.cpp (greeting to AUTH) and client_transaction.cpp
// (RSET to the final dot). Nobody else includes it.
//
// Invariants: every command put into output_ puts one entry into awaited_; a reply takes the entry
// at the front, whatever it says; octets that come while nothing is awaited are never an answer,
// they fail the session. Only take_content(), behind content_sent(), can credit a 2xx to a
// recipient.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "smtp/client_features.hpp"
#include "smtp/client_protocol.hpp"
#include "smtp/reply_parser.hpp"

namespace relais::smtp {

struct client_protocol::state {
  enum class command : std::uint8_t {
    greeting,
    ehlo,
    helo,
    starttls,
    auth_plain,
    auth_login,
    auth_username,
    auth_password,
    reset,
    mail,
    rcpt,
    data,
    content,
    empty_content,
    quit
  };
  struct awaited_reply {
    command what;
    std::size_t position = 0;  ///< rcpt: index into results_
  };

  explicit state(client_options options) : options_(std::move(options)) {
    await(command::greeting);
  }
  ~state();

  // client_protocol.cpp
  static client_step step_of(command what) noexcept;
  bool is_running() const noexcept { return action_ == client_action::need_input; }
  bool is_over() const noexcept {
    return action_ == client_action::failed || action_ == client_action::closed;
  }
  /// A reply may arrive now: a command that waits for one has at least begun to be written.
  bool is_listening() const noexcept {
    return awaited_from_ < awaited_.size() && (output_.empty() || written_ > 0);
  }
  void await(command what, std::size_t position = 0) { awaited_.push_back({what, position}); }
  /// Queues a command line, and its reply as awaited. The pieces are put together here only.
  void say(command what, std::initializer_list<std::string_view> pieces, std::size_t position = 0);
  void pump();
  void take(const reply& r);
  void fail(client_failure why);
  void fail(client_step step, error_code error, std::string_view note = {});
  void fail(client_step step, const reply& r);
  /// 3xx, or a 2xx that the command cannot have.
  void fail_out_of_place(client_step step);
  void wipe_output() noexcept;

  // client_setup.cpp
  void take_greeting(const reply& r);
  void take_hello(const reply& r, bool extended);
  void take_starttls(const reply& r);
  void take_auth(command what, const reply& r);
  void say_hello();
  void go_on_in_this_channel();
  void begin_auth();
  /// Like say(), for base64 of a secret: no copy of it stays behind.
  void say_secret(command what, std::string_view verb, std::string& secret);

  // client_transaction.cpp
  void begin(const envelope& message, const std::vector<std::size_t>& recipients,
             std::uint64_t size, wall_time now);
  local_fault fault_of(const envelope& message, std::size_t recipient, std::uint64_t size,
                       wall_time now) const;
  bool find_local_faults();
  std::string mail_parameters() const;
  std::string rcpt_parameters(std::size_t recipient) const;
  bool is_chunk() const noexcept { return envelope_->body == body_type::binary_mime; }
  void want_chunk();
  void say_mail();
  void say_rcpt();
  void say_transaction();
  void go_on_with_transaction();
  void take_reset(const reply& r);
  void take_mail(const reply& r);
  void take_rcpt(const reply& r, std::size_t position);
  void take_data(const reply& r);
  void take_content(const reply& r, bool is_empty);
  void credit_accepted(client_step step, const reply& r);
  void end_transaction();
  void leave_unanswered(client_step step);

  client_options options_;
  reply_parser parser_;
  client_action action_ = client_action::need_input;
  client_failure failure_;
  server_features features_;
  bool tls_ = false;
  bool tls_refused_ = false;  // STARTTLS got 4xx/5xx, and the policy may go on in clear
  client_step step_ = client_step::greeting;  // the last one waited for

  std::string output_;
  std::size_t written_ = 0;  // octets of output_
  bool secret_in_output_ = false;
  std::vector<awaited_reply> awaited_;
  std::uint64_t replies_ = 0;
  std::size_t awaited_from_ = 0;  // entries of awaited_ answered

  bool in_transaction_ = false;
  bool is_dirty_ = false;  // the server may hold a half transaction: RSET first
  bool mail_refused_ = false;
  bool surplus_ = false;  // octets came while nothing was awaited
  const envelope* envelope_ = nullptr;
  std::vector<std::size_t> recipients_;  // indices of forward paths, as given to send()
  std::uint64_t size_ = 0;
  wall_time now_{};
  std::vector<std::size_t> to_send_;   // positions in results_ without a local fault
  std::size_t next_to_send_ = 0;       // in to_send_
  std::vector<std::size_t> accepted_;  // positions whose RCPT got 2xx
  std::vector<recipient_reply> results_;
};

/// Overwrites and empties; the compiler may not leave it out.
void wipe(std::string& secret) noexcept;

}  // namespace relais::smtp
