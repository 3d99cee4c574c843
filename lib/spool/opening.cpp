#include "spool/opening.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.hpp"
#include "spool/checkpoint.hpp"
#include "spool/segment_reader.hpp"

namespace relais::spool {
namespace {

struct found_segment {
  std::uint32_t slot = 0;
  segment_header header;
  std::uint64_t size = 0;
  bool is_suspect = false;   ///< the header was damaged, what is behind it is a segment in use
  bool is_unusable = false;  ///< neither could be read
  bool is_blank = false;     ///< its making was cut short
};

/// The first record of a segment, which only a segment in use has: freeing takes it away.
std::optional<record_header> first_record(file& from) {
  const auto octets = from.read_at(block_size, record_header_size);
  return octets ? decode_header(*octets) : std::optional<record_header>();
}

class looker {
 public:
  looker(log_state& state, std::string& why)
      : state_(state), disk_(state.world.storage), why_(why) {}

  result<opening> look() {
    if (const auto error = look_for_older_format()) return error;
    auto names = disk_.list(layout::segments);
    if (!names && names.error() != errc::not_found) return names.error();
    for (const auto& name : names ? *names : std::vector<std::string>()) {
      if (const auto error = look_at_segment(name)) return error;
    }
    if (const auto error = look_for_checkpoints()) return error;
    // All is known and fits: from here on things may change.
    for (const auto name : {layout::segments, layout::large})
      if (const auto error = disk_.make_directory(name)) return error;
    if (const auto error = disk_.sync_directory(".")) return error;
    // A killed process may have made a segment and not come to this.
    if (const auto error = disk_.sync_directory(layout::segments)) return error;
    fill_table();
    if (const auto error = look_for_highest_id()) return error;
    if (const auto error = list_large()) return error;
    return std::move(opening_);
  }

 private:
  error_code look_for_older_format() {
    const auto names = disk_.list(layout::before_the_log);
    if (!names) return names.error() == errc::not_found ? error_code() : names.error();
    if (names->empty()) return {};
    why_ = fmt::format(
        "it holds {} messages in the format of relais 0.1, one file each in {}/; let that version "
        "deliver them first",
        names->size(), layout::before_the_log);
    return errc::corrupt;
  }

  error_code look_at_segment(const std::string& name) {
    const auto slot = layout::slot_of(name);
    if (!slot) return {};  // not ours
    found_segment f;
    f.slot = *slot;
    auto opened = disk_.open(layout::segment_file(*slot), open_mode::read);
    auto block = opened ? (*opened)->read_at(0, block_size) : result<std::string>(opened.error());
    const auto size = opened ? (*opened)->size() : result<std::uint64_t>(opened.error());
    if (!block || !size) {
      f.is_unusable = true;
      opening_.unreadable = block ? size.error() : block.error();
      opening_.damaged.push_back(fmt::format("{}: cannot be read: {}", layout::segment_file(*slot),
                                             opening_.unreadable.message()));
      found_.push_back(f);
      return {};
    }
    f.size = *size;
    const auto verdict = decode_segment_header(*block, f.header);
    if (verdict == header_verdict::other_version) {
      why_ = layout::segment_file(*slot) +
             " is of a format that this version of relais does not know; it was left as it is";
      return errc::corrupt;
    }
    if (verdict != header_verdict::good) judge(f, verdict, **opened);
    found_.push_back(f);
    return {};
  }

  void judge(found_segment& f, header_verdict verdict, file& from) {
    f.header = {};
    const auto first = first_record(from);
    if (!first) {
      // Its making was cut short, or it is free and damaged: nothing in it is missed.
      f.is_blank = verdict == header_verdict::blank || f.size < block_size;
      f.is_unusable = !f.is_blank;
      if (f.is_unusable) {
        opening_.damaged.push_back(layout::segment_file(f.slot) +
                                   ": offset 0: damaged, and no record behind it; set aside");
      }
      return;
    }
    f.is_suspect = true;
    f.header.kind = segment_kind::hot;
    f.header.generation = first->generation;
    f.header.sequence = first->sequence;
    opening_.damaged.push_back(layout::segment_file(f.slot) +
                               ": offset 0: the header is damaged; the records behind it are read");
  }

