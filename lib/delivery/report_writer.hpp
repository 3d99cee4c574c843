// One report of one attempt: reads as much of the original as is returned, has the report composed,
// and makes it durable together with the states that it reports.
//
// Not here: who is told what (judgement), how many reports go to one address (report_book).
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "delivery/judgement.hpp"
#include "net/task.hpp"
#include "queue/memory_budget.hpp"

namespace relais::delivery {

struct settler_world;

/// What a report is about. Outlives its writing.
struct report_order {
  const queue::delivery_job& job;
  const std::vector<verdict>& verdicts;
  const attempt& how;
  const judgement& judged;
  const smtp::path& to;
  wall_time now;
  duration wait{};  ///< it is not to be sent before
};

class report_writer {
 public:
  /// `surroundings` outlives the writer.
  explicit report_writer(const settler_world& surroundings) : world_(surroundings) {}

  /// The id of the report, which is in the queue then. Errors: of the spool; nothing is recorded.
  net::task<result<queue_id>> write(const report_order& order, spool::state_change together_with);

 private:
  /// The message if it is not larger than `most`, else its beginning, at least the header; "" if it
  /// cannot be read now.
  net::task<std::string> read_original(const queue::queued_message& message, std::uint64_t most,
                                       queue::memory_lease& lease);
  std::string compose(const report_order& order, std::string_view original, queue_id id) const;

  const settler_world& world_;
};

}  // namespace relais::delivery
