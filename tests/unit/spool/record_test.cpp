#include "spool/record.hpp"

#include <catch2/catch.hpp>

#include "spool/crc32c.hpp"
#include "unit/spool/spool_world.hpp"

using namespace relais;
using namespace relais::spool;
using relais::testing::address;
using relais::testing::change_of;
using relais::testing::make_message;

TEST_CASE("CRC32C gives the known values, by instruction and by table") {
  struct row {
    std::string octets;
    std::uint32_t value;
  };
  std::string rising;
  std::string falling;
  for (int i = 0; i < 32; ++i) {
    rising += static_cast<char>(i);
    falling += static_cast<char>(31 - i);
  }
  // RFC 3720 B.4
  for (const auto& [octets, value] :
       {row{"", 0}, row{"123456789", 0xe3069283}, row{"a", 0xc1d04330},
        row{std::string(32, '\0'), 0x8a9136aa}, row{std::string(32, '\xff'), 0x62a8ab43},
        row{rising, 0x46dd794e}, row{falling, 0x113fdb5c}}) {
    CHECK(crc32c(octets) == value);
    CHECK(spool::detail::crc32c_table(octets, 0) == value);
  }
}

TEST_CASE("CRC32C of parts is that of the whole, and both forms agree") {
  seeded_random random(1);
  std::string octets(1000, '\0');
  for (auto& c : octets) c = static_cast<char>(random.below(256));
  for (std::size_t n = 0; n <= octets.size(); n += 7) {
    const auto view = std::string_view(octets);
    CHECK(crc32c(view.substr(n), crc32c(view.substr(0, n))) == crc32c(view));
    CHECK(crc32c(view.substr(n)) == spool::detail::crc32c_table(view.substr(n), 0));
  }
}

TEST_CASE("a message head comes back as it was") {
  auto m = make_message(0x19aa, "content", 3);
  m->envelope.body = smtp::body_type::eight_bit_mime;
  m->envelope.smtputf8 = true;
  m->envelope.forward_paths.push_back(
      smtp::parse_path("<Postmaster>", smtp::path_kind::forward)->address);
  m->envelope.forward_paths.push_back(address("\"a b\"@[192.0.2.1]"));
  m->envelope.forward_paths.push_back(address("j\xc3\xb6@ex\xc3\xa4mple.example"));
  if (GENERATE(false, true)) m->envelope.reverse_path = {};
  REQUIRE(is_storable(m->envelope));
  const auto head = encode_message_head(*m);
  message_prefix prefix;
  REQUIRE(decode_message_prefix(head, prefix) == verdict::good);
  CHECK(prefix.id == m->id);
  CHECK(prefix.arrival == m->arrival);
  CHECK(prefix.content_size == 7);
  CHECK(prefix.content_checksum == crc32c("content"));
  CHECK(prefix.content_offset() == head.size());
  const auto envelope = decode_envelope(prefix, std::string_view(head).substr(message_prefix_size));
  REQUIRE(envelope);
  CHECK(envelope->reverse_path == m->envelope.reverse_path);
  CHECK(envelope->forward_paths == m->envelope.forward_paths);
  CHECK(envelope->body == smtp::body_type::eight_bit_mime);
  CHECK(envelope->smtputf8);
}

TEST_CASE("any flipped bit and any cut of a message head is found") {
  const auto head = encode_message_head(*make_message(7, "content", 2));
  const auto good = [](std::string_view octets) {
    message_prefix prefix;
    return decode_message_prefix(octets, prefix) == verdict::good &&
           decode_envelope(prefix, octets.substr(message_prefix_size)).has_value();
  };
  REQUIRE(good(head));
  for (std::size_t bit = 0; bit < head.size() * 8; ++bit) {
    auto flipped = head;
    flipped[bit / 8] =
        static_cast<char>(static_cast<unsigned char>(flipped[bit / 8]) ^ (1u << (bit % 8)));
    CHECK_FALSE(good(flipped));
    message_prefix prefix;
    CHECK(decode_message_prefix(flipped, prefix) != verdict::other_version);
  }
  for (std::size_t n = 0; n < head.size(); ++n) CHECK_FALSE(good(head.substr(0, n)));
}

