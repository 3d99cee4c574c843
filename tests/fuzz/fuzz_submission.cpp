// A completed header is still one header section, needs no second completion, and grows within its
// bound.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "message/header_scan.hpp"
#include "message/submission.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace relais::message;
  if (size == 0) return 0;
  const std::string_view content(reinterpret_cast<const char*>(data) + 1, size - 1);
  submission_rules rules;
  rules.domain = "here.example";
  rules.add_missing = (data[0] & 1) == 0;
  rules.remove_bcc = (data[0] & 2) == 0;
  rules.add_sender = (data[0] & 4) != 0;
  submission_facts facts;
  facts.reverse_path = (data[0] & 8) != 0 ? "" : "joe@here.example";
  facts.user = (data[0] & 16) != 0 ? "mary" : "";
  facts.smtputf8 = (data[0] & 32) != 0;
  const auto header = header_section(content);
  const auto once = complete_header(header, rules, facts);
  if (once.size() > header.size() + most_growth) std::abort();
  if (header_section(once) != once) std::abort();
  if (complete_header(once, rules, facts) != once) std::abort();
  // No octet of the client becomes another: a new line could be a new field.
  if (complete_header(content, rules, facts).size() > content.size() + most_growth) std::abort();
  return 0;
}
