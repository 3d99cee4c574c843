#include "http/control_request.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <charconv>
#include <utility>

#include "base/text.hpp"
#include "base/units.hpp"

namespace relais::http {

namespace {

namespace json = boost::json;
using kind = control_request::kind;
using answer = std::variant<control_request, refusal>;

constexpr std::size_t deepest_json = 8;

refusal bad(std::string sentence) {
  return {400, std::move(sentence), ""};
}

std::optional<std::string> percent_decoded(std::string_view text) {
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+') {
      plain += ' ';
    } else if (text[i] != '%') {
      plain += text[i];
    } else {
      unsigned octet = 0;
      if (i + 2 >= text.size()) return {};
      const auto* digits = text.data() + i + 1;
      const auto [end, ec] = std::from_chars(digits, digits + 2, octet, 16);
      if (ec != std::errc{} || end != digits + 2) return {};
      plain += static_cast<char>(octet);
      i += 2;
    }
  }
  return plain;
}

std::optional<delivery::queue_position> parse_position(std::string_view text) {
  const auto dash = text.find('-');
  if (dash == std::string_view::npos) return {};
  delivery::queue_position at;
  const auto part = text.substr(0, dash);
  const auto* end = part.data() + part.size();
  const auto [stop, ec] = std::from_chars(part.data(), end, at.part, 16);
  const auto id = queue_id::parse(text.substr(dash + 1));
  if (ec != std::errc{} || stop != end || !id || at.part >= spool::store::parts) return {};
  at.after = *id;
  return at;
}

/// One name and value of the query or the body; what is not a criterion is for `other`.
using taker = std::function<std::string(std::string_view, std::string_view, bool&)>;

std::string no_such(std::string_view name) {
  return "there is no \"" + printable(name) + "\" here";
}

std::string take(control_request& r, const taker& other, std::string_view name,
                 std::string_view value) {
  bool known = true;
  auto fault = add_criterion(r.which, name, value, known);
  if (known) return fault;
  known = true;
  fault = other(name, value, known);
  return known ? fault : no_such(name);
}

/// "" or a sentence.
std::string take_query(control_request& r, std::string_view query, const taker& other) {
  for (const auto pair : split(query, '&')) {
    if (pair.empty()) continue;
    const auto equals = pair.find('=');
    const auto name = percent_decoded(pair.substr(0, equals));
    const auto value = percent_decoded(equals == std::string_view::npos ? std::string_view()
                                                                        : pair.substr(equals + 1));
    if (!name || !value) return "a % of the query is not followed by two hexadecimal digits";
    if (auto fault = take(r, other, *name, *value); !fault.empty()) return fault;
  }
  return {};
}

/// A value as text; nothing for what is none.
std::optional<std::string> scalar(const json::value& v) {
  if (v.is_string()) return std::string(v.get_string());
  if (v.is_bool()) return std::string(v.get_bool() ? "true" : "false");
  if (v.is_int64()) return std::to_string(v.get_int64());
  if (v.is_uint64()) return std::to_string(v.get_uint64());
  return {};
}

std::string take_body(control_request& r, std::string_view body, const taker& other) {
  boost::system::error_code ec;
  json::parse_options options;
  options.max_depth = deepest_json;
  const auto parsed = json::parse(json::string_view(body.data(), body.size()), ec, {}, options);
  if (ec) return "the body is no JSON: " + ec.message();
  if (!parsed.is_object()) return "the body must be a JSON object";
  for (const auto& member : parsed.get_object()) {
    const std::string_view name(member.key().data(), member.key().size());
    // "ids" for people who think of lists.
    const auto known_as = name == "ids" ? std::string_view("id") : name;
    json::array one;
    const auto* values = member.value().if_array();
    if (values == nullptr) {
      one.push_back(member.value());
      values = &one;
    }
    for (const auto& v : *values) {
      const auto text = scalar(v);
      if (!text) return "\"" + printable(name) + "\" must be a text, a number, true or false";
      if (auto fault = take(r, other, known_as, *text); !fault.empty()) return fault;
    }
  }
  return {};
}

