#include "bench/report.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "bench/targets.hpp"

namespace relais::bench {
namespace {

using row = std::vector<std::string>;

std::string joined(const std::vector<row>& rows, bool markdown) {
  std::vector<std::size_t> widths(rows.front().size(), 0);
  for (const auto& r : rows) {
    for (std::size_t i = 0; i < r.size(); ++i) widths[i] = std::max(widths[i], r[i].size());
  }
  const auto edge = markdown ? std::string_view("| ") : std::string_view();
  std::string text;
  for (std::size_t n = 0; n < rows.size(); ++n) {
    for (std::size_t i = 0; i < rows[n].size(); ++i) {
      const auto gap = i == 0 ? edge : std::string_view(markdown ? " | " : "  ");
      text += fmt::format("{}{:{}}", gap, rows[n][i], widths[i]);
    }
    text += markdown ? " |\n" : "\n";
    if (n > 0) continue;
    for (std::size_t i = 0; i < widths.size(); ++i) {
      const auto gap = i == 0 ? (markdown ? "|-" : "") : (markdown ? "-|-" : "  ");
      text += fmt::format("{}{:-<{}}", gap, "", widths[i]);
    }
    text += markdown ? "-|\n" : "\n";
  }
  return text + "\n";
}

std::string value_of(const measure& m, const char* name) {
  const auto found = m.values.find(name);
  return found == m.values.end() ? "" : spelled(found->second);
}

std::string ratio_of(const measure& m) {
  return m.ratio > 0 ? fmt::format("{:.0f} %", m.ratio * 100) : "";
}

std::string raw_of(const measure& m) {
  if (m.raw_octets == 0) return "";
  return fmt::format("{} KiB: {}/s", spelled(m.raw_octets / 1024), spelled(m.raw_rate));
}

/// The cases that consist of messages and their acknowledgements.
std::string rates_table(const std::vector<measure>& measures, bool markdown) {
  std::vector<row> rows{{"case", "per s", "MB/s", "batch", "p50 ms", "p99 ms", "p99.9 ms", "max ms",
                         "CPU us", "without load", "written", "device", "flushes/batch",
                         "raw probe", "ratio"}};
  for (const auto& m : measures) {
    if (!m.values.contains("rate")) continue;
    rows.push_back({m.title, value_of(m, "rate"), value_of(m, "mb_per_s"),
                    value_of(m, "messages_per_batch"), value_of(m, "p50_ms"), value_of(m, "p99_ms"),
                    value_of(m, "p999_ms"), value_of(m, "max_ms"), value_of(m, "cpu_us"),
                    value_of(m, "cpu_net_us"), value_of(m, "written"), value_of(m, "device"),
                    value_of(m, "flushes_per_batch"), raw_of(m), ratio_of(m)});
  }
  return rows.size() == 1 ? "" : joined(rows, markdown);
}

/// Everything else that a case has to say, one figure a line.
std::string details(const std::vector<measure>& measures, bool markdown) {
  constexpr std::string_view shown[] = {
      "rate",          "mb_per_s",   "p50_ms",  "p99_ms", "p999_ms",           "max_ms",
      "cpu_us",        "cpu_net_us", "written", "device", "flushes_per_batch", "messages_per_batch",
      "device_writes", "flushes"};
  std::vector<row> rows{{"case", "figure", "value"}};
  for (const auto& m : measures) {
    for (const auto& [name, value] : m.values) {
      if (std::ranges::find(shown, name) != std::ranges::end(shown)) continue;
      rows.push_back({m.title, name, spelled(value)});
    }
    if (!m.note.empty()) rows.push_back({m.title, "note", m.note});
  }
  return rows.size() == 1 ? "" : joined(rows, markdown);
}

double scaled_limit(const target& t, const measure& m) {
  if (t.scale == scaled_by::nothing || m.raw_octets == 0) return t.limit;
  const auto faster = m.raw_rate / raw_rate_at(m.raw_octets, reference_rates);
  return t.scale == scaled_by::rate ? t.limit * faster : t.limit / faster;
}

std::string met(const target& t, double value, double limit) {
  return (t.at_least ? value >= limit : value <= limit) ? "yes" : "NO";
}

std::string targets_table(const std::vector<measure>& measures, bool markdown) {
  std::vector<row> rows{{"case", "figure", "measured", "raw probe of the run", "ratio",
                         "target for this raw probe", "met", "target as set", "met as set"}};
  for (const auto& t : all_targets()) {
    const auto m = std::ranges::find(measures, t.case_id, &measure::id);
    if (m == measures.end()) continue;
    const auto value = m->values.find(std::string(t.value));
    if (value == m->values.end()) continue;
    const auto sign = t.at_least ? ">=" : "<=";
    const auto limit = scaled_limit(t, *m);
    rows.push_back({m->title, std::string(t.value),
                    fmt::format("{} {}", spelled(value->second), t.unit), raw_of(*m),
                    t.scale == scaled_by::rate ? ratio_of(*m) : "",
                    fmt::format("{} {}", sign, spelled(limit)), met(t, value->second, limit),
                    fmt::format("{} {}", sign, spelled(t.limit)), met(t, value->second, t.limit)});
  }
  return rows.size() == 1 ? "" : joined(rows, markdown);
}

std::string heading(const char* text, bool markdown) {
  return fmt::format("{}{}\n\n", markdown ? "### " : "", text);
}

}  // namespace

std::string spelled(double value) {
  const auto size = std::abs(value);
  if (size >= 1e12 || std::isnan(value)) return fmt::format("{:.3g}", value);
  if (size < 1000) {
    // Three digits, and no zeroes behind the point that were not measured.
    const int digits = size >= 100 ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : 3;
    return size == std::floor(size) ? fmt::format("{:.0f}", value)
                                    : fmt::format("{:.{}f}", value, digits);
  }
  auto text = fmt::format("{:.0f}", value);
  const auto sign = static_cast<std::size_t>(value < 0);
  for (auto at = text.size(); at > 3 + sign; at -= 3) text.insert(at - 3, 1, ',');
  return text;
}

void report::add(measure m) {
  fmt::print(stderr, "{:38}", m.title);
  for (const auto* name : {"rate", "p50_ms", "p99_ms", "max_ms", "cpu_us", "written", "device"}) {
    if (m.values.contains(name)) fmt::print(stderr, "  {} {}", name, value_of(m, name));
  }
  if (!m.values.contains("rate")) {
    for (const auto& [name, value] : m.values) fmt::print(stderr, "  {} {}", name, spelled(value));
  }
  fmt::print(stderr, "  {} {}\n", raw_of(m), ratio_of(m));
  measures_.push_back(std::move(m));
}

const measure* report::find(const std::string& id) const {
  const auto found = std::ranges::find(measures_, id, &measure::id);
  return found == measures_.end() ? nullptr : &*found;
}

std::string report::tables(bool markdown) const {
  std::string text;
  const auto section = [&](const char* title, const std::string& table) {
    if (!table.empty()) text += heading(title, markdown) + table;
  };
  section("Rates", rates_table(measures_, markdown));
  section("Details", details(measures_, markdown));
  section("Targets", targets_table(measures_, markdown));
  return text;
}

std::string report::json() const {
  // All strings here are our own and need no escapes.
  std::string text = "{\n  \"cases\": [\n";
  for (const auto& m : measures_) {
    text += fmt::format("    {{\"id\": \"{}\", \"title\": \"{}\"", m.id, m.title);
    if (m.raw_octets > 0) {
      text += fmt::format(", \"raw_octets\": {}, \"raw_rate\": {:.1f}", m.raw_octets, m.raw_rate);
    }
    if (m.ratio > 0) text += fmt::format(", \"ratio\": {:.4f}", m.ratio);
    for (const auto& [name, value] : m.values) text += fmt::format(", \"{}\": {:.6g}", name, value);
    text += &m == &measures_.back() ? "}\n" : "},\n";
  }
  return text + "  ]\n}\n";
}

}  // namespace relais::bench
