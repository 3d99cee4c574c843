// Scripts for the client: what the server says, what the client must say, and what the driver does
// in between, as raw wire text. run_every_way() runs a script fed whole, octet by octet and split
// at every position, and again with the connection lost behind every octet (boost.mysql's
// check_network_errors).
#pragma once

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdint>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "smtp/client_protocol.hpp"

namespace relais::smtp::script {

enum class act { server, client, handshake, send, content, quit };
struct event {
  act what;
  std::string text;
};

inline event server(std::string octets) {
  return {act::server, std::move(octets)};
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
  std::string results = {};  ///< of the last send(), as show() writes them
  std::string failure = {};  ///< as show() writes it
  client_options options = {};
  envelope message = {};
  std::vector<std::size_t> recipients = {0, 1};
  std::uint64_t size = 1000;
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
      static const char* const faults[] = {"",       "too big", "no smtputf8", "no binary",
                                           "no tls", "no by",   "by over"};
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
/// whole script), and next() is called behind each.
class run {
 public:
  explicit run(const row& script) : script_(script), protocol_(script.options) {}

  client_action play(const std::vector<std::size_t>& cuts, bool every_octet = false) {
    auto action = protocol_.next();
    for (const auto& e : script_.events) action = step(e, cuts, every_octet);
    return action;
  }

  /// Plays until `octets` of the server were received, then the connection is lost.
  void play_until(std::size_t octets) {
    protocol_.next();
    bool sent_content = false, sent = false, answered_content = false;
    std::size_t left = octets;
    for (const auto& e : script_.events) {
      sent |= e.what == act::send;
      if (e.what == act::send || e.what == act::content) {
        answered_content = false;
        sent_content = e.what == act::content;
      }
      if (e.what == act::server) {
        protocol_.receive(std::string_view(e.text).substr(0, left));
        protocol_.next();
        if (left < e.text.size()) break;
        left -= e.text.size();
        answered_content |= sent_content;
      } else {
        step(e, {}, false);
      }
    }
    const auto before = protocol_.next();
    const bool credited = sent && delivered(protocol_.results()) > 0;
    protocol_.abort(errc::peer_closed);
    if (before == client_action::closed) {
      CHECK(protocol_.next() == client_action::closed);
    } else {
      CHECK(protocol_.next() == client_action::failed);
      CHECK(protocol_.output().empty());
    }
    CHECK(protocol_.results().size() == (sent ? script_.recipients.size() : 0));
    CHECK((delivered(protocol_.results()) > 0) == credited);
    if (!answered_content) CHECK((!credited || octets >= last_answer()));
  }

  const client_protocol& protocol() const { return protocol_; }

 private:
  client_action step(const event& e, const std::vector<std::size_t>& cuts, bool every_octet) {
    switch (e.what) {
      case act::server: feed(e.text, cuts, every_octet); break;
      case act::client: {
        CHECK(std::string(protocol_.output()) == e.text);
        protocol_.output_written(protocol_.output().size());
        break;
      }
      case act::handshake:
        CHECK(protocol_.next() == client_action::start_tls);
        protocol_.tls_started();
        break;
      case act::send:
        CHECK(protocol_.next() == client_action::ready);
        protocol_.send(script_.message, script_.recipients, script_.size);
        break;
      case act::content:
        CHECK(protocol_.next() == client_action::want_content);
        protocol_.content_sent();
        break;
      case act::quit: protocol_.quit(); break;
    }
    return protocol_.next();
  }

  void feed(std::string_view octets, const std::vector<std::size_t>& cuts, bool every_octet) {
    std::size_t from = 0;
    for (std::size_t i = 1; i <= octets.size(); ++i) {
      ++fed_;
      const bool cut = every_octet || i == octets.size() ||
                       std::find(cuts.begin(), cuts.end(), fed_) != cuts.end();
      if (!cut) continue;
      protocol_.receive(octets.substr(from, i - from));
      protocol_.next();
      from = i;
    }
  }

  /// Octets of the server up to the end of its first answer to a content.
  std::size_t last_answer() const {
    std::size_t count = 0;
    bool content = false;
    for (const auto& e : script_.events) {
      content |= e.what == act::content;
      if (e.what != act::server) continue;
      count += e.text.find('\n') + 1;
      if (content) return count;
      count += e.text.size() - e.text.find('\n') - 1;
    }
    return SIZE_MAX;
  }

  const row& script_;
  client_protocol protocol_;
  std::size_t fed_ = 0;
};

inline void check_end(const row& script, const run& r, client_action action) {
  CHECK(static_cast<int>(action) == static_cast<int>(script.end));
  CHECK(std::string(r.protocol().output()).empty());
  CHECK(show(r.protocol().results()) == script.results);
  if (script.end == client_action::failed) CHECK(show(r.protocol().failure()) == script.failure);
}

inline void run_every_way(const row& script) {
  std::size_t octets = 0;
  for (const auto& e : script.events) octets += e.what == act::server ? e.text.size() : 0;
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
    run r(script);
    r.play_until(at);
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
    r.options = in_clear();
    if (r.message.forward_paths.empty()) r.message = two_recipients();
    DYNAMIC_SECTION(r.name) {
      run_every_way(r);
    }
  }
}

}  // namespace relais::smtp::script
