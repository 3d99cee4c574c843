// A scanner that skips blanks and comments, and a parser of one pass over its tokens.
#include "message/address_list.hpp"

#include <algorithm>
#include <cstdint>
#include <span>

#include "base/text.hpp"
#include "message/report_text.hpp"

namespace relais::message {
namespace {

enum class token_kind : std::uint8_t { atom, quoted, literal, special, end, broken };

struct token {
  token_kind kind = token_kind::end;
  std::string_view text;
  bool is(char special) const noexcept {
    return kind == token_kind::special && text.front() == special;
  }
  bool is_word() const noexcept { return kind == token_kind::atom || kind == token_kind::quoted; }
};

// A field that has more is not read: what one costs is bounded.
constexpr std::size_t most_mailboxes = 5000;
constexpr std::size_t most_tokens = 1000;  // of one mailbox

constexpr std::string_view specials = "<>:;,@.()[]\\\"";

class scanner {
 public:
  explicit scanner(std::string_view text) : text_(text) {}

  token next() noexcept {
    if (!skip_blanks_and_comments()) return {token_kind::broken, {}};
    if (at_ == text_.size()) return {token_kind::end, {}};
    const auto begin = at_;
    switch (text_[at_]) {
      case '"': return enclosed('"', token_kind::quoted);
      case '[': return enclosed(']', token_kind::literal);
      case '<':
      case '>':
      case ':':
      case ';':
      case ',':
      case '@':
      case '.': ++at_; return {token_kind::special, text_.substr(begin, 1)};
      default: break;
    }
    while (at_ < text_.size() && is_atom_octet(text_[at_])) ++at_;
    if (at_ == begin) return {token_kind::broken, {}};
    return {token_kind::atom, text_.substr(begin, at_ - begin)};
  }
  std::size_t offset_behind(std::string_view part) const noexcept {
    return static_cast<std::size_t>(part.data() + part.size() - text_.data());
  }

