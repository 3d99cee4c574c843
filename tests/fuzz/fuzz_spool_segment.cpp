// Recovery of a spool from any octets, as a segment or as a checkpoint: no crash, no unbounded
// memory, no invented message (what is found was there as a record with right checksums), and the
// same again at a second recovery. In two of four modes the input is a recipe from which records or
// blocks with right checksums are made, or no input would ever get behind these. The first octet
// says the mode.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>

#include "spool/crc32c.hpp"
#include "spool/record.hpp"
#include "spool/segment.hpp"
#include "unit/spool/spool_world.hpp"

using namespace relais;
using namespace relais::spool;
using namespace relais::testing;

namespace {

constexpr std::uint64_t segment_size = 16 << 10;
constexpr std::string_view segment_name = "segments/00000000";
constexpr std::string_view checkpoint_name = "checkpoint-0000000000000001";

store_options options() {
  auto o = tiny_spool();
  o.segment_size = segment_size;
  return o;
}

void check(bool holds) {
  if (!holds) std::abort();
}

/// What is found on the disk, by one start.
struct start {
  explicit start(sim_disk& disk) {
    opened = open_spool({disk, committer, maintenance, time}, options());
  }
  std::string summary() {
    std::string text = opened.error.message();
    for (const auto& [id, m] : opened.found) {
      text += id.text() + (m.is_held ? "h" : "");
      for (const auto& r : m.recipients)
        text += ' ' + std::to_string(static_cast<int>(r.status)) + r.diagnostic;
      const auto content = opened.store->read(id);
      text += content ? (*content)->content : content.error().message();
      if (content) check((*content)->content.size() == m.content_size);
    }
    return text;
  }
  manual_runner committer;
  manual_runner maintenance;
  manual_clock time;
  opened_spool opened;
};

/// Whether the segment holds a record of that message, with right checksums.
bool is_in(std::string_view segment, const stored_message& found) {
  for (std::size_t at = 0; at + record_header_size <= segment.size(); at += 8) {
    const auto h = decode_header(segment.substr(at));
    if (!h || !h->has_message() || h->id != found.id.value) continue;
    if (h->text_size + h->body_size > segment.size() - at - record_header_size) continue;
    const auto text = segment.substr(at + record_header_size, h->text_size);
    const auto envelope = decode_envelope(text);
    if (!envelope || envelope->arrival != found.arrival) continue;
    if (envelope->envelope.forward_paths == found.envelope.forward_paths &&
        crc32c(segment.substr(at + record_header_size,
                              h->text_size + static_cast<std::size_t>(h->body_size))) ==
            h->checksum) {
      return true;
    }
  }
  return false;
}

void check_segment(std::string octets) {
  octets.resize(std::min<std::size_t>(octets.size(), segment_size));
  sim_disk disk;
  disk.put(segment_name, octets);
  std::string first;
  {
    start s(disk);
    if (s.opened.error) return;
    for (const auto& [id, m] : s.opened.found) check(is_in(octets, m));
    check(s.opened.found_twice.empty());
    first = s.summary();
  }
  start again(disk);
  check(again.summary() == first);
}

/// Takes numbers and texts off a recipe; behind its end all is 0 and empty.
class recipe {
 public:
  explicit recipe(std::string_view octets) : rest_(octets) {}
  bool empty() const { return rest_.empty(); }
  std::uint8_t octet() {
    if (rest_.empty()) return 0;
    const auto o = static_cast<std::uint8_t>(rest_.front());
    rest_.remove_prefix(1);
    return o;
  }
  std::string_view text(std::size_t length) {
    const auto t = rest_.substr(0, length);
    rest_.remove_prefix(t.size());
    return t;
  }

 private:
  std::string_view rest_;
};

/// Each step of the recipe: kind and quirks of a record, its id, the lengths of text and body, then
/// these.
std::string cook_segment(std::string_view input) {
  recipe r(input);
  segment_header header;
  header.kind = static_cast<segment_kind>(1 + r.octet() % 2);
  header.number = 1 + r.octet() % 4;
  header.generation = 77;
  header.sequence = 1;
  auto octets = encode_segment_header(header);
  std::uint64_t sequence = 0;
  while (!r.empty() && octets.size() < segment_size) {
    const auto kind = r.octet();
    record_header h;
    h.type = static_cast<record_type>(kind % 5);
    h.id = r.octet() % 8;
    h.sequence = (kind & 32) != 0 ? sequence : ++sequence;
    h.generation = (kind & 64) != 0 ? 78 : 77;
    const auto text_size = static_cast<std::size_t>(r.octet()) * ((kind & 128) != 0 ? 16 : 1);
    const auto body_size = h.has_message() ? r.octet() : std::uint8_t{0};
    const auto text = std::string(r.text(text_size));
    const auto body = std::string(r.text(body_size));
    h.text_size = static_cast<std::uint32_t>(text.size());
    h.body_size = body.size();
    h.checksum = crc32c(body, crc32c(text));
    std::string line(record_header_size, '\0');
    encode_header(h, line.data());
    octets += line + text + body;
    const auto boundary = h.type == record_type::commit ? block_size : 8;
    octets.resize((octets.size() + boundary - 1) / boundary * boundary);
  }
  octets.resize(segment_size);
  return octets;
}

/// A spool with two messages, one deferred, and its checkpoint taken away.
const std::map<std::string, std::string>& base_files() {
  static const auto files = [] {
    spool_world w(options());
    w.append(make_message(1, "first"));
    w.append(make_message(2, "second", 2));
    w.settle(change_of(queue_id{2}, 0, recipient_status::pending, 3), 3);
    w.end();
    std::map<std::string, std::string> all;
    for (const auto& name : w.disk.files())
      if (!name.starts_with("checkpoint")) all[name] = *w.disk.content(name);
    return all;
  }();
  return files;
}

void check_checkpoint(std::string_view octets) {
  sim_disk disk;
  for (const auto& [name, content] : base_files()) disk.put(name, content);
  disk.put(checkpoint_name, std::string(octets));
  start s(disk);
  check(!s.opened.error);
  (void)s.summary();
  if (!s.opened.report.from_checkpoint) check(s.opened.found.size() == 2);
}

/// Each block: its length, then its octets; framed with length and checksum.
std::string cook_checkpoint(std::string_view input) {
  recipe r(input);
  std::string octets;
  while (!r.empty()) {
    const auto block = r.text(r.octet() * 2u);
    std::string head;
    for (int shift = 0; shift < 32; shift += 8)
      head += static_cast<char>((block.size() >> shift) & 0xff);
    const auto sum = crc32c(block, crc32c(head));
    for (int shift = 0; shift < 32; shift += 8) head += static_cast<char>((sum >> shift) & 0xff);
    octets += head + std::string(block);
  }
  return octets;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0 || size > (64u << 10)) return 0;
  const std::string_view octets(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 4) {
    case 0: check_segment(std::string(octets)); break;
    case 1: check_segment(cook_segment(octets)); break;
    case 2: check_checkpoint(octets); break;
    default: check_checkpoint(cook_checkpoint(octets)); break;
  }
  return 0;
}
