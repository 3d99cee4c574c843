#include "daemon/ctl/queue_verbs.hpp"

#include "base/text.hpp"
#include "daemon/ctl/offline_spool.hpp"
#include "daemon/ctl/output.hpp"
#include "daemon/ctl/render.hpp"

namespace relais::ctl {
namespace {

constexpr std::size_t piece_size = 256 << 10;

const spool::stored_message& wanted(const offline_spool& spool, const std::string& text) {
  const auto id = queue_id::parse(text);
  const auto* message = id ? spool.find(*id) : nullptr;
  if (message == nullptr) throw failure(exit_code::no_input, text + ": no such message");
  return *message;
}

}  // namespace

exit_code list(const context& where) {
  const offline_spool spool(where.directory);
  if (where.json) {
    json_array array;
    for (const auto& message : spool.messages()) put(array.next(to_json(message)));
    put(array.end());
    finish_output();
    return exit_code::ok;
  }
  std::uint64_t octets = 0;
  if (!spool.messages().empty()) put(list_heading());
  for (const auto& message : spool.messages()) {
    put(list_entry(message));
    octets += message.content_size;
  }
  put(list_summary(spool.messages().size(), octets));
  finish_output();
  return exit_code::ok;
}

exit_code show(const context& where, const std::string& id) {
  const offline_spool spool(where.directory);
  const auto& message = wanted(spool, id);
  put(where.json ? to_json(message) + "\n" : details(message));
  finish_output();
  return exit_code::ok;
}

exit_code cat(const context& where, const std::string& id) {
  offline_spool spool(where.directory);
  const auto& message = wanted(spool, id);
  const auto reader = spool.store().open_content(message.id);
  auto error = reader ? error_code{} : reader.error();
  while (!error) {
    const auto piece = (*reader)->next(piece_size);
    if (!piece) {
      error = piece.error();
    } else if (piece->empty()) {
      break;
    } else {
      put(*piece);
    }
  }
  finish_output();
  if (error) throw failure(exit_code_of(error), id + ": " + error.message());
  return exit_code::ok;
}

}  // namespace relais::ctl
