// relaisctl spool check: what the spool library finds when it reads every octet.
#include "spool/check.hpp"

#include <fmt/format.h>

#include "base/text.hpp"
#include "daemon/ctl/offline_spool.hpp"
#include "daemon/ctl/output.hpp"
#include "daemon/ctl/render.hpp"
#include "daemon/ctl/spool_verbs.hpp"

namespace relais::ctl {
namespace {

std::string figures(const spool::check_report& r) {
  auto text = fmt::format(
      "segments     {} in use with {} octets, {} free\n"
      "checkpoints  {}\n"
      "records      {}\n"
      "messages     {}, {} of them in files of their own\n",
      r.segments, r.octets, r.free_segments, r.checkpoints, r.records, r.messages, r.large_files);
  if (r.unfinished > 0) {
    text += fmt::format("unfinished   {}, never acknowledged and no damage\n", r.unfinished);
  }
  text += r.damaged == 0 ? "no damage found\n" : fmt::format("{} DAMAGED\n", r.damaged);
  return text;
}

std::string json_figures(const spool::check_report& r, const std::string& complaints) {
  return fmt::format(
      R"({{"segments":{},"free_segments":{},"checkpoints":{},"records":{},"messages":{},)"
      R"("octets":{},"large_files":{},"unfinished":{},"damaged":{},"complaints":{}}})"
      "\n",
      r.segments, r.free_segments, r.checkpoints, r.records, r.messages, r.octets, r.large_files,
      r.unfinished, r.damaged, complaints);
}

}  // namespace

exit_code check(const context& where) {
  const auto disk = open_spool_disk(where.directory);
  json_array complaints;
  std::string listed;
  const auto report = spool::check_spool(*disk, [&](const std::string& sentence) {
    if (where.json) {
      listed += complaints.next(json_string(sentence));
    } else {
      put(printable(sentence, 4096) + "\n");
    }
  });
  if (!report) {
    throw failure(exit_code_of(report.error()),
                  "the spool " + where.directory + " cannot be read: " + report.error().message());
  }
  put(where.json ? json_figures(*report, listed + complaints.end()) : figures(*report));
  finish_output();
  return report->damaged == 0 ? exit_code::ok : exit_code::data_error;
}

}  // namespace relais::ctl
