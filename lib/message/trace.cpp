// Writes the Received field clause by clause (RFC 5321 4.4) and folds between clauses. All text of
// the wire passes a filter of its clause before it is written.
#include "message/trace.hpp"

#include <fmt/format.h>

#include <array>
#include <chrono>

#include "base/text.hpp"

namespace relais::message {
namespace {

constexpr std::size_t fold_at = 78;  // RFC 5322 2.1.1
constexpr std::size_t longest_name = 255;

/// A word that can stand for a domain: what no host name or address literal has in it becomes '?',
/// so that neither a comment, nor a quoted string, nor another clause or field can be opened or
/// closed.
std::string host_word(std::string_view text) {
  std::string word(text.substr(0, longest_name));
  for (auto& c : word) {
    const bool harmless =
        is_alnum(c) || c == '.' || c == '-' || c == '_' || c == ':' || c == '[' || c == ']';
    if (!harmless) c = '?';
  }
  return word.empty() ? "unknown" : word;
}

std::string address_literal(std::string_view address) {
  const bool v6 = address.find(':') != std::string_view::npos;
  return fmt::format("[{}{}]", v6 ? "IPv6:" : "", host_word(address));
}

/// Text within a comment of ours: letters, digits and harmless signs; parentheses only in pairs.
std::string comment_text(std::string_view text) {
  static constexpr std::string_view harmless = " ._-/+=@:()";
  std::string kept(text.substr(0, longest_name));
  int depth = 0;
  bool in_pairs = true;
  for (auto& c : kept) {
    if (!is_alnum(c) && harmless.find(c) == std::string_view::npos) c = '?';
    if (c == '(') ++depth;
    if (c == ')') in_pairs = in_pairs && --depth >= 0;
  }
  if (!in_pairs || depth != 0) {
    std::erase_if(kept, [](char c) { return c == '(' || c == ')'; });
  }
  return kept;
}

/// An address of the envelope: a path has no controls by its making; anything else is not shown.
bool is_showable(std::string_view recipient) {
  if (recipient.empty() || recipient.size() > 320 || !is_valid_utf8(recipient)) return false;
  for (const char c : recipient)
    if (is_control(c) || c == '<' || c == '>') return false;
  return true;
}

/// Puts words after each other, with a fold before the one that would pass the limit.
class folder {
 public:
  explicit folder(std::string begin) : text_(std::move(begin)), column_(text_.size()) {}
  void add(std::string_view words) {
    if (column_ + 1 + words.size() > fold_at) return add_line(words);
    text_ += ' ';
    text_ += words;
    column_ += 1 + words.size();
  }
  void add_line(std::string_view words) {
    text_ += "\r\n\t";
    text_ += words;
    column_ = 1 + words.size();
  }
  std::string finish() && { return std::move(text_) + "\r\n"; }

 private:
  std::string text_;
  std::size_t column_;
};

}  // namespace

std::string rfc5322_date(wall_time time) {
  static constexpr std::array days{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  static constexpr std::array months{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss clock(std::chrono::floor<std::chrono::seconds>(time - day));
  return fmt::format("{}, {:02} {} {:04} {:02}:{:02}:{:02} +0000",
                     days[std::chrono::weekday(day).c_encoding()],
                     static_cast<unsigned>(date.day()),
                     months[static_cast<unsigned>(date.month()) - 1], static_cast<int>(date.year()),
                     clock.hours().count(), clock.minutes().count(), clock.seconds().count());
}

std::string_view protocol_word(bool ehlo, bool tls, bool auth, bool utf8) noexcept {
  static constexpr std::array<std::string_view, 8> words{
      "ESMTP", "ESMTPA", "ESMTPS", "ESMTPSA", "UTF8SMTP", "UTF8SMTPA", "UTF8SMTPS", "UTF8SMTPSA"};
  if (!ehlo) return "SMTP";
  return words[(utf8 ? 4u : 0u) + (tls ? 2u : 0u) + (auth ? 1u : 0u)];
}

std::string received_header(const trace& t) {
  const bool is_local = t.client_address.empty();
  // The clause is mandatory: of a client that is not shown it names the place where users are.
  const bool names_nobody = t.hide_client || (is_local && t.hello.empty());
  folder field("Received: from " + (names_nobody ? "localhost" : host_word(t.hello)));
  if (!is_local && !t.hide_client) {
    field.add(fmt::format("({} {})", host_word(t.client_name), address_literal(t.client_address)));
  }
  if (!t.tls.empty()) field.add_line(fmt::format("(using {})", comment_text(t.tls)));
  if (!t.user.empty()) {
    field.add_line(fmt::format("(Authenticated sender: {})", comment_text(t.user)));
  }
  field.add_line(fmt::format("by {} (relais)", host_word(t.by)));
  field.add(fmt::format("with {}", host_word(t.protocol)));
  const auto id = fmt::format("id {}", t.id.text());
  if (is_showable(t.for_recipient)) {
    field.add(id);
    field.add_line(fmt::format("for <{}>;", t.for_recipient));
  } else {
    field.add(id + ";");
  }
  field.add_line(rfc5322_date(t.arrival));
  return std::move(field).finish();
}

}  // namespace relais::message
