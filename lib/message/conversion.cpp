// Entity by entity, from the outside to the inside: each is copied as it is, or its head is copied
// with another label and its body encoded, or, of a multipart or a message, converted in turn.
#include "message/conversion.hpp"

#include <algorithm>
#include <cstring>

#include "base/text.hpp"
#include "message/content_type.hpp"
#include "message/header_fields.hpp"
#include "message/report_text.hpp"
#include "message/transfer_encodings.hpp"

namespace relais::message {
namespace {

constexpr unsigned deepest = 32;
constexpr std::size_t longest_body_line = 998;  // RFC 5321 4.5.3.1.6, without CRLF

bool has_long_line(std::string_view text) noexcept {
  while (text.size() > longest_body_line) {
    // From the furthest end of a line that is allowed backwards: few lines are looked at twice.
    const auto end = text.substr(0, longest_body_line + 2).rfind('\n');
    if (end == std::string_view::npos) return true;
    text.remove_prefix(end + 1);
  }
  return false;
}

/// A body that is not fit for a 7-bit transport as it is.
bool needs_work(std::string_view text) noexcept {
  return is_8bit(text) || has_long_line(text) || text.find('\0') != std::string_view::npos;
}

/// "--boundary" or "--boundary--", nothing but blanks behind it.
enum class delimiter : std::uint8_t { none, next, last };
delimiter delimiter_in(std::string_view line, std::string_view boundary) noexcept {
  line = without_end(line);
  if (!line.starts_with("--") || !line.substr(2).starts_with(boundary)) return delimiter::none;
  auto rest = line.substr(2 + boundary.size());
  const bool is_last = rest.starts_with("--");
  if (is_last) rest.remove_prefix(2);
  if (!trimmed(rest).empty()) return delimiter::none;
  return is_last ? delimiter::last : delimiter::next;
}

class converter {
 public:
  explicit converter(bool also_signed) : also_signed_(also_signed) {}

  conversion_fault convert_message(std::string_view text, unsigned depth);
  std::string take() noexcept { return std::move(out_); }

 private:
  using fault = conversion_fault;
  struct subject {
    std::string_view text;  ///< the whole entity
    entity_head head;
    unsigned depth;
    std::string_view body() const noexcept { return text.substr(head.body); }
  };

  fault convert_entity(std::string_view text, unsigned depth, bool is_digest, bool is_message);
  fault convert_multipart(const subject& s);
  fault convert_inner_message(const subject& s);
  fault convert_leaf(const subject& s, bool is_message);
  void add_head(const subject& s, std::string_view encoding, bool is_message);
  void add_unread(std::string_view text);
  void add_7bit_head(const subject& s);

