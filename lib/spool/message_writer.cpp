#include "spool/message_writer.hpp"

#include <array>

#include "base/error.hpp"
#include "spool/layout.hpp"
#include "spool/record.hpp"

namespace relais::spool {
namespace {

struct open_message {
  message_write* request = nullptr;
  std::unique_ptr<file> handle;
};

error_code write_new(disk& storage, open_message& m) {
  const auto& content = *m.request->content;
  const auto name = layout::new_message(content.id);
  auto opened = storage.open(name, open_mode::create_new);
  if (!opened && opened.error() == errc::exists) {
    // Left by an attempt that failed; the caller made sure that no message has this id.
    if (const auto error = storage.remove(name)) return error;
    opened = storage.open(name, open_mode::create_new);
  }
  if (!opened) return opened.error();
  m.handle = std::move(*opened);
  const auto head = encode_message_head(content);
  const std::array<std::string_view, 2> parts{head, content.content};
  return m.handle->write_at(0, parts);
}

/// Once a rename was asked for, a failure leaves open whether the name exists after a crash, and
/// neither removing it nor syncing the directory again can be trusted to undo that. The data of the
/// file is another matter: its own sync has worked so far, so the mark that it is withdrawn is
/// written into the file itself. If that fails, too, the message may be found after a restart
/// although its sender was told to try again: a duplicate, never a loss.
void withdraw(disk& storage, open_message& m) {
  const std::array<std::string_view, 1> mark{withdrawn_mark};
  if (!m.handle->write_at(0, mark)) (void)m.handle->sync();
  m.handle.reset();
  (void)storage.remove(layout::new_message(m.request->content->id));
  (void)storage.remove(layout::message_file(m.request->content->id));
}

void abandon(disk& storage, open_message& m, error_code error) {
  m.request->error = error;
  m.handle.reset();
  (void)storage.remove(layout::new_message(m.request->content->id));
}

}  // namespace

bool write_messages(disk& storage, std::vector<message_write>& batch) {
  std::vector<open_message> files;
  files.reserve(batch.size());
  for (auto& request : batch) {
    if (request.error) continue;
    auto& m = files.emplace_back();
    m.request = &request;
    if (const auto error = write_new(storage, m)) abandon(storage, m, error);
  }
  bool renamed = false;
  for (auto& m : files) {
    if (m.request->error) continue;
    // A sync that fails is never repeated: the kernel may have dropped the pages.
    if (const auto error = m.handle->sync()) abandon(storage, m, error);
  }
  for (auto& m : files) {
    if (m.request->error) continue;
    const auto id = m.request->content->id;
    if (const auto error = storage.rename(layout::new_message(id), layout::message_file(id))) {
      m.request->error = error;
      withdraw(storage, m);
      continue;
    }
    renamed = true;
  }
  if (!renamed) return true;
  // incoming/ needs no sync: a name that comes back there is removed by recovery.
  const auto error = storage.sync_directory(layout::messages);
  if (!error) return true;
  for (auto& m : files) {
    if (m.request->error) continue;
    m.request->error = error;
    withdraw(storage, m);
  }
  return false;
}

}  // namespace relais::spool