  error_code look_for_checkpoints() {
    const auto names = disk_.list(".");
    if (!names) return names.error();
    for (const auto& name : *names)
      if (const auto serial = layout::serial_of(name)) opening_.checkpoints.push_back(*serial);
    std::ranges::sort(opening_.checkpoints);
    return {};
  }

  /// A segment's file may be gone for good (a person, fsck). What its header said must not be given
  /// again, or a checkpoint would take new records for those that it covers.
  void heed_checkpoints(std::uint64_t& sequence) {
    for (const auto serial : opening_.checkpoints) {
      const auto head = read_checkpoint_head(disk_, layout::checkpoint_file(serial));
      if (!head) continue;
      sequence = std::max(sequence, head->sequence + 1);
      state_.highest_id = std::max(state_.highest_id, head->highest_id);
      for (const auto& s : head->segments)
        state_.last_number = std::max(state_.last_number, s.number);
    }
  }

  void fill_table() {
    std::uint64_t sequence = 1;
    for (const auto& f : found_) {
      state_.last_number = std::max(state_.last_number, f.header.number);
      state_.highest_id = std::max(state_.highest_id, f.header.highest_id);
      sequence = std::max(sequence, f.header.sequence + f.size + 1);
    }
    heed_checkpoints(sequence);
    // A segment holds fewer records than octets, so this is above whatever was written.
    state_.next_sequence = sequence + state_.options.segment_size;
    for (const auto& f : found_) adopt(f);
    state_.count_room();
  }

  void adopt(const found_segment& f) {
    if (f.header.kind == segment_kind::free && !f.is_unusable) {
      // Made for another segment size, or not to its end: made anew when needed.
      if (f.is_blank || f.size != state_.options.segment_size) {
        state_.segments.forget(state_.segments.adopt(f.slot));
        (void)disk_.remove(layout::segment_file(f.slot));
        return;
      }
      auto& s = state_.segments.adopt(f.slot);
      s.header = f.header;
      state_.segments.give_back(s);
      return;
    }
    auto& s = state_.segments.adopt(f.slot);
    s.header = f.header;
    s.size = f.size == state_.options.segment_size ? 0 : f.size;
    s.is_suspect = f.is_suspect;
    if (f.is_suspect) s.header.number = ++state_.last_number;
    s.use = f.is_unusable ? segment_use::failed : segment_use::sealed;
    s.end = f.size;
    opening_.needs_scan = opening_.needs_scan || f.is_suspect || f.is_unusable;
    if (f.is_unusable) return;
    state_.segments.registered(s);
    opening_.segments.push_back(&s);
  }

  /// Ids grow. What was stored before a segment was taken is in its header, the rest in the newest
  /// hot one, or in cold ones that are newer still.
  error_code look_for_highest_id() {
    auto newest = opening_.segments;
    std::ranges::sort(newest, std::ranges::greater(), &segment::number);
    for (const auto* s : newest) {
      const auto handle = state_.segments.open(*s);
      if (!handle) return {};  // enumeration will say so
      read_request request;
      request.generation = s->header.generation;
      request.first_sequence = s->header.sequence;
      request.size = s->end;
      request.verify_bodies = false;
      const auto take = [&](const record_view& r) {
        if (!r.header.has_message()) return;
        state_.highest_id = std::max(state_.highest_id, queue_id{r.header.id});
      };
      const auto read = read_segment(**handle, request, take, [](const std::string&) {});
      if (read) state_.highest_id = std::max(state_.highest_id, read->highest_id);
      if (s->header.kind == segment_kind::hot && !s->is_suspect) break;
    }
    return {};
  }

  error_code list_large() {
    const auto folders = disk_.list(layout::large);
    if (!folders) return folders.error() == errc::not_found ? error_code() : folders.error();
    for (const auto& folder : *folders) {
      const auto names = disk_.list(std::string(layout::large) + '/' + folder);
      if (!names) continue;
      for (const auto& name : *names) {
        const auto id = queue_id::parse(name);
        if (!id || id->text() != name) continue;
        opening_.large_files.insert(*id);
        state_.highest_id = std::max(state_.highest_id, *id);
      }
    }
    return {};
  }

  log_state& state_;
  disk& disk_;
  std::string& why_;
  std::vector<found_segment> found_;
  opening opening_;
};

}  // namespace

result<opening> look_at_spool(log_state& state, std::string& why) {
  return looker(state, why).look();
}

}  // namespace relais::spool