  bool also_signed_;
  std::string out_;
};

conversion_fault converter::convert_message(std::string_view text, unsigned depth) {
  return convert_entity(text, depth, false, true);
}

bool is_signed(const content_type& t) noexcept {
  return t.type == "multipart" && (t.subtype == "signed" || t.subtype == "encrypted");
}

bool is_label_of_8bit(const entity_head& head) noexcept {
  return head.encoding == transfer_encoding::eight_bit ||
         head.encoding == transfer_encoding::binary;
}

conversion_fault converter::convert_entity(std::string_view text, unsigned depth, bool is_digest,
                                           bool is_message) {
  if (depth > deepest) {
    if (needs_work(text)) return fault::malformed;
    out_ += text;
    return fault::none;
  }
  subject s{text, read_head(text), depth};
  if (is_8bit(text.substr(0, s.head.length))) return fault::header_is_8bit;
  const bool has_work = needs_work(s.body());
  if (is_digest && !s.head.has_type) {
    s.head.type.type = "message";
    s.head.type.subtype = "rfc822";
  }
  const auto& type = s.head.type;
  if (is_signed(type) && !(has_work && also_signed_)) {
    if (is_8bit(s.body())) return fault::is_signed;
    out_ += text;
    return fault::none;
  }
  const bool is_composite =
      type.type == "multipart" || (type.type == "message" && type.subtype == "rfc822");
  const bool is_odd = s.head.is_broken || (type.type == "multipart" && type.boundary.empty()) ||
                      (is_composite && s.head.encoding > transfer_encoding::binary);
  if (is_odd) {
    if (has_work) return fault::malformed;
    out_ += text;
    return fault::none;
  }
  if (type.type == "multipart") return convert_multipart(s);
  if (is_composite) return convert_inner_message(s);
  return convert_leaf(s, is_message);
}

/// The head with `encoding` in place of what it says now.
void converter::add_head(const subject& s, std::string_view encoding, bool is_message) {
  const auto field = [&] {
    out_ += "Content-Transfer-Encoding: ";
    out_ += encoding;
    out_ += "\r\n";
  };
  const auto& head = s.head;
  const auto section = s.text.substr(0, head.length);
  if (head.encoding_length > 0) {
    out_ += section.substr(0, head.encoding_at);
    field();
    out_ += section.substr(head.encoding_at + head.encoding_length);
  } else {
    out_ += section;
    field();
  }
  if (is_message && !head.has_version) {
    out_ += "MIME-Version: 1.0\r\n";
    if (!head.has_type) out_ += "Content-Type: text/plain; charset=unknown-8bit\r\n";
  }
  out_ += s.text.substr(head.length, head.body - head.length);
}

void converter::add_7bit_head(const subject& s) {
  if (is_label_of_8bit(s.head)) return add_head(s, "7bit", false);
  out_ += s.text.substr(0, s.head.body);
}

/// Preamble and epilogue.
void converter::add_unread(std::string_view text) {
  const auto from = out_.size();
  out_ += text;
  std::replace_if(
      out_.begin() + static_cast<std::ptrdiff_t>(from), out_.end(),
      [](char c) { return static_cast<unsigned char>(c) >= 0x80; }, '?');
}

conversion_fault converter::convert_multipart(const subject& s) {
  const auto& boundary = s.head.type.boundary;
  const bool is_digest = s.head.type.subtype == "digest";
  add_7bit_head(s);
  auto rest = s.body();
  auto piece = rest;  // what lies before the delimiter that is looked for
  bool is_part = false, is_over = false;
  const auto end_piece = [&](std::size_t length, bool is_cut_off) {
    // The line end in front of a delimiter belongs to the delimiter (RFC 2046 5.1.1).
    const auto whole = piece.substr(0, length);
    const auto inner = is_part && !is_cut_off ? without_end(whole) : whole;
    if (is_part) {
      if (const auto f = convert_entity(inner, s.depth + 1, is_digest, false); f != fault::none)
        return f;
    } else {
      add_unread(inner);
    }
    out_ += whole.substr(inner.size());
    return fault::none;
  };
  while (!rest.empty() && !is_over) {
    const auto at = static_cast<std::size_t>(rest.data() - piece.data());
    const auto line = take_line(rest);
    const auto found = delimiter_in(line, boundary);
    if (found == delimiter::none) continue;
    if (const auto f = end_piece(at, false); f != fault::none) return f;
    out_ += line;
    piece = rest;
    is_part = true;
    is_over = found == delimiter::last;
  }
  if (is_over) {
    add_unread(piece);
    return fault::none;
  }
  if (!is_part && needs_work(piece)) return fault::malformed;  // no delimiter anywhere
  // Cut off, or the closing delimiter forgotten: the last part ends with the multipart.
  return end_piece(piece.size(), true);
}

conversion_fault converter::convert_inner_message(const subject& s) {
  add_7bit_head(s);
  return convert_message(s.body(), s.depth + 1);
}

/// RFC 2046 5.2.2, 5.2.3: these two must be 7-bit by themselves; and of what nobody understands it
/// is not known.
bool must_stay(const content_type& t) noexcept {
  return t.type == "message" &&
         (t.subtype.empty() || t.subtype == "partial" || t.subtype == "external-body");
}

/// Quoted-printable is for lines. Not tried where base64 is certainly shorter, as it may take three
/// times the memory.
bool is_quoted_shorter(const content_type& type, bool has_type, std::string_view body) {
  const bool has_lines = !has_type || type.type == "text" || type.type == "message";
  const auto unsafe = static_cast<std::size_t>(std::ranges::count_if(
      body, [](char c) { return static_cast<unsigned char>(c) >= 0x80 || c == '='; }));
  return has_lines && body.size() + 2 * unsafe <= base64_size(body.size());
}

conversion_fault converter::convert_leaf(const subject& s, bool is_message) {
  const auto body = s.body();
  const auto& head = s.head;
  const bool is_fit = !needs_work(body);
  if (is_fit && (head.encoding != transfer_encoding::binary || has_clean_lines(body))) {
    add_7bit_head(s);
    out_ += body;
    return fault::none;
  }
  const bool is_encoded = head.encoding > transfer_encoding::binary;
  if (is_encoded && !is_8bit(body)) {  // long lines of base64: somebody's bad habit, but readable
    out_ += s.text;
    return fault::none;
  }
  if (is_encoded || must_stay(head.type)) return fault::malformed;
  if (is_quoted_shorter(head.type, head.has_type, body)) {
    const auto quoted = quoted_printable(body);
    if (quoted.size() <= base64_size(body.size())) {
      add_head(s, "quoted-printable", is_message);
      out_ += quoted;
      return fault::none;
    }
  }
  add_head(s, "base64", is_message);
  out_ += base64_body(body);
  return fault::none;
}

}  // namespace

std::string_view to_text(conversion_fault fault) noexcept {
  switch (fault) {
    case conversion_fault::is_signed: return "a signed or encrypted part must not be changed";
    case conversion_fault::header_is_8bit: return "its header is not ASCII";
    case conversion_fault::malformed: return "its MIME structure is broken";
    case conversion_fault::none: break;
  }
  return "";
}

bool is_8bit(std::string_view content) noexcept {
  std::uint64_t seen = 0;
  for (; content.size() >= sizeof seen; content.remove_prefix(sizeof seen)) {
    std::uint64_t word = 0;
    std::memcpy(&word, content.data(), sizeof word);
    seen |= word;
  }
  for (const char c : content) seen |= static_cast<unsigned char>(c);
  return (seen & 0x8080808080808080U) != 0;
}

converted to_7bit(std::string_view content, bool also_signed) {
  converted result;
  if (!is_8bit(content)) {
    result.content = content;
    return result;
  }
  converter work(also_signed);
  result.fault = work.convert_message(content, 0);
  if (result.fault != conversion_fault::none) return result;
  result.content = work.take();
  // Base64 has no line end of its own, SMTP wants one.
  if (content.ends_with("\r\n") && !result.content.ends_with("\r\n")) result.content += "\r\n";
  return result;
}

}  // namespace relais::message
