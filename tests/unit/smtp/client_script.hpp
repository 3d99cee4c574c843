// Scripts for the client: what the server says, what the client must say, and what the driver does
// in between, as raw wire text. run_every_way() runs a script fed whole, octet by octet and split
// at every position, again with the connection lost behind every octet, and again with every write
// failing (boost.mysql's check_network_errors).
#pragma once

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "smtp/client_protocol.hpp"

namespace relais::smtp::script {

enum class act { server, answer, client, handshake, send, ahead, content, quit };
struct event {
  act what;
  std::string text;
};

inline event server(std::string octets) {
  return {act::server, std::move(octets)};
}
/// The server's answer to a content, where other replies come behind the content, too.
inline event answer(std::string octets) {
  return {act::answer, std::move(octets)};
}
inline event client(std::string octets) {
  return {act::client, std::move(octets)};
}
inline event handshake() {
  return {act::handshake, {}};
}
inline event send() {
  return {act::send, {}};
}
/// The next transaction begins ahead.
inline event ahead() {
  return {act::ahead, {}};
}
inline event content() {
  return {act::content, {}};
}
inline event quit() {
  return {act::quit, {}};
}

struct row {
  std::string name;
  std::vector<event> events;
  client_action end = client_action::ready;
  std::string results = {};  ///< as show() writes them: of all, with " | " between; or of the last
  std::string failure = {};  ///< as show() writes it
  client_options options = {};
  envelope message = {};
  std::vector<std::size_t> recipients = {0, 1};
  std::uint64_t size = 1000;
  body_type body = body_type::seven_bit;
  bool is_lie = false;  ///< failure().pipelining_broke
};

inline path address(std::string_view text) {
  return parse_address(text).value();
}

inline envelope two_recipients() {
  return {address("s@a.example"), {address("r@b.example"), address("q@b.example")}};
}

inline client_options in_clear() {
  client_options options;
  options.hostname = "us.example";
  options.tls = tls_level::none;
  return options;
}

/// "rcpt 550, content 250, mail -" for each recipient.
inline std::string show(const std::vector<recipient_reply>& results) {
  static const char* const names[] = {"connect", "greeting", "hello", "starttls", "auth",
                                      "mail",    "rcpt",     "data",  "content",  "quit"};
  std::string text;
  for (const auto& r : results) {
    if (!text.empty()) text += ", ";
    if (r.fault != local_fault::none) {
      static const char* const faults[] = {"",          "too big", "no smtputf8",
                                           "no binary", "no 8bit", "no tls",
                                           "no by",     "by over", "too many"};
      text += faults[static_cast<std::size_t>(r.fault)];
      continue;
    }
    text += names[static_cast<std::size_t>(r.step)];
    text += r.remote ? " " + std::to_string(r.remote->code()) : " -";
  }
  return text;
}

/// "STARTTLS: 454 4.7.0 no" or "EHLO: protocol error".
inline std::string show(const client_failure& failure) {
  const auto what = failure.remote ? failure.remote->text() : failure.error.message();
  return std::string(to_text(failure.step)) + ": " + what;
}

inline std::size_t delivered(const std::vector<recipient_reply>& results) {
  std::size_t count = 0;
  for (const auto& r : results) {
    if (r.step == client_step::content && r.remote && r.remote->is_positive()) ++count;
  }
  return count;
}

/// One run. Octets of the server are handed over in pieces that end at `cuts` (counted over the
/// whole script), and next() is called behind each. Transactions are finished() as soon as they are
/// over.
class run {
 public:
  explicit run(const row& script) : script_(script), protocol_(script.options) {}

  client_action play(const std::vector<std::size_t>& cuts, bool every_octet = false) {
    auto action = next();
    for (const auto& e : script_.events) action = step(e, cuts, every_octet);
    return action;
  }

  /// Plays until `octets` of the server were received, then the connection is lost.
  void play_until(std::size_t octets, error_code why) {
    next();
    std::size_t left = octets;
    for (const auto& e : script_.events) {
      if (e.what == act::server || e.what == act::answer) {
        protocol_.receive(std::string_view(e.text).substr(0, left));
        next();
        if (left < e.text.size()) break;
        left -= e.text.size();
      } else {
        step(e, {}, false);
      }
    }
    CHECK((deliveries() == 0 || octets >= first_answer()));
    break_off(why);
  }