std::optional<bool> parse_bool(std::string_view text) {
  if (text == "true" || text == "1" || text == "yes") return true;
  if (text == "false" || text == "0" || text == "no") return false;
  return {};
}

std::string set_bool(std::string_view name, std::string_view value, bool& to) {
  const auto parsed = parse_bool(value);
  if (!parsed) return "\"" + std::string(name) + "\" is true or false";
  to = *parsed;
  return {};
}

answer list_request(std::string_view query) {
  control_request r;
  r.is = kind::list;
  auto fault = take_query(r, query, [&](auto name, auto value, bool& known) -> std::string {
    if (name == "limit") {
      const auto number = parse_number(value);
      if (!number) return "\"limit\" is a number";
      r.limit = static_cast<std::size_t>(*number);
      return {};
    }
    known = name == "cursor";
    if (!known) return {};
    const auto at = parse_position(value);
    if (!at) return "this is no cursor";
    r.from = *at;
    return {};
  });
  if (!fault.empty()) return bad(std::move(fault));
  return r;
}

constexpr std::pair<std::string_view, delivery::queue_verb> queue_verbs[] = {
    {"hold", delivery::queue_verb::hold},     {"release", delivery::queue_verb::release},
    {"remove", delivery::queue_verb::remove}, {"bounce", delivery::queue_verb::bounce},
    {"retry", delivery::queue_verb::retry},   {"reroute", delivery::queue_verb::reroute}};

constexpr std::pair<std::string_view, delivery::destination_verb> destination_verbs[] = {
    {"suspend", delivery::destination_verb::suspend},
    {"resume", delivery::destination_verb::resume},
    {"retry", delivery::destination_verb::retry}};

template <class Table>
auto find_verb(const Table& table, std::string_view word) {
  return std::ranges::find(table, word, [](const auto& row) { return row.first; });
}

answer order_request(delivery::queue_verb verb, std::string_view body) {
  control_request r;
  r.is = kind::order;
  r.verb = verb;
  bool confirmed = false, has_next_hop = false;
  auto fault = take_body(r, body, [&](auto name, auto value, bool& known) -> std::string {
    if (name == "dry_run") return set_bool(name, value, r.is_dry);
    if (name == "confirm") return set_bool(name, value, confirmed);
    known = name == "next_hop" && verb == delivery::queue_verb::reroute;
    if (known) r.next_hop = std::string(value);
    has_next_hop = has_next_hop || known;
    return {};
  });
  if (fault.empty() && r.which.is_empty()) {
    fault = "say which messages: \"ids\", \"all\", \"sender\"...";
  } else if (fault.empty() && verb == delivery::queue_verb::reroute && !has_next_hop) {
    fault = "\"next_hop\" is missing: where to, or \"\" for as routed";
  }
  if (!fault.empty()) return bad(std::move(fault));
  if (!r.is_dry && !confirmed && !r.which.is_explicit()) {
    return refusal{409, "more than ids: look at it with \"dry_run\": true, then \"confirm\": true",
                   ""};
  }
  return r;
}

answer destination_request(delivery::destination_verb verb, std::string_view body) {
  control_request r;
  r.is = kind::destination_order;
  r.destination_verb = verb;
  auto fault = take_body(r, body, [](auto, auto, bool& known) {
    known = false;
    return std::string();
  });
  // The words are those of a selection; here only these two make sense.
  const bool named = r.which.destinations.size() == 1;
  const bool all = std::exchange(r.which.all, false);
  if (named) r.destination = std::exchange(r.which.destinations, {}).front();
  if (fault.empty() && !r.which.is_empty())
    fault = "only \"destination\" and \"all\" are known here";
  if (fault.empty() && named == all) fault = "give one \"destination\"";
  if (fault.empty() && all && verb != delivery::destination_verb::retry) {
    fault = "\"all\" is for retry only";
  }
  if (!fault.empty()) return bad(std::move(fault));
  return r;
}

