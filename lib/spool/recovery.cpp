#include "spool/recovery.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <set>
#include <string>

#include "base/error.hpp"
#include "base/text.hpp"
#include "spool/layout.hpp"

namespace relais::spool {
namespace {

struct damage {
  std::string_view folder;
  std::string name;
};

class recovery {
 public:
  recovery(disk& storage, recovery_report& report) : disk_(storage), report_(report) {}

  result<recovered_spool> run() {
    for (const auto step : {&recovery::prepare, &recovery::scan_messages, &recovery::scan_states,
                            &recovery::make_durable, &recovery::set_aside, &recovery::drop_finished,
                            &recovery::clear_leftovers}) {
      if (const auto error = (this->*step)()) return error;
    }
    collect();
    return std::move(out_);
  }

 private:
  struct found_message {
    recovered_message message;
    journal_entry journal;
  };

  error_code prepare() {
    for (const auto folder :
         {layout::incoming, layout::messages, layout::states, layout::damaged}) {
      if (const auto error = disk_.make_directory(folder)) return error;
    }
    return disk_.sync_directory(".");
  }

  error_code scan_messages() {
    auto names = disk_.list(layout::messages);
    if (!names) return names.error();
    std::ranges::sort(*names);
    for (const auto& name : *names) {
      const auto id = layout::id_of(name);
      if (!id) {
        note_damage(layout::messages, name, "is not a name that the spool gives");
        continue;
      }
      present_.insert(*id);
      if (const auto error = scan_message(*id, name)) return error;
    }
    return {};
  }

  error_code scan_message(queue_id id, const std::string& name) {
    auto opened = disk_.open(layout::in(layout::messages, name), open_mode::read);
    auto head = opened ? read_message_head(**opened, id) : result<message_head>(opened.error());
    if (!head) {
      // Perhaps readable another day: it stays where it is, and so does its state.
      out_.reserved.insert(id);
      report_.damaged.push_back(fmt::format("messages/{}: cannot be read ({}); left in place", name,
                                            head.error().message()));
      return {};
    }
    switch (head->judgement) {
      case verdict::other_version: return refuse(layout::messages, name);
      case verdict::withdrawn: withdrawn_.push_back(id); return {};
      case verdict::damaged: note_damage(layout::messages, name, head->why); return {};
      case verdict::good: break;
    }
    auto& found = found_[id];
    found.message.id = id;
    found.message.arrival = head->prefix.arrival;
    found.message.content_size = head->prefix.content_size;
    found.message.envelope = std::move(head->envelope);
    found.journal.recipients.resize(found.message.envelope.forward_paths.size());
    return {};
  }

  error_code scan_states() {
    auto names = disk_.list(layout::states);
    if (!names) return names.error();
    std::ranges::sort(*names);
    for (const auto& name : *names) {
      const auto id = layout::id_of(name);
      if (!id) {
        note_damage(layout::states, name, "is not a name that the spool gives");
        continue;
      }
      if (!present_.contains(*id)) {
        orphans_.push_back(*id);
        continue;
      }
      const auto found = found_.find(*id);
      if (found == found_.end()) continue;
      if (const auto error = scan_state(*id, name, found->second)) return error;
    }
    return {};
  }

  error_code scan_state(queue_id id, const std::string& name, found_message& found) {
    const auto octets = read_whole(layout::in(layout::states, name));
    if (!octets) {
      // Better late than twice to those who have it: the message waits for a readable state.
      out_.reserved.insert(id);
      found_.erase(id);
      report_.damaged.push_back(
          fmt::format("states/{}: cannot be read ({}); left in place with its message", name,
                      octets.error().message()));
      return {};
    }
    state_file states;
    switch (decode_states(id, *octets, found.journal.recipients.size(), states)) {
      case verdict::other_version: return refuse(layout::states, name);
      case verdict::good: break;
      default:
        note_damage(
            layout::states, name,
            "does not begin like a state file; all recipients of the message are tried again");
        return {};
    }
    found.journal.recipients = std::move(states.recipients);
    found.journal.length = octets->size();
    found.journal.next_sequence = states.next_sequence;
    // Behind a torn end nothing is appended: old octets could be taken for the next record.
    found.journal.replace = states.valid_length != octets->size();
    return {};
  }

  result<std::string> read_whole(const std::string& name) {
    const auto opened = disk_.open(name, open_mode::read);
    if (!opened) return opened.error();
    const auto size = (*opened)->size();
    if (!size) return size.error();
    return (*opened)->read_at(0, static_cast<std::size_t>(*size));
  }

  /// After the end of a process alone (no power cut) names and removals that we see may still be
  /// un-synced. What is decided below, a state file removed because its message is gone, must not
  /// outlive what it was decided upon.
  error_code make_durable() {
    if (const auto error = disk_.sync_directory(layout::messages)) return error;
    return disk_.sync_directory(layout::states);
  }

