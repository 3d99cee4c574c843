// What counts of a segment and what does not: whole batches, torn tails, holes, what was there
// before the segment was recycled, and contents that look like records.
#include "spool/segment_reader.hpp"

#include <catch2/catch.hpp>

#include "spool/batch.hpp"
#include "spool/crc32c.hpp"
#include "unit/spool/spool_world.hpp"

using namespace relais;
using namespace relais::spool;
using relais::testing::sim_disk;

namespace {

constexpr std::uint64_t generation = 0x77;

struct log_file {
  log_file() {
    file = disk.open("s", open_mode::create_new).value();
    REQUIRE_FALSE(file->allocate(size));
  }

  /// One batch of messages with these ids; returns where each begins, and the end.
  std::vector<std::uint64_t> add(const std::vector<std::uint64_t>& ids, std::string body = "body",
                                 std::uint64_t of = generation) {
    std::vector<std::uint64_t> places;
    spool::batch b;
    b.begin(end, of);
    const std::string text = "at 1\nfrom \nto a@b.example\n\n";
    for (const auto id : ids) {
      record_header h;
      h.id = id;
      h.sequence = ++sequence;
      h.checksum = crc32c(body, crc32c(text));
      places.push_back(b.add(h, text, body));
    }
    b.finish(++number, ++sequence, queue_id{ids.back()});
    REQUIRE_FALSE(file->write_at(end, b.parts()));
    end = b.ends();
    places.push_back(end);
    return places;
  }
  /// The ids that count, in order; complaints and outcome are kept.
  std::vector<std::uint64_t> read(bool verify = true) {
    std::vector<std::uint64_t> ids;
    complaints.clear();
    read_request request;
    request.generation = generation;
    request.size = size;
    request.verify_bodies = verify;
    const auto done = read_segment(
        *file, request, [&](const record_view& r) { ids.push_back(r.header.id); },
        [&](const std::string& what) { complaints.push_back(what); });
    REQUIRE(done.has_value());
    outcome = *done;
    return ids;
  }
  void flip(std::uint64_t at) { REQUIRE(disk.flip_bit("s", at * 8)); }
  void erase(std::uint64_t from, std::uint64_t to) {
    const std::string zeros(static_cast<std::size_t>(to - from), '\0');
    const std::string_view part = zeros;
    REQUIRE_FALSE(file->write_at(from, std::span(&part, 1)));
  }

  static constexpr std::uint64_t size = 64 << 10;
  sim_disk disk;
  std::unique_ptr<spool::file> file;
  std::uint64_t end = block_size;
  std::uint64_t sequence = 0;
  std::uint64_t number = 0;
  std::vector<std::string> complaints;
  read_outcome outcome;
};

using ids = std::vector<std::uint64_t>;

}  // namespace

TEST_CASE_METHOD(log_file, "an empty segment holds nothing, and that is no damage") {
  CHECK(read().empty());
  CHECK(complaints.empty());
  CHECK(outcome.torn == 0);
  CHECK(outcome.end == block_size);
}

TEST_CASE_METHOD(log_file, "whole batches count, in order") {
  add({1, 2});
  add({3});
  CHECK(read() == ids{1, 2, 3});
  CHECK(complaints.empty());
  CHECK(outcome.end == end);
  CHECK(outcome.highest_id == queue_id{3});
  CHECK(outcome.highest_sequence == 5);
}

TEST_CASE_METHOD(log_file, "a last batch with anything missing does not count, and is no damage") {
  add({1});
  const auto places = add({2, 3, 4});
  const auto before = places[0];
  const auto verify = true;
  for (auto sector = before; sector < places[3]; sector += 512) {
    CAPTURE(sector);
    const auto kept = file->read_at(sector, 512).value();
    if (kept.find_first_not_of('\0') == std::string::npos) continue;
    erase(sector, sector + 512);
    CHECK(read(verify) == ids{1});
    CHECK(complaints.empty());
    CHECK(outcome.end == before);
    const std::string_view part = kept;
    REQUIRE_FALSE(file->write_at(sector, std::span(&part, 1)));
  }
  CHECK(read() == ids{1, 2, 3, 4});
}

TEST_CASE_METHOD(log_file,
                 "a hole before a later batch is damage; the records around it are saved") {
  const auto places = add({1, 2, 3}, std::string(900, 'b'));
  add({4});
  const auto victim = GENERATE(0u, 1u, 2u);
  const auto where = GENERATE(20u, 140u, 500u);
  flip(places[victim] + where);
  ids expected;
  for (const std::uint64_t id : {1u, 2u, 3u, 4u})
    if (id != victim + 1) expected.push_back(id);
  CHECK(read() == expected);
  REQUIRE(complaints.size() == 1);
  CHECK(complaints[0].find("offset " + std::to_string(places[victim])) != std::string::npos);
  CHECK(outcome.end == end);
}

TEST_CASE_METHOD(log_file, "a lost commit before a later batch is damage, nothing of it is lost") {
  add({1});
  const auto places = add({2, 3});
  add({4});
  const auto commit = places[1] + (places[1] - places[0]);
  flip(commit + GENERATE(5u, 60u, 130u));
  CHECK(read() == ids{1, 2, 3, 4});
  REQUIRE_FALSE(complaints.empty());
  CHECK(complaints[0].find("offset") != std::string::npos);
}

TEST_CASE_METHOD(log_file, "what a recycled segment held before does not count, and is no damage") {
  add({1}, "body", 0x66);
  add({2}, "body", 0x66);
  add({3}, "body", 0x66);
  end = block_size;
  sequence = 100;
  add({9});
  CHECK(read() == ids{9});
  CHECK(complaints.empty());
  CHECK(outcome.end == end);
}

TEST_CASE_METHOD(log_file, "records of the same generation that go back in order do not count") {
  sequence = 50;
  add({1});
  sequence = 20;
  add({2});
  CHECK(read() == ids{1});
}

TEST_CASE_METHOD(log_file, "a content that looks like a log is no log") {
  // The content is a copy of a whole batch, even of this generation: somebody has read our disk.
  add({1, 2});
  const auto forged = file->read_at(block_size, block_size).value();
  add({3}, forged);
  add({4}, "   " + forged);
  CHECK(read() == ids{1, 2, 3, 4});
  CHECK(complaints.empty());
}

TEST_CASE_METHOD(log_file, "without a look at contents the texts are verified all the same") {
  const auto places = add({1, 2});
  add({3});
  flip(places[0] + record_header_size + 3);
  const auto found = read(false);
  CHECK(std::find(found.begin(), found.end(), 2u) != found.end());
  CHECK(std::find(found.begin(), found.end(), 3u) != found.end());
}
