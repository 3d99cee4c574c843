// Octets that change on the disk: found, reported by file and offset, never believed; the rest is
// saved. And spools that are not of this program's format: refused and left alone.
#include <catch2/catch.hpp>

#include "spool/crc32c.hpp"
#include "spool/record.hpp"
#include "spool/segment.hpp"
#include "unit/spool/spool_world.hpp"

using namespace relais;
using namespace relais::testing;
using spool::recipient_status;

namespace {

/// A spool with three batches of messages in one segment, one of them deferred and held, and a
/// checkpoint.
struct sample {
  sample() {
    auto options = tiny_spool();
    options.segment_size = 24 << 10;
    spool_world w(options);
    for (std::uint64_t id = 1; id <= 6; ++id) {
      const auto m =
          make_message(id, "content of " + std::to_string(id) + std::string(200, '.'), 1 + id % 2);
      contents[m->id] = m->content;
      w.store().append(append_of(m, id), w.sink);
      if (id % 2 == 0) w.committer.run_all();
    }
    auto change = change_of(queue_id{3}, 0, recipient_status::pending, 7, "451 try later");
    change.hold = true;
    REQUIRE_FALSE(w.settle(change, 30));
    REQUIRE_FALSE(w.settle(change_of(queue_id{2}, 0, recipient_status::delivered), 31));
    w.settle_down();
    REQUIRE_FALSE(w.flush());
    w.store().close();
    w.end();
    w.disk.crash(1);
    for (const auto& name : w.disk.files()) files[name] = *w.disk.content(name);
    healthy = open_on(w.disk);
    for (const auto& [name, octets] : files) {
      spool::segment_header header;
      if (name.starts_with("segments/") &&
          decode_segment_header(octets, header) == spool::header_verdict::good &&
          header.kind == spool::segment_kind::hot && octets.find("@SP1 MSG") != std::string::npos)
        segment = name;
      if (name.starts_with("checkpoint")) checkpoint = name;
    }
  }

  /// Recovery alone; the store is gone afterwards, but for what `use` does with it.
  static opened_spool open_on(sim_disk& disk, const std::function<void(opened_spool&)>& use = {}) {
    manual_runner committer, maintenance;
    manual_clock time;
    auto options = tiny_spool();
    options.segment_size = 24 << 10;
    auto opened = open_spool({disk, committer, maintenance, time}, options);
    if (use) use(opened);
    opened.store.reset();
    return opened;
  }
  void put(sim_disk& disk, bool with_checkpoint) const {
    REQUIRE_FALSE(disk.make_directory("segments"));
    REQUIRE_FALSE(disk.make_directory("large"));
    for (const auto& [name, octets] : files)
      if (with_checkpoint || !name.starts_with("checkpoint")) disk.put(name, octets);
  }
  /// Nothing that was found says anything else than the healthy spool did.
  void check_unchanged(opened_spool& opened, const std::string& where) const {
    INFO(where);
    for (const auto& [id, m] : opened.found) {
      REQUIRE(contents.contains(id));
      const auto read = opened.store->read(id);
      if (read) {
        if ((*read)->content != contents.at(id)) FAIL("changed content, " << where);
      } else if (read.error() != errc::corrupt) {
        FAIL("unreadable: " << read.error().message() << ", " << where);
      }
      const auto good = healthy.found.find(id);
      // 2 has left; where the record that says so is damaged, it comes back, and it is reported.
      if (good == healthy.found.end()) {
        CHECK(id == queue_id{2});
        continue;
      }
      if (m.envelope.forward_paths != good->second.envelope.forward_paths ||
          m.arrival != good->second.arrival)
        FAIL("changed envelope, " << where);
      for (std::size_t r = 0; r < m.recipients.size(); ++r)
        if (!(m.recipients[r] == good->second.recipients[r]) && m.recipients[r].attempts != 0)
          FAIL("changed state, " << where);
    }
  }

  /// Where the last batch of the segment begins.
  std::uint64_t last_batch() const {
    const auto& octets = files.at(segment);
    const auto commit = octets.rfind("@SP1 CMIT");
    const auto from = octets.find(" from ", commit) + 6;
    return std::stoull(octets.substr(from));
  }

  std::map<std::string, std::string> files;
  std::map<queue_id, std::string> contents;
  opened_spool healthy;
  std::string segment, checkpoint;
};

std::string fingerprint_of(const std::map<queue_id, spool::stored_message>& found) {
  std::string text;
  for (const auto& [id, m] : found) {
    text += id.text() + (m.is_held ? " held" : "");
    for (const auto& r : m.recipients)
      text += " " + std::to_string(static_cast<int>(r.status)) + "/" + std::to_string(r.attempts);
  }
  return text;
}

const sample& the_sample() {
  static const sample s;
  return s;
}

}  // namespace

TEST_CASE("the sample of the damage tests is what they think it is") {
  const auto& s = the_sample();
  CHECK(s.healthy.found.size() == 5);
  CHECK_FALSE(s.segment.empty());
  CHECK_FALSE(s.checkpoint.empty());
  CHECK(s.healthy.report.from_checkpoint);
  CHECK(s.healthy.report.damaged.empty());
}

