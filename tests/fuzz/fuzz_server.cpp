// Any octets to a server session in each of its states, newline modes and offers: byte by byte
// gives the same output and the same content as all at once, and every line of output is a lawful
// reply. An input that begins with 0x01 chooses the session and its driver by its next three
// octets.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "smtp/server_protocol.hpp"

using namespace relais::smtp;

namespace {

constexpr std::string_view hello = "EHLO c\r\n";

server_options usual_options(newline_mode newlines) {
  server_options options;
  options.hostname = "mx.example";
  options.limits.message_size = 5000;
  options.limits.command_line = 512;
  options.limits.text_line = 1000;
  options.limits.errors = 9;
  options.limits.junk_commands = 30;
  options.newlines = newlines;
  options.extensions = extension_set::usual();
  return options;
}

server_options chosen_options(std::uint8_t bits, std::uint8_t limits) {
  auto options = usual_options((bits & 1) != 0 ? newline_mode::normalize : newline_mode::reject);
  options.tls = static_cast<tls_state>(bits >> 1 & 3);
  if ((bits & 8) != 0) options.mechanisms = {"PLAIN", "LOGIN"};
  options.auth_required = (bits & 16) != 0;
  options.legacy_auth_line = options.bare_names_allowed = (bits & 32) != 0;
  if ((bits & 64) != 0) options.extensions.add(extension::xclient).add(extension::xforward);
  if ((bits & 128) != 0) {
    options.extensions.add(extension::future_release).remove(extension::chunking);
    options.limits.hold_seconds = 1000;
  }
  options.limits.message_size = limits;
  return options;
}

/// Decides as its seed says: the same questions get the same answers.
class driver {
 public:
  driver(server_options options, std::uint8_t seed) : smtp(std::move(options)), dice_(seed) {
    smtp.greet();
  }

  void feed(std::string_view octets) {
    if (over) return;
    smtp.receive(octets);
    while (!over) {
      const auto event = smtp.next();
      if (event.kind == server_event_kind::need_input) break;
      take(event);
    }
    flush();
  }

  server_protocol smtp;
  std::string sent, content;
  bool over = false;

 private:
  bool is_lucky() {
    if (dice_ == 0) return true;  // accepts whatever can be accepted
    dice_ = dice_ * 1103515245u + 12345u;
    return (dice_ >> 16 & 3) != 0;
  }

  void flush() {
    sent += smtp.output();
    smtp.output_written(smtp.output().size());
  }

  void reply(reply_id good, reply_id bad, std::string_view argument = {}) {
    smtp.reply(is_lucky() ? good : bad, argument);
  }

  void take(const server_event& event) {
    switch (event.kind) {
      case server_event_kind::mail: reply(reply_id::sender_ok, reply_id::policy_rejected); break;
      case server_event_kind::rcpt:
        if (event.address->domain() == "no") {
          smtp.reply(reply_id::relay_denied, event.address->text());
        } else {
          reply(reply_id::recipient_ok, reply_id::too_many_recipients);
        }
        break;
      case server_event_kind::data: reply(reply_id::start_data, reply_id::no_storage); break;
      case server_event_kind::content: pending_ += event.text; break;
      case server_event_kind::end_of_data:
        if (event.content_fault) {
          smtp.reply(*event.content_fault);
        } else {
          content += pending_ + '|';
          reply(reply_id::queued, reply_id::queue_write_failed, "id");
        }
        pending_.clear();
        break;
      case server_event_kind::reset: pending_.clear(); break;
      case server_event_kind::starttls: start_tls(); break;
      case server_event_kind::auth:
      case server_event_kind::auth_response:
        if (is_lucky()) {
          smtp.challenge(event.response.value_or("?"));
        } else {
          reply(reply_id::authenticated, reply_id::auth_failed);
        }
        break;
      case server_event_kind::xclient: reply(reply_id::greeting, reply_id::policy_rejected); break;
      case server_event_kind::xforward: reply(reply_id::ok, reply_id::policy_rejected); break;
      case server_event_kind::quit:
      case server_event_kind::fatal: over = true; break;
      default: break;
    }
  }

  void start_tls() {
    const bool ready = is_lucky();
    smtp.reply(ready ? reply_id::starttls_ready : reply_id::tls_unavailable);
    if (ready) smtp.tls_started();
  }

  std::string pending_;
  std::uint32_t dice_;
};

void check_replies(std::string_view sent) {
  while (!sent.empty()) {
    const auto end = sent.find("\r\n");
    const auto line = sent.substr(0, end);
    const bool is_challenge = line.starts_with("334 ");
    if (end == std::string_view::npos || line.size() < 4 || (line.size() > 510 && !is_challenge) ||
        line[0] < '2' || line[0] > '5' || line.find_first_of("\r\n") != std::string_view::npos)
      std::abort();
    sent.remove_prefix(end + 2);
  }
}

void compare(const server_options& options, std::uint8_t seed, std::string_view state,
             std::string_view input) {
  driver whole(options, seed), pieces(options, seed);
  whole.feed(state);
  pieces.feed(state);
  whole.feed(input);
  for (const char& octet : input) pieces.feed({&octet, 1});
  check_replies(whole.sent);
  check_replies(pieces.sent);
  // Behind STARTTLS it must matter what came in one piece with it.
  if (options.tls == tls_state::offered || options.tls == tls_state::required) return;
  if (whole.sent != pieces.sent || whole.content != pieces.content || whole.over != pieces.over)
    std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  if (size >= 4 && data[0] == 1) {
    compare(chosen_options(data[1], data[3]), data[2], {}, input.substr(4));
    return 0;
  }
  const std::string mail = std::string(hello) + "MAIL FROM:<a@b>\r\n",
                    rcpt = mail + "RCPT TO:<c@d>\r\n";
  for (const auto& state :
       {std::string(), std::string("HELO c\r\n"), std::string(hello), mail,
        mail + "RCPT TO:<c@no>\r\n", rcpt, rcpt + "DATA\r\n", rcpt + "BDAT 3\r\nx\r\n"}) {
    for (const auto newlines : {newline_mode::normalize, newline_mode::reject})
      compare(usual_options(newlines), 0, state, input);
  }
  return 0;
}
