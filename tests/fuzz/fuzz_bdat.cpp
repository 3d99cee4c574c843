// Any content in any chunks: however a message is cut into BDAT commands, it is the same message
// with the same fault, CRLF-clean, and the session goes on in step behind it. The first octet says
// how it is cut and whether it is binary.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "smtp/server_protocol.hpp"

using namespace relais::smtp;

namespace {

struct outcome {
  std::string content;
  std::optional<reply_id> fault;
  bool in_step = false;
};

/// Chunks of `size` octets each, the last one empty.
outcome send(std::string_view content, std::size_t size, bool binary, newline_mode newlines) {
  server_options options;
  options.hostname = "mx.example";
  options.extensions = extension_set::usual();
  options.newlines = newlines;
  options.limits.text_line = 1000;
  options.limits.errors = 1u << 20;  // each chunk behind a fault is one
  server_protocol smtp(options);
  smtp.greet();
  std::string wire = "EHLO c\r\nMAIL FROM:<a@b>";
  wire += binary ? " BODY=BINARYMIME\r\n" : "\r\n";
  wire += "RCPT TO:<c@d>\r\n";
  for (std::size_t at = 0; at < content.size(); at += size) {
    const auto chunk = content.substr(at, size);
    wire += "BDAT " + std::to_string(chunk.size()) + "\r\n";
    wire += chunk;
  }
  wire += "BDAT 0 LAST\r\nNOOP\r\n";
  outcome got;
  smtp.receive(wire);
  for (;;) {
    const auto event = smtp.next();
    switch (event.kind) {
      case server_event_kind::mail: smtp.reply(reply_id::sender_ok); break;
      case server_event_kind::rcpt: smtp.reply(reply_id::recipient_ok); break;
      case server_event_kind::data: smtp.reply(reply_id::start_data); break;
      case server_event_kind::content: got.content += event.text; break;
      case server_event_kind::end_of_data:
        got.fault = event.content_fault;
        smtp.reply(event.content_fault.value_or(reply_id::queued), "id");
        break;
      case server_event_kind::need_input: got.in_step = smtp.counts().noop.total == 1; return got;
      case server_event_kind::fatal: got.in_step = got.fault == reply_id::bare_newline; return got;
      default: break;
    }
  }
}

bool is_clean(std::string_view content) {
  for (std::size_t i = 0; i < content.size(); ++i) {
    if (content[i] == '\n' && (i == 0 || content[i - 1] != '\r')) return false;
    if (content[i] == '\r' && (i + 1 == content.size() || content[i + 1] != '\n')) return false;
  }
  return content.empty() || content.ends_with("\r\n");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0 || size > 20000) return 0;
  const std::string_view content(reinterpret_cast<const char*>(data) + 1, size - 1);
  const bool binary = (data[0] & 1) != 0;
  const auto newlines = (data[0] & 2) != 0 ? newline_mode::normalize : newline_mode::reject;
  const std::size_t piece = std::max<std::size_t>(1, data[0] >> 2);
  const auto whole = send(content, std::max<std::size_t>(content.size(), 1), binary, newlines);
  const auto pieces = send(content, piece, binary, newlines);
  if (!whole.in_step || !pieces.in_step) std::abort();
  // Of several faults a cut shows the one that comes first; that there is one is the same.
  if (whole.fault.has_value() != pieces.fault.has_value()) std::abort();
  if (whole.fault) return 0;
  if (whole.content != pieces.content) std::abort();
  if (binary ? whole.content != content : !is_clean(whole.content)) std::abort();
  return 0;
}
