// The whole legal order of a session, as one table (RFC 5321 4.1.4, 3.1, RFC 2920 3.1, RFC 3030 2,
// RFC 3207 4, RFC 4954 4): which command may come in which phase, and where an accepted one leads.
// Everything else is out of order, and a second table says with which reply. Both are checked here,
// at compile time, to leave no case open. Not here: syntax, decisions, content. A refused command
// never changes the phase, with two exceptions that server_protocol makes: a refused RCPT leads
// from `mail` to `all_refused`, a refused chunk of a message to `chunk_failed`.
//
//   connected --HELO/EHLO--> greeted --MAIL--> mail --RCPT--> rcpt --DATA--> content
//   content --CRLF.CRLF--> greeted
//   rcpt --BDAT--> chunking --BDAT--> chunking --BDAT LAST--> greeted
//   greeted --AUTH--> authenticating --the end of the exchange--> greeted
//   RSET and HELO/EHLO lead from every phase of a transaction but content back to greeted
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>

#include "smtp/command_parser.hpp"

namespace relais::smtp {

enum class phase : std::uint8_t {
  connected,       ///< no HELO or EHLO yet
  greeted,         ///< between transactions
  authenticating,  ///< a challenge was sent: the next line is its response, no command
  mail,            ///< MAIL was accepted, no RCPT came
  all_refused,     ///< MAIL was accepted, no RCPT was
  rcpt,            ///< at least one recipient
  content,         ///< behind 354: octets are content, not commands
  chunking,        ///< in or behind a chunk that was not the last
  chunk_failed,    ///< a chunk was refused: the transaction is over, but chunks may still come
  barred,          ///< the greeting was "no service": QUIT only
  count_
};

struct transition {
  phase from;
  verb on;
  phase to;
};

inline constexpr std::array transitions{
    transition{phase::connected, verb::helo, phase::greeted},
    transition{phase::greeted, verb::helo, phase::greeted},
    transition{phase::mail, verb::helo, phase::greeted},
    transition{phase::all_refused, verb::helo, phase::greeted},
    transition{phase::rcpt, verb::helo, phase::greeted},
    transition{phase::chunking, verb::helo, phase::greeted},
    transition{phase::chunk_failed, verb::helo, phase::greeted},
    transition{phase::connected, verb::ehlo, phase::greeted},
    transition{phase::greeted, verb::ehlo, phase::greeted},
    transition{phase::mail, verb::ehlo, phase::greeted},
    transition{phase::all_refused, verb::ehlo, phase::greeted},
    transition{phase::rcpt, verb::ehlo, phase::greeted},
    transition{phase::chunking, verb::ehlo, phase::greeted},
    transition{phase::chunk_failed, verb::ehlo, phase::greeted},

    // Behind the handshake a session begins anew (tls_started()).
    transition{phase::greeted, verb::starttls, phase::greeted},
    transition{phase::greeted, verb::auth, phase::authenticating},
    transition{phase::authenticating, verb::end_of_auth, phase::greeted},
    // Accepted, it begins the session anew.
    transition{phase::connected, verb::xclient, phase::connected},
    transition{phase::greeted, verb::xclient, phase::connected},
    transition{phase::connected, verb::xforward, phase::connected},
    transition{phase::greeted, verb::xforward, phase::greeted},

    transition{phase::greeted, verb::mail, phase::mail},
    transition{phase::mail, verb::rcpt, phase::rcpt},
    transition{phase::all_refused, verb::rcpt, phase::rcpt},
    transition{phase::rcpt, verb::rcpt, phase::rcpt},
    transition{phase::rcpt, verb::data, phase::content},
    transition{phase::content, verb::end_of_data, phase::greeted},
    transition{phase::rcpt, verb::bdat, phase::chunking},
    transition{phase::chunking, verb::bdat, phase::chunking},
    transition{phase::chunking, verb::end_of_data, phase::greeted},

    transition{phase::connected, verb::rset, phase::connected},
    transition{phase::greeted, verb::rset, phase::greeted},
    transition{phase::mail, verb::rset, phase::greeted},
    transition{phase::all_refused, verb::rset, phase::greeted},
    transition{phase::rcpt, verb::rset, phase::greeted},
    transition{phase::chunking, verb::rset, phase::greeted},
    transition{phase::chunk_failed, verb::rset, phase::greeted},

    // Leads nowhere: the session is over.
    transition{phase::barred, verb::quit, phase::barred},
};

/// Commands are read here; in the other phases octets are something else, or nothing is served.
constexpr bool serves_commands(phase at) noexcept {
  return at != phase::content && at != phase::authenticating && at != phase::barred;
}

/// Served wherever commands are, without an effect on the order (RFC 5321 4.1.4).
constexpr bool is_always_in_order(verb on) noexcept {
  constexpr std::array always{verb::noop, verb::quit,          verb::help,   verb::vrfy,
                              verb::expn, verb::unimplemented, verb::unknown};
  return std::ranges::find(always, on) != always.end();
}

/// The phase after `on` was accepted in `from`; none: out of order.
constexpr std::optional<phase> next_phase(phase from, verb on) noexcept {
  for (const auto& row : transitions)
    if (row.from == from && row.on == on) return row.to;
  if (is_always_in_order(on) && serves_commands(from)) return from;
  return {};
}

struct disorder {
  phase from;
  verb on;
  reply_id answer;
};

inline constexpr std::array disorders{
    disorder{phase::connected, verb::mail, reply_id::hello_first},
    disorder{phase::connected, verb::rcpt, reply_id::hello_first},
    disorder{phase::connected, verb::data, reply_id::hello_first},
    disorder{phase::connected, verb::bdat, reply_id::hello_first},
    disorder{phase::connected, verb::starttls, reply_id::hello_first},
    disorder{phase::connected, verb::auth, reply_id::hello_first},
    disorder{phase::greeted, verb::rcpt, reply_id::mail_first},
    disorder{phase::greeted, verb::data, reply_id::mail_first},
    disorder{phase::greeted, verb::bdat, reply_id::mail_first},

    disorder{phase::mail, verb::mail, reply_id::nested_mail},
    disorder{phase::all_refused, verb::mail, reply_id::nested_mail},
    disorder{phase::rcpt, verb::mail, reply_id::nested_mail},
    disorder{phase::mail, verb::data, reply_id::rcpt_first},
    disorder{phase::mail, verb::bdat, reply_id::rcpt_first},
    disorder{phase::all_refused, verb::data, reply_id::no_valid_recipients},
    disorder{phase::all_refused, verb::bdat, reply_id::no_valid_recipients},

    disorder{phase::mail, verb::starttls, reply_id::starttls_in_transaction},
    disorder{phase::all_refused, verb::starttls, reply_id::starttls_in_transaction},
    disorder{phase::rcpt, verb::starttls, reply_id::starttls_in_transaction},
    disorder{phase::mail, verb::auth, reply_id::auth_in_transaction},
    disorder{phase::all_refused, verb::auth, reply_id::auth_in_transaction},
    disorder{phase::rcpt, verb::auth, reply_id::auth_in_transaction},
    disorder{phase::mail, verb::xclient, reply_id::sequence},
    disorder{phase::all_refused, verb::xclient, reply_id::sequence},
    disorder{phase::rcpt, verb::xclient, reply_id::sequence},
    disorder{phase::mail, verb::xforward, reply_id::sequence},
    disorder{phase::all_refused, verb::xforward, reply_id::sequence},
    disorder{phase::rcpt, verb::xforward, reply_id::sequence},

    disorder{phase::chunking, verb::mail, reply_id::chunking_in_progress},
    disorder{phase::chunking, verb::rcpt, reply_id::chunking_in_progress},
    disorder{phase::chunking, verb::data, reply_id::chunking_in_progress},
    disorder{phase::chunking, verb::starttls, reply_id::chunking_in_progress},
    disorder{phase::chunking, verb::auth, reply_id::chunking_in_progress},
    disorder{phase::chunking, verb::xclient, reply_id::chunking_in_progress},
    disorder{phase::chunking, verb::xforward, reply_id::chunking_in_progress},
    disorder{phase::chunk_failed, verb::mail, reply_id::chunking_failed},
    disorder{phase::chunk_failed, verb::rcpt, reply_id::chunking_failed},
    disorder{phase::chunk_failed, verb::data, reply_id::chunking_failed},
    disorder{phase::chunk_failed, verb::bdat, reply_id::chunking_failed},
    disorder{phase::chunk_failed, verb::starttls, reply_id::chunking_failed},
    disorder{phase::chunk_failed, verb::auth, reply_id::chunking_failed},
    disorder{phase::chunk_failed, verb::xclient, reply_id::chunking_failed},
    disorder{phase::chunk_failed, verb::xforward, reply_id::chunking_failed},
};

/// The reply to a command that next_phase() does not admit.
constexpr reply_id out_of_order(phase from, verb on) noexcept {
  for (const auto& row : disorders)
    if (row.from == from && row.on == on) return row.answer;
  return reply_id::sequence;
}

/// MAIL was accepted, and the transaction is neither over nor reset.
constexpr bool is_transaction_open(phase at) noexcept {
  return at == phase::mail || at == phase::all_refused || at == phase::rcpt ||
         at == phase::content || at == phase::chunking;
}

/// No row twice; no row in both tables; every command that may be out of order where commands are
/// served has a reply of its own.
consteval bool is_order_complete() {
  for (auto from = phase::connected; from < phase::count_;
       from = static_cast<phase>(static_cast<int>(from) + 1)) {
    for (auto on = verb::helo; on < verb::count_;
         on = static_cast<verb>(static_cast<int>(on) + 1)) {
      const auto matches = [&](const auto& row) { return row.from == from && row.on == on; };
      const auto legal = std::ranges::count_if(transitions, matches);
      const auto refused = std::ranges::count_if(disorders, matches);
      if (legal > 1 || refused > 1 || (next_phase(from, on) && refused > 0)) return false;
      const bool is_command = on != verb::end_of_data && on != verb::end_of_auth;
      if (serves_commands(from) && is_command && !next_phase(from, on) && refused == 0)
        return false;
    }
  }
  return true;
}
static_assert(is_order_complete());
static_assert(!next_phase(phase::connected, verb::mail));
static_assert(!next_phase(phase::greeted, verb::data));
static_assert(!next_phase(phase::mail, verb::mail));
static_assert(!next_phase(phase::mail, verb::data));
static_assert(!next_phase(phase::all_refused, verb::data));
static_assert(!next_phase(phase::all_refused, verb::bdat));
static_assert(!next_phase(phase::content, verb::quit));
static_assert(!next_phase(phase::chunking, verb::data));
static_assert(!next_phase(phase::chunk_failed, verb::bdat));
static_assert(!next_phase(phase::rcpt, verb::auth) && !next_phase(phase::rcpt, verb::starttls));
static_assert(!next_phase(phase::authenticating, verb::mail));
static_assert(!next_phase(phase::barred, verb::ehlo) && next_phase(phase::barred, verb::quit));
static_assert(next_phase(phase::connected, verb::rset) == phase::connected);
static_assert(next_phase(phase::rcpt, verb::ehlo) == phase::greeted);
static_assert(next_phase(phase::rcpt, verb::vrfy) == phase::rcpt);

}  // namespace relais::smtp
