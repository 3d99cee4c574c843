// What `relaisctl route test` says to people: a word, then what there is to say about it.
#include <algorithm>
#include <string>

#include "base/text.hpp"
#include "base/units.hpp"
#include "daemon/ctl/route_explanation.hpp"

namespace relais::ctl {
namespace {

constexpr std::size_t column = 12, most_passed = 100;

class page {
 public:
  /// A line of the part `word`; the word stands only before its first line.
  void add(std::string_view word, const std::string& line) {
    text_ += word == last_ ? std::string(column, ' ')
                           : std::string(word) + std::string(column - word.size(), ' ');
    text_ += printable(line, 2000) + '\n';
    last_ = word;
  }
  std::string take() { return std::move(text_); }

 private:
  std::string text_;
  std::string_view last_;
};

std::string named(const std::string& name, const std::string& place) {
  return place.empty() ? name : name + " (" + place + ')';
}

std::string joined(const std::vector<std::string>& words) {
  std::string line;
  for (const auto& word : words) line += (line.empty() ? "" : ", ") + word;
  return line;
}

void add_question(page& to, const route_question& q) {
  to.add("to", q.to.text());
  to.add("from", q.from.is_null() ? "<>" : q.from.text());
  if (!q.user.empty()) to.add("user", q.user);
  if (!q.listener.empty()) to.add("listener", q.listener);
}

void add_passed(page& to, const route_explanation& found) {
  for (std::size_t i = 0; i < std::min(found.passed.size(), most_passed); ++i) {
    const auto& row = found.passed[i];
    to.add("passed over", named(row.name, row.place) + ": " + row.mismatch + " do not match");
  }
  if (found.passed.size() > most_passed) {
    to.add("passed over", std::to_string(found.passed.size() - most_passed) + " more");
  }
}

void add_tls(page& to, const route_explanation& found) {
  const auto& tls = found.tls;
  to.add("TLS", std::string(level_name(tls.level)) + " (" + tls.source + ')');
  if (!tls.verify_names.empty()) to.add("TLS", "to one of: " + joined(tls.verify_names));
  for (const auto& one : tls.fingerprints) to.add("TLS", "certificate " + one);
  if (!found.way.tls_certificate.empty()) {
    to.add("TLS", "with the certificate of " + found.way.tls_certificate);
  }
}

void add_limits(page& to, const policy::route& way) {
  to.add("limits", std::to_string(way.concurrency) + " connections, " +
                       std::to_string(way.initial_concurrency) + " at first, " +
                       std::to_string(way.messages_per_connection) + " messages over each");
  const auto window = " in " + relais::to_text(way.rate_window);
  if (way.messages != 0) to.add("limits", std::to_string(way.messages) + " messages" + window);
  if (way.connections != 0) {
    to.add("limits", std::to_string(way.connections) + " connections" + window);
  }
}

void add_attempts(page& to, const attempt_times& times) {
  std::string line = "at once";
  for (std::size_t i = 1; i < times.at.size(); ++i) {
    line += (i == 1 ? ", after " : ", ") + relais::to_text(times.at[i]);
  }
  if (times.then_every != duration{0}) {
    line += ", then every " + relais::to_text(times.then_every) + " until " +
            relais::to_text(times.lifetime);
  }
  to.add("attempts", line + "; then it goes back");
}

void add_hosts(page& to, std::string_view word, const std::vector<host_answer>& answers) {
  for (const auto& answer : answers) {
    auto rank = "preference " + std::to_string(answer.at.preference) + ", weight " +
                std::to_string(answer.at.weight);
    to.add(word, answer.at.text() + ", " + rank);
    for (const auto& host : answer.found.hosts) {
      const auto mx = answer.at.lookup_mx ? std::to_string(host.preference) + ' ' : std::string();
      to.add(word, "  " + mx + host.name + '[' + host.address.text() +
                       "]:" + std::to_string(answer.at.port));
    }
    for (const auto& refused : answer.refused) {
      to.add(word, "  never " + refused.address.text() + ": " + refused.why);
    }
    if (!answer.found.reason.empty()) to.add(word, "  " + answer.found.reason);
  }
}

void add_way(page& to, const route_explanation& found) {
  const auto& way = found.way;
  to.add("next hop", found.next_hop + (way.is_lmtp ? " by LMTP" : ""));
  add_tls(to, found);
  if (way.login) to.add("login", way.login->username);
  if (way.source_ipv4) to.add("source", way.source_ipv4->text());
  if (way.source_ipv6) to.add("source", way.source_ipv6->text());
  to.add("hello", way.hello);
  add_limits(to, way);
  add_attempts(to, found.attempts);
  add_hosts(to, "hosts", found.hosts);
  if (found.fallback.empty()) return;
  std::string when;
  if (way.fallback_attempts != 0) {
    when = " behind " + std::to_string(way.fallback_attempts) + " failed attempts";
  }
  if (way.fallback_time != duration{}) {
    when += (when.empty() ? " after " : " or after ") + relais::to_text(way.fallback_time);
  }
  to.add("fallback", found.fallback + when);
  add_hosts(to, "fallback", found.fallback_hosts);
}

}  // namespace

std::string to_text(const route_explanation& found) {
  const auto& way = found.way;
  page to;
  add_question(to, found.question);
  add_passed(to, found);
  to.add("route", named(way.name, way.place.text()));
  switch (way.action) {
    case config::route_action::relay: add_way(to, found); break;
    case config::route_action::discard: to.add("action", "discard: it is dropped"); break;
    case config::route_action::hold:
      to.add("action", "hold: it is kept until relaisctl releases it");
      break;
    case config::route_action::error:
      to.add("action", "error: it goes back to its sender, " + way.status + ' ' + way.text);
      break;
  }
  return to.take();
}

}  // namespace relais::ctl
