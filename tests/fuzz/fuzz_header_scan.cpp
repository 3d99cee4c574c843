// scan_header and header_section agree, stay inside the content, and never let a control into the
// log.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "base/text.hpp"
#include "message/header_scan.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view content(reinterpret_cast<const char*>(data), size);
  const auto summary = relais::message::scan_header(content);
  const auto section = relais::message::header_section(content);
  if (section.size() != summary.length || summary.length > size) std::abort();
  for (const char c : summary.message_id)
    if (relais::is_control(c) || static_cast<unsigned char>(c) >= 0x80) std::abort();
  // What comes behind the section does not change what was found in it.
  const auto again = relais::message::scan_header(section);
  if (again.length != summary.length || again.received_fields != summary.received_fields ||
      again.message_id != summary.message_id || again.has_date != summary.has_date ||
      again.has_from != summary.has_from) {
    std::abort();
  }
  return 0;
}