  error_code set_aside() {
    if (damages_.empty()) return {};
    auto names = disk_.list(layout::damaged);
    if (!names) return names.error();
    std::set<std::string> taken(names->begin(), names->end());
    for (const auto& [folder, name] : damages_) {
      const auto id = layout::id_of(name);
      if (const auto error = move_to_damaged(folder, name, taken)) {
        if (id) out_.reserved.insert(*id);
        report_.damaged.push_back(fmt::format("{}/{} could not be set aside: {}", folder,
                                              printable(name, 64), error.message()));
        continue;
      }
      // What is known of the recipients of a damaged message goes with it.
      if (folder == layout::messages && id) {
        (void)move_to_damaged(layout::states, name, taken);
      }
    }
    return disk_.sync_directory(layout::damaged);
  }

  error_code move_to_damaged(std::string_view folder, const std::string& name,
                             std::set<std::string>& taken) {
    const auto base = folder == layout::states ? name + ".states" : name;
    auto free_name = base;
    for (unsigned n = 2; taken.contains(free_name); ++n) free_name = fmt::format("{}.{}", base, n);
    const auto error =
        disk_.rename(layout::in(folder, name), layout::in(layout::damaged, free_name));
    if (!error) taken.insert(free_name);
    return error;
  }

  /// Finished, but its files were not yet removed; and what was withdrawn. The message goes first
  /// and durably, then its state file: a message without its states would be delivered once more.
  error_code drop_finished() {
    for (auto at = found_.begin(); at != found_.end();) {
      if (!at->second.journal.is_finished()) {
        ++at;
        continue;
      }
      if (disk_.remove(layout::message_file(at->first))) {
        out_.reserved.insert(at->first);
      } else if (at->second.journal.length != 0) {
        orphans_.push_back(at->first);
      }
      at = found_.erase(at);
    }
    for (const auto id : withdrawn_) {
      if (disk_.remove(layout::message_file(id))) out_.reserved.insert(id);
      ++report_.incomplete;
    }
    return disk_.sync_directory(layout::messages);
  }

  error_code clear_leftovers() {
    // Best effort: what stays is an orphan again at the next start.
    for (const auto id : orphans_) (void)disk_.remove(layout::state_file(id));
    auto names = disk_.list(layout::incoming);
    if (!names) return names.error();
    for (const auto& name : *names) {
      if (name.ends_with(".message")) ++report_.incomplete;
      (void)disk_.remove(layout::in(layout::incoming, name));
    }
    return {};
  }

  void collect() {
    report_.messages = found_.size();
    out_.messages.reserve(found_.size());
    for (auto& [id, found] : found_) {
      found.message.recipients = found.journal.recipients;
      out_.messages.push_back(std::move(found.message));
      out_.entries.emplace(id, std::move(found.journal));
    }
  }

  void note_damage(std::string_view folder, const std::string& name, std::string_view why) {
    report_.damaged.push_back(
        fmt::format("{}/{} {}; moved to damaged/", folder, printable(name, 64), why));
    damages_.push_back({folder, name});
  }

  error_code refuse(std::string_view folder, const std::string& name) {
    report_.damaged.push_back(
        fmt::format("{}/{} was written by another version of relais in a format that this version "
                    "does not know; nothing was changed",
                    folder, name));
    return errc::corrupt;
  }

  disk& disk_;
  recovery_report& report_;
  recovered_spool out_;
  std::unordered_map<queue_id, found_message> found_;
  std::unordered_set<queue_id> present_;  ///< has a file in messages/, whatever is in it
  std::vector<queue_id> withdrawn_;
  std::vector<queue_id> orphans_;
  std::vector<damage> damages_;
};

}  // namespace

result<message_head> read_message_head(file& from, queue_id expected) {
  message_head head;
  const auto size = from.size();
  if (!size) return size.error();
  // One read gets prefix and envelope of nearly every message.
  auto begin = from.read_at(0, 4096);
  if (!begin) return begin.error();
  head.judgement = decode_message_prefix(*begin, head.prefix);
  if (head.judgement != verdict::good) {
    head.why = "has a damaged header";
    return head;
  }
  head.judgement = verdict::damaged;
  const auto offset = head.prefix.content_offset();
  if (head.prefix.id != expected) {
    head.why = "is a message of another name";
  } else if (*size < offset || *size - offset != head.prefix.content_size) {
    head.why = "has not the length that its header says";
  } else {
    auto envelope = result<std::string>(std::move(*begin));
    if (envelope->size() < offset) envelope = from.read_at(0, static_cast<std::size_t>(offset));
    if (!envelope) return envelope.error();
    if (envelope->size() < offset) return make_error_code(errc::io_error);
    auto decoded = decode_envelope(
        head.prefix,
        std::string_view(*envelope).substr(message_prefix_size, head.prefix.envelope_size));
    head.why = "has a damaged envelope";
    if (decoded) {
      head.envelope = std::move(*decoded);
      head.judgement = verdict::good;
    }
  }
  return head;
}

result<recovered_spool> recover(disk& storage, recovery_report& report) {
  return recovery(storage, report).run();
}

}  // namespace relais::spool
