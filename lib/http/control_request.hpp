// What a request of the control API asks for: method, target and body become one value or a refusal
// with a sentence. Pure. The API is described in docs/operations.md.
#pragma once

#include <string>
#include <string_view>
#include <variant>

#include "delivery/operations.hpp"

namespace relais::http {

struct control_request {
  enum class kind : std::uint8_t {
    status,
    list,
    show,
    content,
    order,
    destinations,
    destination_order
  };
  kind is = kind::status;
  queue_id id;                    ///< of show and content
  queue::selection which;         ///< of list and order
  std::size_t limit = 0;          ///< of list: at most so many; 0 = all
  delivery::queue_position from;  ///< of list
  delivery::queue_verb verb = delivery::queue_verb::hold;
  bool is_dry = false;
  std::string next_hop;
  delivery::destination_verb destination_verb = delivery::destination_verb::suspend;
  std::string destination;  ///< "" = all, of retry only
  bool closed_only = false;
  control_request() = default;
};

struct refusal {
  unsigned status = 400;
  std::string sentence;
  std::string allow;  ///< of 405: the methods
};

/// `target` with its query. What concerns more messages than are listed by id needs "dry_run" or
/// "confirm".
std::variant<control_request, refusal> parse_control_request(std::string_view method,
                                                             std::string_view target,
                                                             std::string_view body);

/// Adds what is said of messages: "id", "sender", "recipient", "destination", "older_than" (2h),
/// "younger_than", "larger_than" (10 MiB), "smaller_than", "held" (true, false), "reason",
/// "reason_regex", "all". The result is a sentence about a value that makes no sense; "" if it
/// does. `known` is false for other names.
std::string add_criterion(queue::selection& to, std::string_view name, std::string_view value,
                          bool& known);

/// "2f-01A1FC213F830000": what `cursor` is.
std::string to_text(const delivery::queue_position& at);

}  // namespace relais::http