  /// Plays until write number `at` is due, which fails; what the server would have said behind it
  /// is still received.
  void play_with_failing_write(std::size_t at) {
    next();
    std::size_t writes = 0;
    bool is_mute = false, is_end = false;
    for (const auto& e : script_.events) {
      const bool is_write = e.what == act::client || e.what == act::content;
      if (is_write && !is_mute && writes++ == at) {
        is_end = e.what == act::content;
        protocol_.cut(errc::connection_failed);
        is_mute = true;
        next();
      } else if (e.what == act::server || e.what == act::answer) {
        protocol_.receive(e.text);
        next();
        if (is_mute) break;
      } else if (!is_mute) {
        step(e, {}, false);
      }
    }
    if (!is_mute) return;
    CHECK(std::string(protocol_.output()).empty());
    // The content never went out whole: it cannot have been taken.
    if (is_end && !transactions_.empty()) CHECK(delivered(transactions_.back().results) == 0);
    break_off(errc::connection_failed);
  }

  /// A write has failed: of everything that is due, or of a content.
  void cut() {
    protocol_.output_written(protocol_.output().size());
    protocol_.cut(errc::connection_failed);
  }
  /// What is still received, then the end; whether the server is said to lie about PIPELINING.
  bool hear_and_break(std::string_view octets, errc why) {
    protocol_.receive(octets);
    while (protocol_.next() == client_action::over &&
           protocol_.current() != &transactions_.back()) {
      // The end comes before anybody asks for more.
      if (octets.ends_with("one\r\n") && why != errc::timeout) break;
      protocol_.finished();
    }
    protocol_.abort(why);
    CHECK(protocol_.next() == client_action::failed);
    return protocol_.failure().pipelining_broke;
  }

  const client_protocol& protocol() const { return protocol_; }
  std::size_t writes() const {
    return static_cast<std::size_t>(std::count_if(
        script_.events.begin(), script_.events.end(),
        [](const event& e) { return e.what == act::client || e.what == act::content; }));
  }
  std::string results(bool of_all) const {
    if (transactions_.empty()) return "";
    if (!of_all) return show(transactions_.back().results);
    std::string text;
    for (const auto& t : transactions_) text += (text.empty() ? "" : " | ") + shown(t);
    return text;
  }
  client_action next() {
    auto action = protocol_.next();
    while (action == client_action::over) {
      CHECK(protocol_.current() != nullptr);
      protocol_.finished();
      action = protocol_.next();
    }
    return action;
  }

 private:
  static std::string shown(const transaction& t) {
    return (t.was_begun ? "" : "unbegun ") + show(t.results);
  }

  void break_off(error_code why) {
    const auto before = next();
    const auto credited = deliveries();
    protocol_.abort(why);
    if (before == client_action::closed) {
      CHECK(protocol_.next() == client_action::closed);
    } else {
      CHECK(protocol_.next() == client_action::failed);
      CHECK(protocol_.output().empty());
    }
    CHECK(deliveries() == credited);
    for (const auto& t : transactions_) {
      if (t.was_begun) CHECK(t.results.size() == script_.recipients.size());
    }
  }

  std::size_t deliveries() const {
    std::size_t count = 0;
    for (const auto& t : transactions_) count += delivered(t.results);
    return count;
  }

  transaction& new_transaction() {
    auto& t = transactions_.emplace_back();
    t.message = &script_.message;
    t.recipients = script_.recipients;
    t.size = script_.size;
    t.body = script_.body;
    return t;
  }

