// What `relaisctl route test --json` says. Times are seconds; what there is not is null.
#include <chrono>
#include <string>

#include "daemon/ctl/render.hpp"
#include "daemon/ctl/route_explanation.hpp"

namespace relais::ctl {
namespace {

constexpr std::string_view null = "null";

/// Values are JSON already.
class json_object {
 public:
  json_object& add(std::string_view key, const std::string& value) {
    text_ += (text_.size() > 1 ? ", " : "") + json_string(key) + ": " + value;
    return *this;
  }
  std::string text() const { return text_ + '}'; }

 private:
  std::string text_ = "{";
};

std::string array_of(const auto& items, const auto& shown) {
  std::string text = "[";
  for (const auto& item : items) text += (text.size() > 1 ? ", " : "") + shown(item);
  return text + ']';
}

std::string strings(const std::vector<std::string>& items) {
  return array_of(items, [](const std::string& one) { return json_string(one); });
}

std::string or_null(std::string_view text) {
  return text.empty() ? std::string(null) : json_string(text);
}

std::string seconds(duration time) {
  const auto whole = std::chrono::duration_cast<std::chrono::milliseconds>(time).count();
  auto text = std::to_string(whole / 1000);
  if (whole % 1000 != 0) text += '.' + std::to_string(1000 + whole % 1000).substr(1);
  return text;
}

std::string address(const std::optional<ip_address>& at) {
  return at ? json_string(at->text()) : std::string(null);
}

std::string hosts(const std::vector<host_answer>& answers) {
  return array_of(answers, [](const host_answer& a) {
    const auto found = array_of(a.found.hosts, [&](const dns::host& h) {
      return json_object()
          .add("name", json_string(h.name))
          .add("address", json_string(h.address.text()))
          .add("port", std::to_string(a.at.port))
          .add("preference", a.at.lookup_mx ? std::to_string(h.preference) : std::string(null))
          .text();
    });
    const auto refused = array_of(a.refused, [](const refused_address& r) {
      return json_object()
          .add("address", json_string(r.address.text()))
          .add("why", json_string(r.why))
          .text();
    });
    return json_object()
        .add("host", json_string(a.at.text()))
        .add("preference", std::to_string(a.at.preference))
        .add("weight", std::to_string(a.at.weight))
        .add("addresses", found)
        .add("refused", refused)
        .add("fault", or_null(fault_name(a.found.fault)))
        .add("reason", or_null(a.found.reason))
        .text();
  });
}

std::string tls(const route_explanation& found) {
  return json_object()
      .add("level", json_string(level_name(found.tls.level)))
      .add("source", json_string(found.tls.source))
      .add("verify_names", strings(found.tls.verify_names))
      .add("fingerprints", strings(found.tls.fingerprints))
      .add("certificate", or_null(found.way.tls_certificate))
      .text();
}

std::string limits(const policy::route& way) {
  return json_object()
      .add("concurrency", std::to_string(way.concurrency))
      .add("initial_concurrency", std::to_string(way.initial_concurrency))
      .add("messages_per_connection", std::to_string(way.messages_per_connection))
      .add("messages", std::to_string(way.messages))
      .add("connections", std::to_string(way.connections))
      .add("rate_window", seconds(way.rate_window))
      .text();
}

std::string attempts(const attempt_times& times) {
  return json_object()
      .add("at", array_of(times.at, seconds))
      .add("then_every",
           times.then_every == duration{0} ? std::string(null) : seconds(times.then_every))
      .add("lifetime", seconds(times.lifetime))
      .text();
}

std::string fallback(const route_explanation& found) {
  if (found.fallback.empty()) return std::string(null);
  return json_object()
      .add("next_hop", json_string(found.fallback))
      .add("attempts", std::to_string(found.way.fallback_attempts))
      .add("time", seconds(found.way.fallback_time))
      .add("hosts", hosts(found.fallback_hosts))
      .text();
}

void add_way(json_object& to, const route_explanation& found) {
  const auto& way = found.way;
  to.add("protocol", json_string(way.is_lmtp ? "lmtp" : "smtp"))
      .add("tls", tls(found))
      .add("login", way.login ? json_string(way.login->username) : std::string(null))
      .add("source_ipv4", address(way.source_ipv4))
      .add("source_ipv6", address(way.source_ipv6))
      .add("hello", json_string(way.hello))
      .add("limits", limits(way))
      .add("attempts", attempts(found.attempts))
      .add("hosts", hosts(found.hosts))
      .add("fallback", fallback(found));
}

}  // namespace

std::string to_json(const route_explanation& found) {
  const auto& q = found.question;
  const auto& way = found.way;
  const auto passed = array_of(found.passed, [](const route_explanation::passed_over& row) {
    return json_object()
        .add("route", json_string(row.name))
        .add("place", or_null(row.place))
        .add("mismatch", json_string(row.mismatch))
        .text();
  });
  json_object to;
  to.add("to", json_string(q.to.text()))
      .add("from", json_string(q.from.text()))
      .add("user", or_null(q.user))
      .add("listener", or_null(q.listener))
      .add("passed", passed)
      .add("route", json_string(way.name))
      .add("place", or_null(way.place.text()))
      .add("action", json_string(action_name(way.action)))
      .add("status", or_null(way.status))
      .add("text", or_null(way.text))
      .add("next_hop", json_string(found.next_hop));
  if (way.action == config::route_action::relay) add_way(to, found);
  return to.text();
}

}  // namespace relais::ctl
