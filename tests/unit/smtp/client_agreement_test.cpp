// The client against a small honest server with moods, over thousands of transactions: what the one
// counts as delivered the other has taken, and of a session that breaks only those are said to be
// perhaps delivered who may be.
#include <deque>
#include <map>
#include <set>

#include "base/random.hpp"
#include "client_script.hpp"

using namespace relais;
using namespace relais::smtp;
using namespace relais::smtp::script;

namespace {

struct mood {
  bool pipelining = false, chunking = false, is_lmtp = false;
  bool is_mortal = false;  ///< it may leave between two commands
};

/// Answers complete commands, one reply each; takes mail from "s<number>@a.example".
class tiny_server {
 public:
  tiny_server(relais::random& rng, const mood& m) : rng_(rng), mood_(m) {}
  std::string output = "220 tiny\r\n";
  std::multimap<std::string, std::string> taken;  ///< reverse-path to forward-path
  bool has_left = false;

  void receive(std::string_view octets) {
    input_ += octets;
    while (!has_left && advance()) {
      if (mood_.is_mortal && rng_.below(60) == 0) has_left = true;
    }
  }

 private:
  bool refuses() { return rng_.below(4) == 0; }

  bool advance() {
    if (is_chunk_) {
      if (input_.size() < chunk_) return false;
      input_.erase(0, chunk_);
      is_chunk_ = false;
      end_of_content();
      return true;
    }
    const auto end = input_.find("\r\n");
    if (end == std::string::npos) return false;
    const auto line = input_.substr(0, end);
    input_.erase(0, end + 2);
    if (!in_content_) {
      answer(line);
    } else if (line == ".") {
      in_content_ = false;
      end_of_content();
    }
    return true;
  }

  void end_of_content() {
    const bool is_chunk_for_nobody = rcpts_.empty();
    if (is_chunk_for_nobody) {
      output += refuses() ? "250 as you like\r\n" : "554 nobody\r\n";
      // RFC 3030 2: the state is indeterminate.
      in_mail_ = in_mail_ && refuses();
      return;
    }
    const bool ok = !refuses();
    for (std::size_t i = 0; i < (mood_.is_lmtp ? rcpts_.size() : 1); ++i) {
      const bool is_taken = mood_.is_lmtp ? !refuses() : ok;
      output += is_taken ? "250 queued\r\n" : "452 no\r\n";
      if (!is_taken) continue;
      for (std::size_t k = 0; k < rcpts_.size(); ++k) {
        if (!mood_.is_lmtp || k == i) taken.emplace(from_, rcpts_[k]);
      }
    }
    in_mail_ = false;
  }

  void answer(const std::string& line) {
    if (line.starts_with("EHLO") || line.starts_with("LHLO")) {
      REQUIRE(line.starts_with("LHLO") == mood_.is_lmtp);
      output += "250-tiny\r\n";
      if (mood_.pipelining) output += "250-PIPELINING\r\n";
      if (mood_.chunking) output += "250-CHUNKING\r\n";
      output += "250 HELP\r\n";
    } else if (line == "RSET") {
      in_mail_ = false;
      output += "250 ok\r\n";
    } else if (line.starts_with("MAIL")) {
      REQUIRE_FALSE(in_mail_);  // a client that forgot RSET
      in_mail_ = !refuses();
      from_ = line;
      rcpts_.clear();
      output += in_mail_ ? "250 ok\r\n" : "450 no\r\n";
    } else if (line.starts_with("RCPT")) {
      const bool ok = in_mail_ && !refuses();
      if (ok) rcpts_.push_back(line);
      output += ok ? "250 ok\r\n" : "550 no\r\n";
    } else if (line == "DATA") {
      // Some servers take DATA without recipients, too.
      in_content_ = in_mail_ && (!rcpts_.empty() ? !refuses() : refuses() && !mood_.is_lmtp);
      output += in_content_ ? "354 go\r\n" : "451 no\r\n";
    } else if (line.starts_with("BDAT")) {
      REQUIRE(line == "BDAT 3 LAST");
      is_chunk_ = true;
      chunk_ = 3;
      if (!in_mail_) rcpts_.clear();
    } else {
      REQUIRE(line == "QUIT");
      output += "221 bye\r\n";
    }
  }

  relais::random& rng_;
  mood mood_;
  bool in_mail_ = false, in_content_ = false, is_chunk_ = false;
  std::size_t chunk_ = 0;
  std::string from_, input_;
  std::vector<std::string> rcpts_;
};

class conversation {
 public:
  conversation(std::uint64_t seed, const mood& m)
      : rng_(seed), peer_(rng_, m), protocol_(options_of(m)), overlap_(seed % 3 != 0) {}

