// Arbitrary server octets against the client core. Checked: no crash; whole and octet-by-octet
// feeding lead to the same; nobody is credited with a delivery but by a 2xx reply that stands in
// the place of the reply to that content, counted by a second, simpler reading of both sides. The
// first octet chooses options, and by its highest bit that a second one does, too; the rest is cut
// at 0xff into what the server says between writes.
#include <array>
#include <cstdint>
#include <cstdlib>
#include <deque>
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

/// Bits of the second octet.
struct habits {
  explicit habits(unsigned bits)
      : is_lmtp((bits & 1) != 0),
        overlaps((bits & 2) != 0),
        pipelines((bits & 4) == 0),
        chunks((bits & 8) == 0),
        chunks_late((bits & 16) != 0),
        cuts((bits & 32) != 0),
        names_fingerprint((bits & 64) != 0) {}
  bool is_lmtp, overlaps, pipelines, chunks, chunks_late, cuts, names_fingerprint;
};

client_options options_of(unsigned mood, const habits& h) {
  client_options options;
  options.hostname = "us.example";
  options.tls = h.names_fingerprint ? tls_level::fingerprint : static_cast<tls_level>(mood & 3);
  if ((mood & 4) != 0) options.login = credentials("user", "secret");
  options.is_lmtp = h.is_lmtp;
  options.use_pipelining = h.pipelines;
  options.use_chunking = h.chunks;
  if (h.chunks_late) options.chunk_ahead = 4;
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

constexpr std::size_t most_transactions = 4;

/// Counts commands and replies without knowing what they mean to the client: which 2xx stood where
/// the reply to a content was due.
class bookkeeper {
 public:
  explicit bookkeeper(bool is_lmtp) : is_lmtp_(is_lmtp) {}

  /// `begun`: the transactions in the order of their MAIL.
  void say(std::string_view octets, const std::vector<std::size_t>& begun) {
    for (const auto line : split(octets, '\n')) {
      if (line.empty() || line.starts_with("BDAT")) continue;
      if (line.starts_with("MAIL")) now_ = begun.at(mails_++);
      const char kind = line.starts_with("MAIL") ? 'M' : line.starts_with("RCPT") ? 'R' : 'c';
      due_.push_back({kind, now_});
    }
  }
  void say_content(std::size_t transaction) { due_.push_back({'C', transaction}); }
  void hear(std::string_view octets) {
    heard_ += octets;
    for (auto end = heard_.find('\n'); end != std::string::npos; end = heard_.find('\n')) {
      const auto line = heard_.substr(0, end);
      heard_.erase(0, end + 1);
      if (line.size() > 3 && line[3] == '-') continue;
      take(line.starts_with('2'));
    }
  }
  std::size_t positives(std::size_t transaction) const { return positives_[transaction]; }

 private:
  struct entry {
    char kind;
    std::size_t transaction;
  };

  void take(bool is_positive) {
    if (next_ >= due_.size()) return;
    const auto [kind, transaction] = due_[next_];
    // Behind a refused MAIL no recipient is one, whatever the server says.
    if (kind == 'M') refused_[transaction] = !is_positive;
    if (kind == 'R' && is_positive && !refused_[transaction]) ++accepted_[transaction];
    if (kind == 'C') {
      if (is_positive) ++positives_[transaction];
      if (is_lmtp_ && accepted_[transaction] > 1) {
        --accepted_[transaction];
        return;
      }
    }
    ++next_;
  }

  bool is_lmtp_;
  std::size_t mails_ = 0, now_ = 0, next_ = 0;
  std::vector<entry> due_{{'c', 0}};  // the greeting
  std::array<std::size_t, most_transactions> accepted_{}, positives_{};
  std::array<bool, most_transactions> refused_{};
  std::string heard_;
};

class session {
 public:
  session(unsigned mood, const habits& h)
      : habits_(h),
        protocol_(options_of(mood, h)),
        message_(parse_address("s@a.example").value(),
                 {parse_address("r@b.example").value(), parse_address("q@b.example").value()}),
        books_(h.is_lmtp) {
    if ((mood & 8) != 0) body_ = body_type::binary_mime;
    if ((mood & 16) != 0) message_.by = deliver_by{wall_time(std::chrono::seconds(9)), true, true};
    if ((mood & 32) == 0) return;
    message_.require_tls = (mood & 64) != 0;
    message_.ret = dsn_return::full;
    message_.envelope_id = "x";
    message_.submitter = "joe@x.example";
    message_.recipient_options.resize(2);
    message_.recipient_options[1].notify.success = true;
    message_.recipient_options[1].original_recipient = "rfc822;x";
  }

  /// One read after all output was written. Returns false once the session is over.
  bool hear(std::string_view octets, bool every_octet) {
    books_.hear(octets);
    if (every_octet) {
      for (std::size_t i = 0; i < octets.size(); ++i) feed(octets.substr(i, 1));
    } else {
      feed(octets);
    }
    const bool goes_on = act();
    check_credit();
    return goes_on;
  }
  void end(errc why) {
    protocol_.abort(why);
    check_credit();
  }

  std::string transcript;

 private:
  void feed(std::string_view octets) {
    protocol_.receive(octets);
    protocol_.next();
  }

  void check_credit() const {
    for (std::size_t i = 0; i < all_.size(); ++i) {
      std::size_t delivered = 0;
      for (const auto& r : all_[i].results) {
        const bool is_delivered =
            r.step == client_step::content && r.remote && r.remote->is_positive();
        if (is_delivered) ++delivered;
      }
      if (delivered == 0) continue;
      require(all_[i].was_begun && books_.positives(i) > 0);
      require(!habits_.is_lmtp || delivered <= books_.positives(i));
      require(i != cut_);
    }
  }

  void write() {
    const std::string octets(protocol_.output());
    protocol_.output_written(octets.size());
    books_.say(octets, begun_);
    transcript += octets;
  }

  transaction& next_transaction() {
    auto& t = all_.emplace_back();
    t.message = &message_;
    t.recipients = {0, 1};
    t.size = 5;
    t.body = body_;
    return t;
  }

  bool note_begun() {
    if (all_.back().was_begun) begun_.push_back(all_.size() - 1);
    return all_.back().was_begun;
  }

  /// What the driver does at the end of a read.
  bool act() {
    for (;;) {
      const auto action = protocol_.next();
      transcript += "[" + std::to_string(static_cast<int>(action)) + " " +
                    std::to_string(static_cast<int>(protocol_.step()));
      for (const auto& t : all_) transcript += " " + shown(t.results) + (t.was_begun ? "b" : "-");
      transcript += "]";
      write();
      switch (action) {
        case client_action::need_input:
          if (habits_.overlaps && all_.size() < most_transactions && protocol_.can_go_ahead()) {
            protocol_.begin_ahead(next_transaction());
            if (note_begun()) break;
            all_.pop_back();
          }
          return true;
        case client_action::start_tls: protocol_.tls_started(); break;
        case client_action::ready:
          if (all_.size() == most_transactions) {
            protocol_.quit();
          } else {
            protocol_.send(next_transaction());
            note_begun();
          }
          break;
        case client_action::over: protocol_.finished(); break;
        case client_action::want_content: send_content(); break;
        case client_action::failed:
        case client_action::closed: return false;
      }
    }
  }

  void send_content() {
    const std::size_t which =
        protocol_.content_of() == &all_.back() ? all_.size() - 1 : all_.size() - 2;
    require(protocol_.content_of() == &all_[which]);
    books_.say_content(which);
    if (habits_.cuts && which == 2) {
      cut_ = which;
      protocol_.cut(errc::connection_failed);
    } else {
      protocol_.content_sent();
    }
  }

  habits habits_;
  client_protocol protocol_;
  envelope message_;
  body_type body_ = body_type::seven_bit;
  bookkeeper books_;
  std::deque<transaction> all_;
  std::vector<std::size_t> begun_;
  std::size_t cut_ = SIZE_MAX;
};

std::string play(std::string_view input, bool every_octet) {
  const auto mood = static_cast<unsigned char>(input.front());
  input.remove_prefix(1);
  unsigned more = 0;
  if ((mood & 128) != 0 && !input.empty()) {
    more = static_cast<unsigned char>(input.front());
    input.remove_prefix(1);
  }
  session s(mood, habits(more));
  for (const auto octets : split(input, '\xff')) {
    if (!s.hear(octets, every_octet)) return s.transcript;
  }
  s.end(more % 3 == 0 ? errc::timeout : errc::peer_closed);
  return s.transcript;
}

/// Also where the mark between two reads lies in it.
bool contains_keyword(std::string_view input, std::string_view keyword) {
  std::string heard(input);
  std::erase(heard, '\xff');
  for (std::string_view rest = heard; rest.size() >= keyword.size(); rest.remove_prefix(1))
    if (iequals(rest.substr(0, keyword.size()), keyword)) return true;
  return false;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const auto whole = play(input, false);
  const auto octets = play(input, true);
  // A reply too many behind a flight with a chunk in it is only seen if it came with the one
  // before: there the cuts count, and only what nobody may be credited with is checked.
  const bool may_be_chunks = contains_keyword(input, "CHUNKING");
  require(may_be_chunks || whole == octets);
  return 0;
}
