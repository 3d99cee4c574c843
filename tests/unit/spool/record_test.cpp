// The encoding of the log: what is written comes back, and nothing else is accepted.
#include "spool/record.hpp"

#include <catch2/catch.hpp>

#include "spool/segment.hpp"
#include "unit/spool/spool_world.hpp"

using namespace relais;
using namespace relais::spool;
using relais::testing::address;
using relais::testing::change_of;
using relais::testing::make_message;

namespace {

std::string encoded(const record_header& header) {
  std::string octets(record_header_size, '\0');
  encode_header(header, octets.data());
  return octets;
}

record_header some_header() {
  record_header h;
  h.type = record_type::moved;
  h.id = 0x19aa0000001;
  h.sequence = 0xfedcba9876543210;
  h.generation = UINT64_MAX;
  h.text_size = 77;
  h.body_size = 0xffffffffff;
  h.checksum = 0x01020304;
  return h;
}

}  // namespace

TEST_CASE("a record header is one line of 128 octets that grep finds") {
  const auto line = encoded(some_header());
  CHECK(line ==
        "@SP1 MOVD id=0000019aa0000001 seq=fedcba9876543210 gen=ffffffffffffffff env=0000004d "
        "body=ffffffffff crc=01020304 hcrc=" +
            line.substr(119));
  CHECK(line.back() == '\n');
}

TEST_CASE("a record header comes back as it was, of every type") {
  for (const auto type : {record_type::message, record_type::moved, record_type::states,
                          record_type::done, record_type::commit}) {
    auto h = some_header();
    h.type = type;
    const auto back = decode_header(encoded(h) + "behind");
    REQUIRE(back);
    CHECK(back->type == type);
    CHECK(back->id == h.id);
    CHECK(back->sequence == h.sequence);
    CHECK(back->generation == h.generation);
    CHECK(back->text_size == h.text_size);
    CHECK(back->body_size == h.body_size);
    CHECK(back->checksum == h.checksum);
    CHECK(back->size() % 8 == 0);
  }
}

TEST_CASE("no flipped bit of a record header goes unseen, and none is read beyond its end") {
  const auto good = encoded(some_header());
  for (std::size_t bit = 0; bit < good.size() * 8; ++bit) {
    auto bad = good;
    bad[bit / 8] = static_cast<char>(static_cast<unsigned char>(bad[bit / 8]) ^ (1u << (bit % 8)));
    CAPTURE(bit);
    CHECK_FALSE(decode_header(bad));
  }
  for (std::size_t n = 0; n < good.size(); ++n) CHECK_FALSE(decode_header(good.substr(0, n)));
}