 private:
  static bool is_atom_octet(char c) noexcept {
    return !is_control(c) && c != ' ' && specials.find(c) == std::string_view::npos;
  }
  /// Blanks, and line ends of a fold.
  bool skip_blank() noexcept {
    if (text_[at_] == '\r') {
      if (at_ + 1 == text_.size() || text_[at_ + 1] != '\n') return false;
      ++at_;
    } else if (text_[at_] != ' ' && text_[at_] != '\t' && text_[at_] != '\n') {
      return false;
    }
    ++at_;
    return true;
  }
  bool skip_blanks_and_comments() noexcept {
    std::size_t depth = 0;
    while (at_ < text_.size()) {
      if (skip_blank()) continue;
      const char c = text_[at_];
      if (c == '(') {
        ++depth;
      } else if (depth == 0) {
        return true;
      } else if (c == ')') {
        --depth;
      } else if (c == '\\') {
        ++at_;
      } else if (is_control(c)) {
        return false;
      }
      ++at_;
    }
    at_ = text_.size();
    return depth == 0;
  }
  token enclosed(char close, token_kind kind) noexcept {
    const auto begin = at_++;
    while (at_ < text_.size() && text_[at_] != close) {
      if (skip_blank()) continue;
      if (text_[at_] == '\\') ++at_;
      if (at_ == text_.size() || is_control(text_[at_])) return {token_kind::broken, {}};
      ++at_;
    }
    if (at_ == text_.size()) return {token_kind::broken, {}};
    ++at_;
    return {kind, text_.substr(begin, at_ - begin)};
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

/// RFC 2047: "=?utf-8?q?J=F6rg?=", which is a name even where it stands alone.
bool is_encoded_word(std::string_view atom) noexcept {
  return atom.size() > 4 && atom.starts_with("=?") && atom.ends_with("?=");
}

class list_parser {
 public:
  explicit list_parser(std::string_view value) : scanner_(value) {}

  std::optional<std::vector<listed_mailbox>> run() {
    for (;;) {
      const auto t = scanner_.next();
      if (t.kind == token_kind::broken) return {};
      const bool ends = t.kind == token_kind::end;
      if (ends || t.is(',') || (in_group_ && t.is(';'))) {
        end_mailbox();
        if (ends && in_group_) return {};
        if (ends) return std::move(found_);
        if (t.is(';')) in_group_ = false;
        needs_comma_ = t.is(';');
      } else if (needs_comma_) {
        return {};
      } else if (t.is('<')) {
        if (!take_angle()) return {};
      } else if (t.is(':')) {
        if (in_group_ || had_angle_ || tokens_.empty()) return {};
        in_group_ = true;
        tokens_.clear();
      } else if (had_angle_ || t.is('>') || t.is(';')) {
        return {};
      } else {
        tokens_.push_back(t);
      }
      if (found_.size() > most_mailboxes || tokens_.size() > most_tokens) return {};
    }
  }

 private:
  void end_mailbox() {
    if (!had_angle_) take_address(tokens_);
    tokens_.clear();
    had_angle_ = false;
  }
  bool take_angle() {
    had_angle_ = true;
    tokens_.clear();
    for (auto t = scanner_.next(); !t.is('>'); t = scanner_.next()) {
      // With a route (RFC 5322 4.4) the address is behind the colon.
      const bool in_route = t.is(':') || (t.is(',') && !tokens_.empty() && tokens_.front().is('@'));
      const bool known = t.is_word() || t.kind == token_kind::literal || t.is('@') || t.is('.');
      if ((!known && !in_route) || tokens_.size() == most_tokens) return false;
      tokens_.push_back(t);
    }
    take_address(tokens_);
    return true;
  }
  /// local-part [ "@" domain ], or nothing that could be used.
  void take_address(std::span<const token> tokens) {
    listed_mailbox made;
    const token* last = nullptr;
    bool dot = true;
    std::size_t i = 0;
    for (; i < tokens.size() && dot; i += dot ? 2 : 1) {
      if (!tokens[i].is_word()) return;
      made.local_part += tokens[i].text;
      last = &tokens[i];
      dot = i + 1 < tokens.size() && tokens[i + 1].is('.');
      if (dot) made.local_part += '.';
    }
    if (last == nullptr || dot) return;
    made.local_part_end = scanner_.offset_behind(last->text);
    if (i == tokens.size()) {
      if (is_encoded_word(made.local_part)) return;
    } else {
      if (!tokens[i].is('@') || i + 1 == tokens.size()) return;
      for (const auto& t : tokens.subspan(i + 1)) {
        if (t.kind == token_kind::quoted || t.is('@')) return;
        made.domain += t.text;
      }
    }
    found_.push_back(std::move(made));
  }

  scanner scanner_;
  std::vector<token> tokens_;  // of the mailbox or the display name under way
  std::vector<listed_mailbox> found_;
  bool had_angle_ = false;
  bool in_group_ = false;
  bool needs_comma_ = false;  // behind a group
};

std::size_t longest_line_of(std::string_view text) noexcept {
  std::size_t longest = 0;
  while (!text.empty()) {
    const auto end = std::min(text.find('\n'), text.size() - 1);
    longest = std::max(longest, end + 1);
    text.remove_prefix(end + 1);
  }
  return longest;
}

}  // namespace

std::optional<std::vector<listed_mailbox>> mailboxes(std::string_view value) {
  return list_parser(value).run();
}

std::optional<std::string> qualified_addresses(std::string_view value, std::string_view domain,
                                               bool utf8) {
  const auto found = mailboxes(value);
  if (!found) return {};
  std::string text;
  std::size_t copied = 0;
  for (const auto& m : *found) {
    if (!m.domain.empty() || (!is_ascii(m.local_part) && !(utf8 && is_valid_utf8(m.local_part)))) {
      continue;
    }
    text.append(value, copied, m.local_part_end - copied).append("@").append(domain);
    copied = m.local_part_end;
  }
  if (copied == 0) return {};
  text.append(value, copied);
  // The field name and the line end are counted as well, generously.
  constexpr std::size_t name_and_end = 20;
  if (longest_line_of(text) + name_and_end > longest_line) return {};
  return text;
}

}  // namespace relais::message
