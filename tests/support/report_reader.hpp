// Takes a delivery report apart, for tests; a small reader of its own, which knows nothing of the
// code that wrote it. And the report that most tests begin with.
#pragma once

#include <catch2/catch.hpp>
#include <string>
#include <utility>
#include <vector>

#include "base/text.hpp"
#include "message/delivery_report.hpp"

namespace relais::testing {

using fields = std::vector<std::pair<std::string, std::string>>;

struct entity {
  fields header;
  std::string body;
  std::string field(std::string_view name) const {
    for (const auto& [n, v] : header)
      if (iequals(n, name)) return v;
    return "(none)";
  }
};

/// Unfolded fields up to an empty line, which is consumed.
inline fields read_fields(std::string_view& text) {
  fields found;
  while (!text.empty()) {
    const auto end = text.find("\r\n");
    REQUIRE(end != std::string_view::npos);
    const auto line = text.substr(0, end);
    text.remove_prefix(end + 2);
    if (line.empty()) break;
    if (line[0] == ' ' || line[0] == '\t') {
      REQUIRE_FALSE(found.empty());
      found.back().second += " " + std::string(trimmed(line));
      continue;
    }
    const auto colon = line.find(':');
    REQUIRE(colon != std::string_view::npos);
    found.emplace_back(line.substr(0, colon), trimmed(line.substr(colon + 1)));
  }
  return found;
}

inline entity read_entity(std::string_view text) {
  entity e;
  e.header = read_fields(text);
  e.body = std::string(text);
  return e;
}

inline std::vector<entity> parts_of(const entity& report) {
  const auto type = report.field("Content-Type");
  const auto at = type.find("boundary=\"");
  REQUIRE(at != std::string::npos);
  const auto boundary = type.substr(at + 10, type.find('"', at + 10) - at - 10);
  CHECK(boundary.size() <= 70);
  std::vector<entity> parts;
  const auto delimiter = "\r\n--" + boundary;
  auto rest = std::string_view(report.body);
  auto next = rest.find(delimiter);
  while (next != std::string_view::npos) {
    rest.remove_prefix(next + delimiter.size());
    if (rest.starts_with("--")) {
      CHECK(rest == "--\r\n");
      return parts;
    }
    REQUIRE(rest.starts_with("\r\n"));
    rest.remove_prefix(2);
    next = rest.find(delimiter);
    REQUIRE(next != std::string_view::npos);
    parts.push_back(read_entity(rest.substr(0, next)));
  }
  FAIL("no closing delimiter");
  return parts;
}

inline void check_lines(std::string_view text) {
  CHECK(text.find('\0') == std::string_view::npos);
  while (!text.empty()) {
    const auto end = text.find("\r\n");
    REQUIRE(end != std::string_view::npos);
    CHECK(end <= 998);
    CHECK(text.substr(0, end).find_first_of("\r\n") == std::string_view::npos);
    text.remove_prefix(end + 2);
  }
}

inline message::report_request ordinary_report() {
  message::report_request r;
  r.reporting_mta = "relay.example";
  r.boundary = "b0undary";
  r.original_id = queue_id{0x019AA00000000001};
  r.report_id = queue_id{0x019AA00000000002};
  r.original_arrival = wall_time(std::chrono::seconds(1795222923));
  r.now = wall_time(std::chrono::seconds(1795222983));
  r.to = smtp::parse_address("sender@client.example").value();
  auto& one = r.recipients.emplace_back();
  one.address = smtp::parse_address("joe@rcpt.example").value();
  one.status = "5.1.1";
  one.diagnostic = "550 5.1.1 <joe@rcpt.example>: no such user";
  one.remote_mta = "mx.rcpt.example";
  one.explanation = "The server mx.rcpt.example refused the recipient.";
  one.last_attempt = r.now;
  r.original_content = "From: s\r\nSubject: hello\r\n\r\nbody text\r\n";
  return r;
}

}  // namespace relais::testing