  /// Until QUIT, or until the server has left and `cut` of its output was lost with it.
  void play() {
    for (int turns = 0; turns < 100000; ++turns) {
      const auto action = protocol_.next();
      if (action == client_action::closed) break;
      if (action == client_action::failed) {
        REQUIRE(peer_.has_left);
        break;
      }
      if (!act(action)) hear();
    }
    REQUIRE(
        (protocol_.next() == client_action::closed || protocol_.next() == client_action::failed));
  }

  void check() const {
    std::size_t delivered_in_all = 0;
    for (const auto& s : all_) {
      for (std::size_t i = 0; i < s.what.results.size(); ++i) {
        const auto& r = s.what.results[i];
        const bool was_taken = is_taken(s, i);
        const bool is_credited =
            r.step == client_step::content && r.remote && r.remote->is_positive();
        if (is_credited) CHECK(was_taken);
        if (is_credited) ++delivered_in_all;
        // Taken and not credited: only where we say that it may be so.
        if (was_taken && !is_credited) CHECK(show({r}) == "content -");
        if (was_taken) CHECK(s.what.was_begun);
      }
    }
    if (!peer_.has_left) CHECK(delivered_in_all == peer_.taken.size());
  }
  std::size_t deliveries() const { return peer_.taken.size(); }

 private:
  struct sent {
    envelope message;
    transaction what;
  };
  static client_options options_of(const mood& m) {
    auto options = in_clear();
    options.is_lmtp = m.is_lmtp;
    return options;
  }

  transaction& new_transaction() {
    auto& next = all_.emplace_back();
    const auto name = "s" + std::to_string(all_.size()) + "@a.example";
    next.message = {address(name),
                    {address("0@b.example"), address("1@b.example"), address("2@b.example")}};
    next.what.message = &next.message;
    next.what.recipients = {0, 1, 2};
    next.what.size = 3;
    return next.what;
  }

  bool is_taken(const sent& s, std::size_t i) const {
    const auto [from, to] =
        peer_.taken.equal_range("MAIL FROM:<" + s.message.reverse_path.text() + ">");
    return std::any_of(from, to, [&](const auto& t) {
      return t.second == "RCPT TO:<" + s.message.forward_paths[i].text() + ">";
    });
  }

  /// What the driver does; false: it reads.
  bool act(client_action action) {
    if (overlap_ && all_.size() < 20 && protocol_.can_go_ahead() && rng_.below(4) != 0) {
      protocol_.begin_ahead(new_transaction());
      return true;
    }
    switch (action) {
      case client_action::ready:
        if (all_.size() < 20) {
          protocol_.send(new_transaction());
        } else {
          protocol_.quit();
        }
        return true;
      case client_action::over: protocol_.finished(); return true;
      case client_action::want_content:
        say();
        peer_.receive(protocol_.form() == content_form::chunk ? "a\r\n" : "a\r\n.\r\n");
        protocol_.content_sent();
        return true;
      default: say(); return false;
    }
  }

  void say() {
    peer_.receive(protocol_.output());
    protocol_.output_written(protocol_.output().size());
  }

  void hear() {
    if (peer_.output.empty()) {
      REQUIRE(peer_.has_left);
      return protocol_.abort(errc::peer_closed);
    }
    if (peer_.has_left && rng_.below(8) == 0) {
      return protocol_.abort(rng_.below(2) == 0 ? errc::timeout : errc::connection_failed);
    }
    const auto piece = peer_.output.substr(0, 1 + rng_.below(9));
    peer_.output.erase(0, piece.size());
    protocol_.receive(piece);
  }

  seeded_random rng_;
  tiny_server peer_;
  client_protocol protocol_;
  bool overlap_;
  std::deque<sent> all_;
};

}  // namespace

TEST_CASE("client and server agree on every delivery, over hundreds of transactions") {
  const mood m{GENERATE(false, true), GENERATE(false, true), GENERATE(false, true),
               GENERATE(false, true)};
  INFO("pipelining " << m.pipelining << " chunking " << m.chunking << " lmtp " << m.is_lmtp
                     << " mortal " << m.is_mortal);
  std::size_t deliveries = 0;
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    INFO("seed " << seed);
    conversation c(seed, m);
    c.play();
    c.check();
    deliveries += c.deliveries();
  }
  CHECK(deliveries > 100);
}