TEST_CASE("any flipped bit of a segment is found, or changes nothing; the rest is saved") {
  const auto& s = the_sample();
  const auto& good = s.files.at(s.segment);
  const auto used = good.find_last_not_of('\0') + 1;
  const bool with_checkpoint = GENERATE(false, true);
  std::size_t reported = 0;
  std::size_t found = 0;
  // Behind the header's line, its block is not looked at.
  const auto last = s.last_batch();
  for (std::size_t at = spool::block_size; at < used; ++at) {
    sim_disk disk;
    s.put(disk, with_checkpoint);
    const auto where = s.segment + " octet " + std::to_string(at);
    REQUIRE(disk.flip_bit(s.segment, at * 8 + at % 8));
    bool unreadable = false;
    const auto opened = sample::open_on(disk, [&](opened_spool& o) {
      REQUIRE(o.store);
      s.check_unchanged(o, where);
      for (const auto& [id, m] : o.found) unreadable = unreadable || o.store->read(id).has_error();
    });
    if (opened.error) FAIL("does not open, " << where);
    // A record is one message, or the states and ends of one batch.
    if (opened.found.size() < (at < last ? 4u : 3u))
      FAIL("only " << opened.found.size() << " found, " << where);
    const bool all_well =
        fingerprint_of(opened.found) == fingerprint_of(s.healthy.found) && !unreadable;
    // Of the last batch nothing says that it was ever whole, but a checkpoint.
    if (!all_well && opened.report.damaged.empty() && !with_checkpoint && at < last)
      FAIL("silently changed, " << where);
    for (const auto& sentence : opened.report.damaged) {
      ++reported;
      if (sentence.find(s.segment) == std::string::npos ||
          sentence.find("offset") == std::string::npos)
        FAIL("says nothing of the place: " << sentence);
    }
    found += opened.found.size();
  }
  if (!with_checkpoint) CHECK(reported > 500);
  CHECK(found > (used - spool::block_size) * 9 / 2);
}

TEST_CASE("a flipped bit in the header of a segment loses nothing without a word") {
  const auto& s = the_sample();
  const auto length = s.files.at(s.segment).find('\n') + 1;
  const bool with_checkpoint = GENERATE(false, true);
  for (std::size_t at = 0; at < length; ++at) {
    sim_disk disk;
    s.put(disk, with_checkpoint);
    const auto where = "header octet " + std::to_string(at);
    REQUIRE(disk.flip_bit(s.segment, at * 8 + at % 7));
    const auto opened = sample::open_on(disk, [&](opened_spool& o) {
      if (o.store) s.check_unchanged(o, where);
    });
    CAPTURE(where, opened.error.message(), opened.why);
    if (opened.error) {
      CHECK_FALSE(opened.why.empty());
      continue;
    }
    if (fingerprint_of(opened.found) != fingerprint_of(s.healthy.found)) {
      CHECK_FALSE(opened.report.damaged.empty());
      // Whatever is believed of it: what is there is not given to others to write over.
      CHECK(disk.content(s.segment)->substr(4096) == s.files.at(s.segment).substr(4096));
    }
  }
}

TEST_CASE("any flipped bit of a checkpoint: the scan says the same") {
  const auto& s = the_sample();
  const auto size = s.files.at(s.checkpoint).size();
  std::size_t scans = 0;
  for (std::size_t at = 0; at < size; ++at) {
    sim_disk disk;
    s.put(disk, true);
    REQUIRE(disk.flip_bit(s.checkpoint, at * 8 + at % 8));
    const auto opened = sample::open_on(disk);
    if (opened.error) FAIL("does not open, octet " << at);
    if (fingerprint_of(opened.found) != fingerprint_of(s.healthy.found))
      FAIL("differs, octet " << at);
    scans += opened.report.from_checkpoint ? 0 : 1;
  }
  CHECK(scans == size);
}

TEST_CASE("a checkpoint cut off anywhere: the scan says the same") {
  const auto& s = the_sample();
  const auto& good = s.files.at(s.checkpoint);
  for (std::size_t n = 0; n < good.size(); n += 13) {
    sim_disk disk;
    s.put(disk, true);
    disk.put(s.checkpoint, good.substr(0, n));
    const auto opened = sample::open_on(disk);
    CAPTURE(n, opened.error.message());
    CHECK_FALSE(opened.report.from_checkpoint);
    CHECK(fingerprint_of(opened.found) == fingerprint_of(s.healthy.found));
  }
}

TEST_CASE("a segment cut off anywhere never gives a changed message") {
  const auto& s = the_sample();
  const auto& good = s.files.at(s.segment);
  const bool with_checkpoint = GENERATE(false, true);
  for (std::size_t n = 0; n < good.size(); n += 101) {
    sim_disk disk;
    s.put(disk, with_checkpoint);
    disk.put(s.segment, good.substr(0, n));
    (void)sample::open_on(disk, [&](opened_spool& o) {
      if (o.store) s.check_unchanged(o, "cut at " + std::to_string(n));
    });
  }
}