TEST_CASE("an envelope comes back as it was") {
  auto m = make_message(0x19aa, "content", 3);
  m->envelope.body = smtp::body_type::eight_bit_mime;
  m->envelope.smtputf8 = GENERATE(false, true);
  m->envelope.forward_paths.push_back(
      smtp::parse_path("<Postmaster>", smtp::path_kind::forward)->address);
  m->envelope.forward_paths.push_back(address("\"a b\"@[192.0.2.1]"));
  m->envelope.forward_paths.push_back(address("j\xc3\xb6@ex\xc3\xa4mple.example"));
  if (GENERATE(false, true)) m->envelope.reverse_path = {};
  const bool is_large = GENERATE(false, true);
  if (is_large) m->large = large_content{5'000'000'000, 0xdeadbeef};
  const auto text = encode_envelope(*m);
  REQUIRE_FALSE(text.empty());
  const auto back = decode_envelope(text + "full 0\n");
  REQUIRE(back);
  CHECK(back->length == text.size());
  CHECK(back->arrival == m->arrival);
  CHECK(back->envelope.reverse_path == m->envelope.reverse_path);
  CHECK(back->envelope.forward_paths == m->envelope.forward_paths);
  CHECK(back->envelope.body == m->envelope.body);
  CHECK(back->envelope.smtputf8 == m->envelope.smtputf8);
  REQUIRE(back->large.has_value() == is_large);
  if (is_large) {
    CHECK(back->large->size == m->large->size);
    CHECK(back->large->checksum == m->large->checksum);
  }
  const auto outline = outline_envelope(text);
  REQUIRE(outline);
  CHECK(outline->recipients == 6);
  CHECK(outline->length == text.size());
  for (std::size_t n = 0; n < text.size(); ++n) {
    CHECK_FALSE(decode_envelope(std::string_view(text).substr(0, n)));
    CHECK_FALSE(outline_envelope(std::string_view(text).substr(0, n)));
  }
}

TEST_CASE("an envelope without recipients is not stored") {
  CHECK(encode_envelope(*make_message(1, "x", 0)).empty());
}

TEST_CASE("states come back as they were, whatever the diagnostic holds") {
  state_set set;
  set.is_full = GENERATE(false, true);
  set.as_of = set.is_full ? 0xabcdef : 0;
  set.hold = GENERATE(std::optional<bool>(), true, false);
  set.next_hop = GENERATE(values<std::optional<std::string>>({{}, "", "[relay.test]:587"}));
  for (const auto status : {recipient_status::pending, recipient_status::delivered,
                            recipient_status::bounced, recipient_status::removed}) {
    const auto number = static_cast<std::uint32_t>(set.entries.size());
    set.entries.push_back(
        change_of(queue_id{1}, number, status, number * 1'000'000'000, "550 5.1.1  <x> \xff ")
            .entries[0]);
  }
  set.entries.push_back(change_of(queue_id{1}, 4, recipient_status::pending, 1, "").entries[0]);
  set.entries.back().state.warnings = 255;
  std::string text;
  append_states(text, set);
  const auto back = decode_states(text, 5);
  REQUIRE(back);
  CHECK(back->is_full == set.is_full);
  CHECK(back->as_of == set.as_of);
  CHECK(back->hold == set.hold);
  CHECK(back->next_hop == set.next_hop);
  REQUIRE(back->entries.size() == set.entries.size());
  for (std::size_t i = 0; i < set.entries.size(); ++i) {
    CHECK(back->entries[i].recipient == set.entries[i].recipient);
    CHECK(back->entries[i].state == set.entries[i].state);
  }
  CHECK_FALSE(decode_states(text, 4));  // a state of a recipient that there is not
}

TEST_CASE("a line end in a diagnostic does not end the record") {
  state_set set;
  set.entries.push_back(
      change_of(queue_id{1}, 0, recipient_status::pending, 1, "one\r\n0 d 9 9 two").entries[0]);
  std::string text;
  append_states(text, set);
  const auto back = decode_states(text, 1);
  REQUIRE(back);
  REQUIRE(back->entries.size() == 1);
  CHECK(back->entries[0].state.diagnostic == "one  0 d 9 9 two");
}

TEST_CASE("what is no text of ours is not taken for one") {
  for (const auto* text : {"", "\n", "full\n", "full xyz\n", "delta", "delta\nhold", "delta\n0\n",
                           "delta\n0 x 1 1 d\n", "delta\n0 p 1 1\n", "delta\n-1 p 1 1 d\n",
                           "delta\n0 p 99999999999 1 d\n", "delta\n0 p 1/256 1 d\n",
                           "delta\n0 p 1/ 1 d\n", "delta\n\n"}) {
    CAPTURE(text);
    CHECK_FALSE(decode_states(text, 3));
    CHECK_FALSE(decode_envelope(text));
    CHECK_FALSE(decode_commit(text));
  }
  for (const auto* text : {"1\n", "0000000000000001", "0000000000000001 \n", "0000000000000001x\n",
                           "0000000000000001 1ffffffff\n", "0000000000000001 1 \n"}) {
    CAPTURE(text);
    CHECK_FALSE(decode_done(text));
  }
}

TEST_CASE("DONE names what has left and the segments that hold copies of it") {
  std::string text;
  const std::vector<std::uint32_t> segments{1, 0xffffffff};
  append_done(text, queue_id{0xabc}, segments);
  append_done(text, queue_id{UINT64_MAX}, {});
  const auto back = decode_done(text);
  REQUIRE(back);
  REQUIRE(back->size() == 2);
  CHECK((*back)[0].id == queue_id{0xabc});
  CHECK((*back)[0].segments == segments);
  CHECK((*back)[1].id == queue_id{UINT64_MAX});
  CHECK((*back)[1].segments.empty());
}

TEST_CASE("CMIT comes back as it was") {
  commit_text c;
  c.records = 12;
  c.highest_id = queue_id{0x19aa0000001};
  const auto text = encode_commit(c);
  const auto back = decode_commit(text);
  REQUIRE(back);
  CHECK(back->records == 12);
  CHECK(back->highest_id == c.highest_id);
  for (std::size_t n = 0; n < text.size(); ++n) CHECK_FALSE(decode_commit(text.substr(0, n)));
}

TEST_CASE(
    "the header of a segment comes back, fits into one sector, and no flipped bit is unseen") {
  segment_header h;
  h.kind = GENERATE(segment_kind::free, segment_kind::hot, segment_kind::cold);
  h.number = UINT32_MAX;
  h.generation = UINT64_MAX;
  h.sequence = UINT64_MAX;
  h.highest_id = queue_id{UINT64_MAX};
  const auto block = encode_segment_header(h);
  CHECK(block.size() == block_size);
  CHECK(block.find_last_not_of('\0') < 512);
  segment_header back;
  REQUIRE(decode_segment_header(block, back) == header_verdict::good);
  CHECK(back.kind == h.kind);
  CHECK(back.number == h.number);
  CHECK(back.generation == h.generation);
  CHECK(back.sequence == h.sequence);
  CHECK(back.highest_id == h.highest_id);
  for (std::size_t bit = 0; bit < (block.find('\n') + 1) * 8; ++bit) {
    auto bad = block;
    bad[bit / 8] = static_cast<char>(static_cast<unsigned char>(bad[bit / 8]) ^ (1u << (bit % 8)));
    CAPTURE(bit);
    // Upper case in the checksum itself is the one thing that changes nothing.
    if (decode_segment_header(bad, back) != header_verdict::damaged)
      CHECK(encode_segment_header(back) == block);
  }
  CHECK(decode_segment_header(std::string(block_size, '\0'), back) == header_verdict::blank);
}

TEST_CASE("names of files come back as what they stand for, in one spelling only") {
  CHECK(layout::segment_file(0xab) == "segments/000000ab");
  CHECK(layout::slot_of("000000ab") == 0xabu);
  CHECK_FALSE(layout::slot_of("000000aB"));
  CHECK_FALSE(layout::slot_of("ab"));
  CHECK_FALSE(layout::slot_of("+00000ab"));
  CHECK(layout::checkpoint_file(18) == "checkpoint-0000000000000012");
  CHECK(layout::serial_of("checkpoint-0000000000000012") == 18u);
  CHECK_FALSE(layout::serial_of("checkpoint.new"));
  CHECK(layout::large_file(queue_id{7}).starts_with(layout::large_folder(queue_id{7}) + "/"));
  CHECK(layout::large_file(queue_id{7}).ends_with("/0000000000000007"));
}
