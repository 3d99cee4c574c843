// The inside of client_protocol, shared by its parts: client_protocol.cpp (the public face),
// client_matching.cpp (replies to commands), client_setup.cpp (greeting to AUTH),
// client_envelope.cpp (MAIL and RCPT as text) and client_transaction.cpp (RSET to the end of the
// content). Nobody else includes it.
//
// Invariants: every command put into output_ puts one entry into awaited_; a reply takes the entry
// at the front, whatever it says (LMTP: the entry of a content stays until each accepted recipient
// has its reply); octets that come while nothing is awaited are never an answer, they fail the
// session. Everything awaited at the front belongs to current_: what is awaited for ahead_ lies
// behind the content of current_. Only take_content(), behind content_sent(), can credit a 2xx to a
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
    command what = command::greeting;
    std::size_t position = 0;  ///< rcpt: index into results
  };
  /// A transaction under way.
  struct run {
    transaction* what = nullptr;        // null: there is none
    std::vector<std::size_t> to_send;   // positions in results without a local fault
    std::size_t next = 0;               // in to_send
    std::vector<std::size_t> accepted;  // positions whose RCPT got 2xx
    std::size_t answered = 0;           // LMTP: of accepted, how many have their final reply
    bool was_ahead = false;
    bool is_chunk = false;
    bool mail_accepted = false, mail_refused = false, data_refused = false;
    bool content_sent = false;
    bool is_ended = false;     // every reply to it came
    bool is_cut = false;       // the end of the content never leaves
    bool out_of_step = false;  // 503 where the sequence was right
    bool is_dirty = true;      // the server may hold a half transaction

    void begin(transaction& t);
  };

  explicit state(client_options options) : options_(std::move(options)) {
    await(command::greeting);
  }
  ~state();

  // client_matching.cpp
  static client_step step_of(command what) noexcept;
  bool is_running() const noexcept { return action_ == client_action::need_input; }
  bool is_over() const noexcept {
    return action_ == client_action::failed || action_ == client_action::closed;
  }
  std::size_t outstanding() const noexcept { return awaited_.size() - awaited_from_; }
  /// A reply may arrive now: a command that waits for one has at least begun to be written.
  bool is_listening() const noexcept { return outstanding() > unwritten_; }
  /// Of the flight that is under way, several commands were awaited at once.
  bool is_pipelined() const noexcept { return flight_ > 1; }
  client_step step() const noexcept;
  void await(command what, std::size_t position = 0);
  /// Queues a command line, and its reply as awaited. The pieces are put together here only.
  void say(command what, std::initializer_list<std::string_view> pieces);
  /// The line that output_ ends with is complete.
  void end_line(command what, std::size_t position = 0);
  void written(std::size_t octets) noexcept;
  void pump();
  bool take_surplus();
  void take(const reply& r);
  void drop_awaited();
  void cut(error_code why);
  void abort(error_code why);
  bool looks_like_lost_commands(error_code why) const noexcept;
  void fail(client_failure why);
  void fail(client_step step, error_code error, std::string_view note = {});
  void fail(client_step step, const reply& r);
  /// 3xx, or a 2xx that the command cannot have.
  void fail_out_of_place(client_step step);
  void leave_unanswered(run& r, const client_failure& why);
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

  // client_envelope.cpp
  bool meets_require_tls() const noexcept;
  local_fault fault_of(const envelope& message, std::size_t recipient, std::uint64_t size,
                       body_type body, wall_time now) const;
  /// Fills to_send; false: nothing is left to do.
  bool find_local_faults(run& r) const;
  void say_mail(run& r);
  void say_rcpt(run& r);
  void append_path(const path& address);
  void append_extended_mail(const run& r);
  void append_rcpt_parameters(const envelope& message, std::size_t recipient);

  // client_transaction.cpp
  bool pipelines() const noexcept { return features_.pipelining && options_.use_pipelining; }
  bool chunks(body_type body) const noexcept {
    return features_.chunking && options_.use_chunking &&
           (!options_.prefers_data || body == body_type::binary_mime);
  }
  bool has_mail_left() const noexcept {
    return features_.mail_limit == 0 || mails_ < features_.mail_limit;
  }
  bool can_go_ahead() const noexcept;
  void send(transaction& t);
  void begin_ahead(transaction& t);
  void begin(run& r, bool with_reset);
  void say_more(run& r);
  void want_chunk(run& r);
  void want_content(run& r);
  void content_sent();
  void go_on();
  void take_reset(const reply& r);
  void take_mail(const reply& r);
  void take_rcpt(const reply& r, std::size_t position);
  void take_data(const reply& r);
  void take_content(const reply& r, bool is_empty);
  bool is_doubtful(const reply& r) const noexcept;
  void credit_accepted(client_step step, const reply& r);
  void end_transaction();
  void finished();

  client_options options_;
  reply_parser parser_;
  client_action action_ = client_action::need_input;
  client_failure failure_;
  server_features features_;
  bool tls_ = false;
  bool tls_refused_ = false;  // STARTTLS got 4xx/5xx, and the policy may go on in clear
  bool logged_in_ = false;
  client_step step_ = client_step::greeting;  // the last one waited for

  std::string output_;
  std::size_t written_ = 0;  // octets of output_
  bool secret_in_output_ = false;
  std::vector<awaited_reply> awaited_;
  std::size_t awaited_from_ = 0;  // entries of awaited_ answered
  std::size_t unwritten_ = 0;     // of the last entries, those whose commands still lie in output_
  std::size_t flight_ = 0;        // commands said since nothing was awaited
  std::uint64_t replies_ = 0;

  run current_, ahead_;
  run* content_run_ = nullptr;  // with want_content
  std::uint64_t mails_ = 0;     // MAIL commands so far
  bool is_dirty_ = false;       // the server may hold a half transaction: RSET first
  bool surplus_ = false;        // octets came while nothing was awaited
  error_code broken_;           // of cut()
};

/// Overwrites and empties; the compiler may not leave it out.
void wipe(std::string& secret) noexcept;

}  // namespace relais::smtp