TEST_CASE("withdrawn messages and other versions are told apart") {
  message_prefix prefix;
  CHECK(decode_message_prefix(std::string(withdrawn_mark) + std::string(60, 'x'), prefix) ==
        verdict::withdrawn);
  CHECK(decode_message_prefix("relais-message 2\n" + std::string(60, 'x'), prefix) ==
        verdict::other_version);
  CHECK(decode_message_prefix("relais-message 12\n", prefix) == verdict::other_version);
  CHECK(decode_message_prefix("relais-message x\n" + std::string(60, 'x'), prefix) ==
        verdict::damaged);
  CHECK(decode_message_prefix("", prefix) == verdict::damaged);
}

TEST_CASE("an envelope without recipients or with a null recipient is not storable") {
  smtp::envelope envelope;
  CHECK_FALSE(is_storable(envelope));
  envelope.forward_paths.emplace_back();
  CHECK_FALSE(is_storable(envelope));
}

namespace {
std::string two_records() {
  const queue_id id{9};
  auto first = change_of(id, 0, recipient_status::pending, 1, "451 one");
  first.entries.push_back(change_of(id, 1, recipient_status::bounced, 2).entries[0]);
  const auto second = change_of(id, 0, recipient_status::delivered, 3, "250 ok");
  return std::string(states_magic()) + encode_states(id, 5, first.entries) +
         encode_states(id, 6, second.entries);
}
}  // namespace

TEST_CASE("of the states of a recipient the newest wins") {
  state_file states;
  const auto file = two_records();
  REQUIRE(decode_states(queue_id{9}, file, 3, states) == verdict::good);
  CHECK(states.valid_length == file.size());
  CHECK(states.next_sequence == 7);
  CHECK(states.recipients[0].status == recipient_status::delivered);
  CHECK(states.recipients[0].attempts == 3);
  CHECK(states.recipients[0].diagnostic == "250 ok");
  CHECK(states.recipients[1].status == recipient_status::bounced);
  CHECK(states.recipients[2].status == recipient_status::pending);
}

TEST_CASE("a torn end of a state file is ignored, what is before it counts") {
  const auto file = two_records();
  state_file states;
  for (std::size_t n = states_magic().size(); n < file.size(); ++n) {
    REQUIRE(decode_states(queue_id{9}, file.substr(0, n), 3, states) == verdict::good);
    CHECK(states.valid_length <= n);
    CHECK(states.recipients[0].status == recipient_status::pending);
  }
  for (std::size_t n = states_magic().size(); n < file.size(); ++n) {
    auto flipped = file;
    flipped[n] = static_cast<char>(~flipped[n]);
    REQUIRE(decode_states(queue_id{9}, flipped, 3, states) == verdict::good);
    CHECK(states.valid_length < file.size());
  }
  REQUIRE(decode_states(queue_id{9}, file + std::string(2000, '\0'), 3, states) == verdict::good);
  CHECK(states.valid_length == file.size());
}

TEST_CASE(
    "a record of another message, out of sequence, or of a recipient that is not there is not "
    "believed") {
  const auto file = two_records();
  state_file states;
  REQUIRE(decode_states(queue_id{8}, file, 3, states) == verdict::good);
  CHECK(states.valid_length == states_magic().size());
  const auto gap = change_of(queue_id{9}, 0, recipient_status::removed).entries;
  REQUIRE(decode_states(queue_id{9}, file + encode_states(queue_id{9}, 8, gap), 3, states) ==
          verdict::good);
  CHECK(states.valid_length == file.size());
  REQUIRE(decode_states(queue_id{9}, file, 1, states) == verdict::good);
  CHECK(states.valid_length == states_magic().size());
}

TEST_CASE("a state file of another version or without a magic line") {
  state_file states;
  CHECK(decode_states(queue_id{9}, "relais-states 2\n", 1, states) == verdict::other_version);
  CHECK(decode_states(queue_id{9}, "relais", 1, states) == verdict::damaged);
}