answer message_request(std::string_view rest) {
  control_request r;
  r.is = kind::show;
  constexpr std::string_view content = "/content";
  if (rest.ends_with(content)) {
    r.is = kind::content;
    rest.remove_suffix(content.size());
  }
  const auto id = queue_id::parse(rest);
  if (!id) return refusal{404, "no such message", ""};
  r.id = *id;
  return r;
}

answer get(std::string_view path, std::string_view query) {
  control_request r;
  if (path == "/v1/status") return r;
  if (path == "/v1/queue") return list_request(query);
  constexpr std::string_view message = "/v1/queue/";
  if (path.starts_with(message)) return message_request(path.substr(message.size()));
  if (path != "/v1/destinations") return refusal{404, "there is no such thing", ""};
  r.is = kind::destinations;
  auto fault = take_query(r, query, [&](auto name, auto value, bool& known) -> std::string {
    known = name == "closed";
    return known ? set_bool(name, value, r.closed_only) : std::string();
  });
  if (fault.empty() && !r.which.is_empty()) fault = "only \"closed\" is known here";
  if (!fault.empty()) return bad(std::move(fault));
  return r;
}

/// The verb behind `folder` in the path, "" if it is elsewhere.
std::string_view verb_in(std::string_view path, std::string_view folder) {
  return path.starts_with(folder) ? path.substr(folder.size()) : std::string_view();
}

}  // namespace

std::string add_criterion(queue::selection& to, std::string_view name, std::string_view value,
                          bool& known) {
  known = true;
  if (name == "id") {
    const auto id = queue_id::parse(value);
    if (!id) return "\"" + printable(value) + "\" is no queue id";
    to.ids.push_back(*id);
  } else if (name == "sender") {
    to.senders.emplace_back(value);
  } else if (name == "recipient") {
    to.recipients.emplace_back(value);
  } else if (name == "destination") {
    to.destinations.emplace_back(value);
  } else if (name == "older_than" || name == "younger_than") {
    const auto age = parse_duration(value);
    if (!age) return "\"" + printable(value) + "\" is no time: 90s, 5m, 2h30m, 1d";
    (name == "older_than" ? to.older : to.younger) = *age;
  } else if (name == "larger_than" || name == "smaller_than") {
    const auto size = parse_byte_size(value);
    if (!size) return "\"" + printable(value) + "\" is no size: 5000, 100 KiB, 10 MiB";
    (name == "larger_than" ? to.larger : to.smaller) = size->bytes;
  } else if (name == "held") {
    bool held = false;
    auto fault = set_bool(name, value, held);
    if (!fault.empty()) return fault;
    to.held = held;
  } else if (name == "all") {
    return set_bool(name, value, to.all);
  } else if (name == "reason" || name == "reason_regex") {
    if (!to.reason.empty()) return "one reason is enough";
    to.reason = std::string(value);
    to.reason_is_regex = name == "reason_regex";
  } else {
    known = false;
  }
  return {};
}

std::string to_text(const delivery::queue_position& at) {
  return fmt::format("{:x}-{}", at.part, at.after.text());
}

std::variant<control_request, refusal> parse_control_request(std::string_view method,
                                                             std::string_view target,
                                                             std::string_view body) {
  const auto mark = target.find('?');
  const auto path = target.substr(0, mark);
  const auto query = mark == std::string_view::npos ? std::string_view() : target.substr(mark + 1);
  const auto queue_verb = find_verb(queue_verbs, verb_in(path, "/v1/queue/"));
  const auto of_destination = find_verb(destination_verbs, verb_in(path, "/v1/destinations/"));
  const bool is_order =
      queue_verb != std::end(queue_verbs) || of_destination != std::end(destination_verbs);
  if (is_order) {
    if (method != "POST") return refusal{405, "only POST", "POST"};
    if (queue_verb != std::end(queue_verbs)) return order_request(queue_verb->second, body);
    return destination_request(of_destination->second, body);
  }
  auto found = get(path, query);
  if (method == "GET" ||
      (std::holds_alternative<refusal>(found) && std::get<refusal>(found).status == 404)) {
    return found;
  }
  return refusal{405, "only GET", "GET"};
}

}  // namespace relais::http
