// Arbitrary server octets against the client core. Checked: no crash; whole and octet-by-octet
// feeding lead to the same; nobody is credited with a delivery but by a 2xx that came behind the
// final dot. The first octet chooses options; the rest is cut at 0xff into what the server says
// between writes.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "base/text.hpp"
#include "smtp/client_protocol.hpp"

using namespace relais;
using namespace relais::smtp;

namespace {

void require(bool truth) {
  if (!truth) std::abort();
}

client_options options_of(unsigned mood) {
  client_options options;
  options.hostname = "us.example";
  options.tls = static_cast<tls_level>(mood & 3);
  if ((mood & 4) != 0) options.login = credentials("user", "secret");
  return options;
}

std::string shown(const std::vector<recipient_reply>& results) {
  std::string text;
  for (const auto& r : results) {
    text += std::to_string(static_cast<int>(r.step)) + (r.remote ? r.remote->text() : "-");
    text += std::to_string(static_cast<int>(r.fault)) + ";";
  }
  return text;
}

class session {
 public:
  explicit session(unsigned mood)
      : protocol_(options_of(mood)),
        message_(parse_address("s@a.example").value(),
                 {parse_address("r@b.example").value(), parse_address("q@b.example").value()}) {
    if ((mood & 8) != 0) message_.body = body_type::binary_mime;
    if ((mood & 16) != 0) message_.by = deliver_by{wall_time(std::chrono::seconds(9)), true, true};
    if ((mood & 32) == 0) return;
    message_.require_tls = (mood & 64) != 0;
    message_.ret = dsn_return::full;
    message_.envelope_id = "x";
    message_.recipient_options.resize(2);
    message_.recipient_options[1].notify.success = true;
    message_.recipient_options[1].original_recipient = "rfc822;x";
  }

  /// One read after all output was written. Returns false once the session is over.
  bool hear(std::string_view octets, bool every_octet) {
    behind_dot_.clear();
    const bool dot_is_out = protocol_.step() == client_step::content && content_was_sent_;
    if (every_octet) {
      for (std::size_t i = 0; i < octets.size(); ++i) feed(octets.substr(i, 1));
    } else {
      feed(octets);
    }
    if (dot_is_out) behind_dot_ = octets;
    check_credit();
    return act();
  }

  std::string transcript;

 private:
  void feed(std::string_view octets) {
    protocol_.receive(octets);
    protocol_.next();
  }

  void check_credit() {
    for (const auto& r : protocol_.results()) {
      if (r.step != client_step::content || !r.remote || !r.remote->is_positive()) continue;
      // Credited anew: the reply must stand first in what came behind the dot.
      if (credited_) return;
      require(content_was_sent_);
      credited_ = true;
      unread_ += behind_dot_;
      require(unread_.starts_with('2'));
    }
    unread_ += behind_dot_;
  }

  /// What the driver does at the end of a read.
  bool act() {
    for (;;) {
      const auto action = protocol_.next();
      transcript += "[" + std::to_string(static_cast<int>(action)) + " " +
                    std::to_string(static_cast<int>(protocol_.step())) + " " +
                    shown(protocol_.results()) + "]" + std::string(protocol_.output());
      protocol_.output_written(protocol_.output().size());
      switch (action) {
        case client_action::need_input: return true;
        case client_action::start_tls: protocol_.tls_started(); break;
        case client_action::ready:
          if (++transactions_ > 3) {
            protocol_.quit();
          } else {
            credited_ = content_was_sent_ = false;
            unread_.clear();
            protocol_.send(message_, {0, 1}, 5);
          }
          break;
        case client_action::want_content:
          content_was_sent_ = true;
          protocol_.content_sent();
          break;
        case client_action::failed:
        case client_action::closed: return false;
      }
    }
  }

  client_protocol protocol_;
  envelope message_;
  std::string behind_dot_, unread_;
  bool content_was_sent_ = false, credited_ = false;
  int transactions_ = 0;
};

std::string play(unsigned mood, std::string_view input, bool every_octet) {
  session s(mood);
  for (const auto octets : split(input, '\xff')) {
    if (!s.hear(octets, every_octet)) break;
  }
  return s.transcript;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view input(reinterpret_cast<const char*>(data + 1), size - 1);
  require(play(data[0], input, false) == play(data[0], input, true));
  return 0;
}