  client_action step(const event& e, const std::vector<std::size_t>& cuts, bool every_octet) {
    switch (e.what) {
      case act::server:
      case act::answer: feed(e.text, cuts, every_octet); break;
      case act::client: {
        CHECK(std::string(protocol_.output()) == e.text);
        protocol_.output_written(protocol_.output().size());
        break;
      }
      case act::handshake:
        CHECK(next() == client_action::start_tls);
        protocol_.tls_started();
        break;
      case act::send:
        CHECK(next() == client_action::ready);
        protocol_.send(new_transaction());
        break;
      case act::ahead:
        CHECK(protocol_.can_go_ahead());
        protocol_.begin_ahead(new_transaction());
        CHECK_FALSE(protocol_.can_go_ahead());
        break;
      case act::content:
        CHECK(next() == client_action::want_content);
        CHECK(protocol_.content_of() == &transactions_.back());
        protocol_.content_sent();
        break;
      case act::quit: protocol_.quit(); break;
    }
    return next();
  }

  void feed(std::string_view octets, const std::vector<std::size_t>& cuts, bool every_octet) {
    std::size_t from = 0;
    for (std::size_t i = 1; i <= octets.size(); ++i) {
      ++fed_;
      const bool cut = every_octet || i == octets.size() ||
                       std::find(cuts.begin(), cuts.end(), fed_) != cuts.end();
      if (!cut) continue;
      protocol_.receive(octets.substr(from, i - from));
      next();
      from = i;
    }
  }

  /// Octets of the server up to the end of its first answer to a content: the first answer(), or if
  /// there is none the first line behind content().
  std::size_t first_answer() const {
    const bool are_told = std::any_of(script_.events.begin(), script_.events.end(),
                                      [](const event& e) { return e.what == act::answer; });
    std::size_t count = 0;
    bool content = false;
    for (const auto& e : script_.events) {
      content |= e.what == act::content;
      if (e.what != act::server && e.what != act::answer) continue;
      if (e.what == act::answer || (content && !are_told)) return count + e.text.find('\n') + 1;
      count += e.text.size();
    }
    return SIZE_MAX;
  }

  const row& script_;
  client_protocol protocol_;
  std::deque<transaction> transactions_;
  std::size_t fed_ = 0;
};

inline void check_end(const row& script, const run& r, client_action action) {
  CHECK(static_cast<int>(action) == static_cast<int>(script.end));
  CHECK(std::string(r.protocol().output()).empty());
  CHECK(r.results(script.results.find('|') != std::string::npos) == script.results);
  if (script.end != client_action::failed) return;
  CHECK(show(r.protocol().failure()) == script.failure);
  CHECK(r.protocol().failure().pipelining_broke == script.is_lie);
}

inline void run_every_way(const row& script) {
  std::size_t octets = 0;
  for (const auto& e : script.events) {
    octets += e.what == act::server || e.what == act::answer ? e.text.size() : 0;
  }
  {
    INFO("whole");
    run r(script);
    check_end(script, r, r.play({}));
  }
  {
    INFO("octet by octet");
    run r(script);
    check_end(script, r, r.play({}, true));
  }
  for (std::size_t at = 1; at < octets; ++at) {
    INFO("split behind octet " << at);
    run r(script);
    check_end(script, r, r.play({at}));
  }
  for (std::size_t at = 0; at <= octets; ++at) {
    INFO("connection lost behind octet " << at);
    for (const auto why : {errc::peer_closed, errc::timeout}) {
      run r(script);
      r.play_until(at, why);
    }
  }
  for (std::size_t at = 0; at < run(script).writes(); ++at) {
    INFO("write " << at << " fails");
    run r(script);
    r.play_with_failing_write(at);
  }
}

inline std::vector<event> behind_hello(const std::string& features, std::vector<event> more) {
  std::vector<event> all = {server("220 mx\r\n"), client("EHLO us.example\r\n"), server(features)};
  all.insert(all.end(), more.begin(), more.end());
  return all;
}

/// In clear, each with two recipients unless it says others.
inline void run_all(const std::vector<row>& rows) {
  for (auto r : rows) {
    if (r.options.hostname.empty()) r.options = in_clear();
    if (r.message.forward_paths.empty()) r.message = two_recipients();
    DYNAMIC_SECTION(r.name) {
      run_every_way(r);
    }
  }
}

}  // namespace relais::smtp::script