TEST_CASE("a segment that a checkpoint counts on and that is not there is reported") {
  const auto& s = the_sample();
  sim_disk disk;
  s.put(disk, true);
  disk.take_away(s.segment);
  const auto opened = sample::open_on(disk, [&](opened_spool& o) {
    if (o.store) s.check_unchanged(o, "without its segment");
  });
  CHECK((opened.error || !opened.report.damaged.empty()));
}

TEST_CASE("a spool of another format version is refused with a sentence, and stays as it is") {
  const auto& s = the_sample();
  sim_disk disk;
  s.put(disk, GENERATE(false, true));
  auto line = s.files.at(s.segment).substr(0, s.files.at(s.segment).find(" crc="));
  const auto version = line.find("relais-log ") + 11;
  line.replace(version, line.find(' ', version) - version, "2");
  char sum[20];
  std::snprintf(sum, sizeof sum, " crc=%08x\n", spool::crc32c(line));
  auto octets = s.files.at(s.segment);
  octets.replace(0, (line + sum).size(), line + sum);
  disk.put(s.segment, octets);
  std::map<std::string, std::string> before;
  for (const auto& name : disk.files()) before[name] = *disk.content(name);
  const auto opened = sample::open_on(disk);
  CHECK(opened.error == errc::corrupt);
  CHECK(opened.why.find("version") != std::string::npos);
  CHECK(opened.why.find(s.segment) != std::string::npos);
  std::map<std::string, std::string> after;
  for (const auto& name : disk.files()) after[name] = *disk.content(name);
  CHECK((before == after));
}

TEST_CASE("a spool of before the log is refused with a sentence, an empty one is not") {
  sim_disk disk;
  REQUIRE_FALSE(disk.make_directory("messages"));
  CHECK_FALSE(sample::open_on(disk).error);
  disk.put("messages/0000019AA5C3F001", "relais-message 1\n");
  const auto opened = sample::open_on(disk);
  CHECK(opened.error == errc::corrupt);
  CHECK(opened.why.find("messages") != std::string::npos);
  CHECK(disk.content("messages/0000019AA5C3F001") == "relais-message 1\n");
}

TEST_CASE("foreign files are left alone") {
  const auto& s = the_sample();
  sim_disk disk;
  s.put(disk, true);
  const std::map<std::string, std::string> foreign{{"segments/readme.txt", "hello"},
                                                   {"segments/0000000G", "hello"},
                                                   {"checkpoint-old", "hello"},
                                                   {"notes", "hello"}};
  for (const auto& [name, octets] : foreign) disk.put(name, octets);
  const auto opened = sample::open_on(disk);
  CHECK_FALSE(opened.error);
  CHECK(opened.found.size() == 5);
  for (const auto& [name, octets] : foreign) CHECK(disk.content(name) == octets);
}

TEST_CASE("a flipped bit in a content is found by whoever reads it") {
  spool_world w;
  const auto id = GENERATE(queue_id{4}, queue_id{5});
  REQUIRE_FALSE(w.append(make_message(id.value, std::string(3000, '#'))));
  for (const auto& name : w.disk.files()) {
    const auto at = w.disk.content(name)->find("####");
    if (at != std::string::npos) REQUIRE(w.disk.flip_bit(name, (at + 1500) * 8));
  }
  CHECK(w.store().read(id).error() == errc::corrupt);
  auto reader = w.store().open_content(id);
  error_code error = reader ? error_code() : reader.error();
  while (!error) {
    const auto piece = (*reader)->next(1000);
    if (!piece) error = piece.error();
    if (piece && piece->empty()) break;
  }
  CHECK(error == errc::corrupt);
}

TEST_CASE("damage in the last batch of a full segment is no torn end: the next segment knows") {
  const auto what =
      GENERATE(std::string("@SP1 CMIT"), std::string("@SP1 MSG "), std::string("####"));
  spool_world w;
  std::uint64_t id = 0;
  while (w.store().status().segments_used < 2) {
    REQUIRE_FALSE(w.append(make_message(++id, std::string(3000, '#'))));
  }
  w.end();
  const auto first = std::string("segments/00000000");
  const auto octets = *w.disk.content(first);
  REQUIRE(octets.find("kind=hot number=00000001") != std::string::npos);
  const auto at = octets.rfind(what);
  REQUIRE(at != std::string::npos);
  REQUIRE(w.disk.flip_bit(first, at * 8));
  w.crash(1);
  CAPTURE(what, id);
  // The last message of that segment, or none: the one behind it is in the next.
  CHECK(w.opened.found.size() == (what == "@SP1 CMIT" ? id : id - 1));
  REQUIRE(w.opened.report.damaged.size() >= 1);
  CHECK(w.opened.report.damaged[0].find(first + ": offset") == 0);
}
