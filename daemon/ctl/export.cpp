// relaisctl spool export: every message as files that any mail program understands.
#include <fmt/format.h>

#include "daemon/ctl/export_directory.hpp"
#include "daemon/ctl/offline_spool.hpp"
#include "daemon/ctl/output.hpp"
#include "daemon/ctl/render.hpp"
#include "daemon/ctl/spool_verbs.hpp"

namespace relais::ctl {
namespace {

constexpr std::size_t piece_size = 256 << 10;

/// The content from the spool into a file of its own; the file is there only if it is good.
error_code export_content(spool::store& store, queue_id id, export_directory& target) {
  const auto reader = store.open_content(id);
  if (!reader) return reader.error();
  target.begin(id.text() + ".eml");
  for (;;) {
    const auto piece = (*reader)->next(piece_size);
    if (!piece) {
      target.abandon();
      return piece.error();
    }
    if (piece->empty()) break;
    target.write(*piece);
  }
  target.finish();
  return {};
}

}  // namespace

exit_code export_to(const context& where, const std::string& target_name) {
  offline_spool spool(where.directory);
  export_directory target(target_name);
  std::uint64_t exported = 0;
  std::uint64_t damaged = 0;
  for (const auto& message : spool.messages()) {
    if (const auto error = export_content(spool.store(), message.id, target)) {
      warn(message.id.text() + ": not exported: " + error.message());
      ++damaged;
      continue;
    }
    // Last: whoever sees the envelope has the whole message.
    target.begin(message.id.text() + ".json");
    target.write(http::to_line(http::to_object(message)) + "\n");
    target.finish();
    ++exported;
  }
  target.sync();
  const auto sentence = where.json
                            ? fmt::format("{{\"exported\":{},\"damaged\":{}}}\n", exported, damaged)
                            : fmt::format("{} message{} exported to {}\n", exported,
                                          exported == 1 ? "" : "s", target_name);
  put(sentence);
  finish_output();
  return damaged == 0 ? exit_code::ok : exit_code::data_error;
}

}  // namespace relais::ctl
