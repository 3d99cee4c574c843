#include "spool/check.hpp"

#include <fmt/format.h>

#include <unordered_map>
#include <unordered_set>

#include "base/error.hpp"
#include "spool/checkpoint.hpp"
#include "spool/crc32c.hpp"
#include "spool/segment_reader.hpp"

namespace relais::spool {
namespace {

class checker {
 public:
  checker(disk& storage, const std::function<void(const std::string&)>& complaint)
      : disk_(storage), complaint_(complaint) {}

  result<check_report> check() {
    const auto segments = disk_.list(layout::segments);
    if (!segments) return segments.error();
    for (const auto& name : *segments)
      if (const auto slot = layout::slot_of(name)) check_segment(*slot);
    const auto root = disk_.list(".");
    if (!root) return root.error();
    for (const auto& name : *root)
      if (layout::serial_of(name)) check_checkpoint(name);
    for (const auto id : done_) messages_.erase(id);
    report_.messages = messages_.size();
    check_large();
    return report_;
  }

 private:
  void complain(const std::string& file_name, const std::string& what) {
    ++report_.damaged;
    complaint_(file_name + ": " + what);
  }

  void check_segment(std::uint32_t slot) {
    const auto name = layout::segment_file(slot);
    auto opened = disk_.open(name, open_mode::read);
    if (!opened) return complain(name, "cannot be opened: " + opened.error().message());
    const auto block = (*opened)->read_at(0, block_size);
    const auto size = (*opened)->size();
    if (!block || !size) return complain(name, "cannot be read");
    segment_header header;
    switch (decode_segment_header(*block, header)) {
      case header_verdict::good: break;
      case header_verdict::blank: ++report_.unfinished; return;
      case header_verdict::other_version:
        return complain(name, "offset 0: of a format that this version does not know");
      case header_verdict::damaged: return complain(name, "offset 0: the header is damaged");
    }
    if (header.kind == segment_kind::free) {
      ++report_.free_segments;
      return;
    }
    ++report_.segments;
    read_request request;
    request.generation = header.generation;
    request.first_sequence = header.sequence;
    request.size = *size;
    const auto each = [&](const record_view& r) { check_record(name, r); };
    const auto bad = [&](const std::string& what) { complain(name, what); };
    const auto read = read_segment(**opened, request, each, bad);
    if (!read) return complain(name, "cannot be read to its end: " + read.error().message());
    report_.records += read->records;
    report_.octets += read->end;
    if (read->torn > 0) ++report_.unfinished;
  }

  void check_record(const std::string& name, const record_view& r) {
    const auto nonsense = [&](const char* what) {
      complain(name, fmt::format("offset {}: {}", r.offset, what));
    };
    switch (r.header.type) {
      case record_type::message:
      case record_type::moved: {
        const auto decoded = decode_envelope(r.text);
        if (!decoded) return nonsense("the envelope makes no sense");
        messages_[queue_id{r.header.id}] = decoded->large;
        return;
      }
      case record_type::states:
        if (!decode_states(r.text, UINT32_MAX)) nonsense("a STAT record makes no sense");
        return;
      case record_type::done: {
        const auto entries = decode_done(r.text);
        if (!entries) return nonsense("a DONE record makes no sense");
        for (const auto& e : *entries) done_.insert(e.id);
        return;
      }
      case record_type::commit: return;
    }
  }

  void check_checkpoint(const std::string& name) {
    ++report_.checkpoints;
    index loaded;
    const auto head = load_checkpoint(disk_, name, loaded);
    if (!head) complain(name, "cannot be used: " + head.error().message());
  }

  void check_large() {
    for (const auto& [id, large] : messages_) {
      if (!large) continue;
      ++report_.large_files;
      const auto name = layout::large_file(id);
      auto opened = disk_.open(name, open_mode::read);
      if (!opened) {
        complain(name, "cannot be opened: " + opened.error().message());
        continue;
      }
      if (!is_intact(**opened, *large)) complain(name, "the content does not match its checksum");
    }
  }

  static bool is_intact(file& from, const large_content& expected) {
    constexpr std::size_t step = 1u << 20;
    std::uint64_t at = 0;
    std::uint32_t sum = 0;
    while (at < expected.size) {
      const auto part = from.read_at(
          at, static_cast<std::size_t>(std::min<std::uint64_t>(step, expected.size - at)));
      if (!part || part->empty()) return false;
      sum = crc32c(*part, sum);
      at += part->size();
    }
    return sum == expected.checksum;
  }

  disk& disk_;
  const std::function<void(const std::string&)>& complaint_;
  check_report report_;
  std::unordered_map<queue_id, std::optional<large_content>> messages_;
  std::unordered_set<queue_id> done_;
};

}  // namespace

result<check_report> check_spool(disk& storage,
                                 const std::function<void(const std::string&)>& complaint) {
  return checker(storage, complaint).check();
}

}  // namespace relais::spool
