#include "daemon/ctl/queue_verbs.hpp"

#include <algorithm>
#include <iostream>

#include "base/queue_id.hpp"
#include "base/text.hpp"
#include "daemon/ctl/json_fields.hpp"
#include "daemon/ctl/output.hpp"
#include "daemon/ctl/render.hpp"

namespace relais::ctl {
namespace {

namespace json = boost::json;

// A longer list is shown in the order in which it comes.
constexpr std::size_t most_sorted = 100'000;

struct found_queue {
  std::unique_ptr<queue_access> access;
  bool is_of_daemon = false;
};

found_queue open_queue(const context& where) {
  found_queue found;
  if (!where.control_socket.empty()) found.access = queue_of_daemon(where.control_socket);
  found.is_of_daemon = found.access != nullptr;
  if (found.is_of_daemon) return found;
  try {
    found.access = queue_of_spool(where.directory, where.settings);
  } catch (const failure& e) {
    if (e.code() != exit_code::temporary || where.control_socket.empty()) throw;
    throw failure(e.code(), std::string(e.what()) + ", or let it listen: nobody answers at " +
                                where.control_socket);
  }
  return found;
}

/// Entries oldest first, as far as memory allows: the daemon gives them in no order.
class sorted_output {
 public:
  explicit sorted_output(std::function<void(std::string_view)> print) : print_(std::move(print)) {}
  void add(std::string id, std::string entry) {
    entries_.emplace_back(std::move(id), std::move(entry));
    if (entries_.size() >= most_sorted) flush();
  }
  void flush() {
    std::ranges::sort(entries_);
    for (const auto& [id, entry] : entries_) print_(entry);
    entries_.clear();
  }

 private:
  std::function<void(std::string_view)> print_;
  std::vector<std::pair<std::string, std::string>> entries_;
};

criteria criteria_of(const selection& which, const std::vector<std::string>& ids) {
  auto all = which.which;
  for (const auto& id : ids) all.emplace_back("id", id);
  if (which.all) all.emplace_back("all", "true");
  return all;
}

std::vector<std::string> ids_of(const selection& which) {
  if (which.ids != std::vector<std::string>{"-"}) return which.ids;
  std::vector<std::string> ids;
  for (std::string line; std::getline(std::cin, line);) {
    const auto id = trimmed(line);
    if (!id.empty()) ids.emplace_back(id);
  }
  return ids;
}

/// Prints outcomes, and remembers what the exit code depends on.
class outcome_printer {
 public:
  outcome_printer(bool as_json, bool is_quiet) : json_(as_json), quiet_(is_quiet) {}

  void take(const json::object& o) {
    ++count_;
    if (flag_of(o, "known")) ++known_;
    if (!flag_of(o, "known") && worst_ == exit_code::ok) worst_ = exit_code::no_input;
    if (flag_of(o, "failed")) worst_ = exit_code::io_error;
    if (json_) put(array_.next(http::to_line(o)));
    if (!json_ && !quiet_) put(outcome_line(o));
  }

  void take_unknown(const std::string& id) {
    json::object o;
    o["id"] = id;
    o["known"] = o["changed"] = o["failed"] = o["in_hand"] = false;
    o["outcome"] = "no such message";
    take(o);
  }

  void end() {
    if (json_) put(array_.end());
    if (!json_ && count_ == 0) put(list_summary(0, 0));
    finish_output();
  }

  std::uint64_t known() const noexcept { return known_; }
  exit_code worst() const noexcept { return worst_; }

 private:
  bool json_;
  bool quiet_;
  json_array array_;
  std::uint64_t count_ = 0, known_ = 0;
  exit_code worst_ = exit_code::ok;
};

}  // namespace

exit_code list(const context& where, const selection& which) {
  const auto queue = open_queue(where);
  std::uint64_t messages = 0, octets = 0;
  json_array array;
  sorted_output output([&](std::string_view entry) {
    if (where.json) return put(array.next(entry));
    put(entry);
  });
  queue.access->list(criteria_of(which, which.ids), [&](json::object m) {
    if (messages++ == 0 && !where.json) put(list_heading());
    octets += number_of(m, "size");
    output.add(text_of(m, "id"), where.json ? http::to_line(m) : list_entry(m));
  });
  output.flush();
  put(where.json ? array.end() : list_summary(messages, octets));
  finish_output();
  return exit_code::ok;
}

exit_code show(const context& where, const std::string& id) {
  const auto message = open_queue(where).access->show(id);
  put(where.json ? http::to_line(message) + "\n" : details(message));
  finish_output();
  return exit_code::ok;
}

exit_code cat(const context& where, const std::string& id) {
  const auto queue = open_queue(where);
  try {
    queue.access->cat(id, [](std::string_view octets) { put(octets); });
  } catch (...) {
    finish_output();
    throw;
  }
  finish_output();
  return exit_code::ok;
}

exit_code apply(const context& where, delivery::queue_verb verb, const selection& which,
                const std::string& next_hop) {
  const auto queue = open_queue(where);
  const auto typed = ids_of(which);
  outcome_printer output(where.json, false);
  std::vector<std::string> ids;
  for (const auto& id : typed) {
    if (queue_id::parse(id))
      ids.push_back(id);
    else
      output.take_unknown(id);
  }
  queue_order order;
  order.verb = verb;
  order.which = criteria_of(which, ids);
  order.next_hop = next_hop;
  const bool only_ids = !which.all && which.which.empty();
  const bool is_preview = !only_ids && !which.confirmed;
  order.is_dry = which.dry_run || is_preview;
  // With ids of which none is one, nothing is left to ask for.
  if (!only_ids || !ids.empty()) {
    queue.access->carry_out(order, [&](const json::object& o) { output.take(o); });
  }
  output.end();
  if (is_preview && !which.dry_run && output.known() > 0) {
    throw failure(exit_code::usage, "nothing was done: that needs --yes as well");
  }
  if (!queue.is_of_daemon && !order.is_dry && !where.control_socket.empty()) {
    warn("relaisd is not running: the spool itself was changed");
  }
  return output.worst();
}

}  // namespace relais::ctl
