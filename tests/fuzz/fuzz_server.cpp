// Any octets to a server session in each of its states and newline modes: byte by byte gives the
// same output and the same content as all at once, and every line of output is a lawful reply.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "smtp/server_protocol.hpp"

using namespace relais::smtp;

namespace {

struct session {
  server_protocol smtp;
  std::string sent, content;
  bool over = false;

  explicit session(newline_mode newlines)
      : smtp(server_options{"mx.example", {5000, 512, 1000, 9}, newlines}) {
    smtp.greet();
  }

  void feed(std::string_view octets) {
    if (over) return;
    smtp.receive(octets);
    for (auto event = smtp.next(); event.kind != server_event_kind::need_input && !over;
         event = smtp.next()) {
      switch (event.kind) {
        case server_event_kind::mail: smtp.reply(reply_id::sender_ok); break;
        case server_event_kind::rcpt:
          smtp.reply(
              event.address->domain() == "no" ? reply_id::relay_denied : reply_id::recipient_ok,
              event.address->text());
          break;
        case server_event_kind::data: smtp.reply(reply_id::start_data); break;
        case server_event_kind::content: pending_ += event.text; break;
        case server_event_kind::end_of_data:
          smtp.reply(event.content_fault.value_or(reply_id::queued), "id");
          if (!event.content_fault) content += pending_;
          pending_.clear();
          break;
        case server_event_kind::quit:
        case server_event_kind::fatal: over = true; break;
        default: break;
      }
      if (over) break;
    }
    sent += smtp.output();
    smtp.output_written(smtp.output().size());
  }

 private:
  std::string pending_;
};

void check_replies(std::string_view sent) {
  while (!sent.empty()) {
    const auto end = sent.find("\r\n");
    const auto line = sent.substr(0, end);
    if (end == std::string_view::npos || line.size() < 4 || line.size() > 510 || line[0] < '2' ||
        line[0] > '5' || line.find_first_of("\r\n") != std::string_view::npos)
      std::abort();
    sent.remove_prefix(end + 2);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const std::string hello = "EHLO c\r\n", mail = hello + "MAIL FROM:<a@b>\r\n",
                    rcpt = mail + "RCPT TO:<c@d>\r\n";
  for (const auto& state : {std::string(), std::string("HELO c\r\n"), hello, mail,
                            mail + "RCPT TO:<c@no>\r\n", rcpt, rcpt + "DATA\r\n"}) {
    for (const auto newlines : {newline_mode::normalize, newline_mode::reject}) {
      session whole(newlines), pieces(newlines);
      whole.feed(state);
      pieces.feed(state);
      whole.feed(input);
      for (const char& octet : input) pieces.feed({&octet, 1});
      if (whole.sent != pieces.sent || whole.content != pieces.content || whole.over != pieces.over)
        std::abort();
      check_replies(whole.sent);
    }
  }
  return 0;
}
