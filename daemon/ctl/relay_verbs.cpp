#include "daemon/ctl/relay_verbs.hpp"

#include <algorithm>

#include "daemon/ctl/control_client.hpp"
#include "daemon/ctl/json_fields.hpp"
#include "daemon/ctl/output.hpp"
#include "daemon/ctl/render.hpp"

namespace relais::ctl {
namespace {

namespace json = boost::json;

std::unique_ptr<control_client> daemon_of(const context& where) {
  if (where.control_socket.empty()) {
    throw failure(exit_code::unavailable, "where relaisd listens is said by --config or --socket");
  }
  auto client = control_client::connect(where.control_socket);
  if (client) return client;
  throw failure(exit_code::unavailable,
                "relaisd is not running: nobody answers at " + where.control_socket);
}

std::uint64_t mail_of(const json::object& destination) {
  return number_of(destination, "ready") + number_of(destination, "waiting") +
         number_of(destination, "stalled") + number_of(destination, "in_hand");
}

}  // namespace

exit_code status(const context& where, duration oldest) {
  const auto state = daemon_of(where)->ask("/v1/status", "");
  const auto now = system_clocks().wall();
  put(where.json ? http::to_line(state) + "\n" : status_text(state, now));
  finish_output();
  const auto since = parse_rfc3339(text_of(object_of(state, "queue"), "oldest"));
  const bool waits_long = since && now - *since > oldest;
  return flag_of(state, "ready") && !waits_long ? exit_code::ok : exit_code::trouble;
}

exit_code destinations(const context& where, bool closed_only) {
  std::vector<std::pair<std::uint64_t, std::string>> lines;
  json_array array;
  const std::string target = closed_only ? "/v1/destinations?closed=true" : "/v1/destinations";
  daemon_of(where)->ask(target, "", [&](const json::object& d) {
    if (where.json) return put(array.next(http::to_line(d)));
    lines.emplace_back(mail_of(d), destination_line(d));
  });
  if (where.json) put(array.end());
  if (!lines.empty()) put(destinations_heading());
  std::ranges::sort(lines, std::ranges::greater(), [](const auto& l) { return l.first; });
  for (const auto& [mail, line] : lines) put(line);
  if (!where.json && lines.empty()) put("No destinations\n");
  finish_output();
  return exit_code::ok;
}

exit_code order_destination(const context& where, const std::string& verb,
                            const std::string& destination) {
  json::object body;
  body["destination"] = destination;
  json_array array;
  bool has_heading = false;
  daemon_of(where)->ask("/v1/destinations/" + verb, json::serialize(body),
                        [&](const json::object& d) {
                          if (where.json) return put(array.next(http::to_line(d)));
                          if (!has_heading) put(destinations_heading());
                          has_heading = true;
                          put(destination_line(d));
                        });
  if (where.json) put(array.end());
  finish_output();
  return exit_code::ok;
}

exit_code flush(const context& where) {
  daemon_of(where)->ask("/v1/destinations/retry", R"({"all":true})");
  if (where.json) put("{}\n");
  finish_output();
  return exit_code::ok;
}

}  // namespace relais::ctl
