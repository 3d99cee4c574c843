// What MIME says of an entity, as far as a relay that may have to re-encode it must know: its type,
// its boundary, its transfer encoding. RFC 2045 5, 6; RFC 2046 5.1. Reads any octets.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace relais::message {

struct content_type {
  std::string type, subtype;  ///< lower case; "" where the value is not understood
  std::string boundary;       ///< "" = none, or not one that can be told for certain
};

/// Of the value of a Content-Type field, folds included.
content_type parse_content_type(std::string_view value);

enum class transfer_encoding : std::uint8_t {
  seven_bit,
  eight_bit,
  binary,
  quoted_printable,
  base64,
  other
};
/// Of the value of a Content-Transfer-Encoding field.
transfer_encoding parse_transfer_encoding(std::string_view value);

/// The MIME fields of an entity's header section.
struct entity_head {
  std::size_t length = 0;  ///< of the header section
  std::size_t body = 0;    ///< where the body begins, behind the empty line
  std::size_t encoding_at = 0, encoding_length = 0;  ///< of the field; 0, 0: none
  content_type type;
  transfer_encoding encoding = transfer_encoding::seven_bit;
  bool has_type = false, has_version = false;
  /// A field that decides is there twice, or no empty line ends the section.
  bool is_broken = false;
};
entity_head read_head(std::string_view entity);

}  // namespace relais::message
