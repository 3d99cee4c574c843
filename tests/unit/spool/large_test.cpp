// Contents with a file of their own.
#include <catch2/catch.hpp>

#include "spool/segment.hpp"
#include "unit/spool/spool_world.hpp"

using namespace relais;
using namespace relais::testing;
using spool::recipient_status;

namespace {

struct large_world : spool_world {
  /// Written and finished, but not appended.
  spool::large_content upload(queue_id id, const std::string& content) {
    auto writer = store().create_large(id).value();
    for (std::size_t at = 0; at < content.size(); at += 7000)
      REQUIRE_FALSE(writer->write(std::string_view(content).substr(at, 7000)));
    return writer->finish().value();
  }
  error_code append_large(queue_id id, const std::string& content, std::uint64_t token) {
    auto m = make_message(id.value, {});
    m->large = upload(id, content);
    store().append(append_of(std::move(m), token), sink);
    committer.run_all();
    return outcome(token);
  }
  bool has_file(queue_id id) const {
    return disk.content(spool::layout::large_file(id)).has_value();
  }
  std::size_t large_files() const {
    std::size_t count = 0;
    for (const auto& name : disk.files()) count += name.starts_with("large/") ? 1 : 0;
    return count;
  }
  std::string read_in_pieces(queue_id id) {
    std::string all;
    auto reader = store().open_content(id).value();
    CHECK(reader->size() > 0);
    for (;;) {
      const auto piece = reader->next(5000).value();
      CHECK(piece.size() <= 5000);
      if (piece.empty()) return all;
      all += piece;
    }
  }
};

}  // namespace

TEST_CASE_METHOD(large_world,
                 "a large content is larger than a segment, and comes back after a crash") {
  const auto content = random_octets(5, 200'000);
  REQUIRE_FALSE(append_large(queue_id{5}, content, 1));
  for (int i = 0; i < 2; ++i) {
    CHECK((*store().read(queue_id{5}))->content == content);
    CHECK(read_in_pieces(queue_id{5}) == content);
    CHECK(store().look_up(queue_id{5})->content_size == content.size());
    crash(static_cast<std::uint64_t>(i));
    CHECK(opened.found.at(queue_id{5}).content_size == content.size());
  }
}

TEST_CASE_METHOD(large_world, "an empty large content is one, too") {
  auto m = make_message(5, {});
  m->large = upload(queue_id{5}, "");
  CHECK(m->large->size == 0);
  REQUIRE_FALSE(append(m));
  CHECK((*store().read(queue_id{5}))->content.empty());
}

TEST_CASE_METHOD(large_world, "a large content goes when its writer is abandoned") {
  {
    auto writer = store().create_large(queue_id{5}).value();
    REQUIRE_FALSE(writer->write("half"));
    CHECK(has_file(queue_id{5}));
  }
  CHECK_FALSE(has_file(queue_id{5}));
  CHECK(store().create_large(queue_id{5}).has_value());
}

TEST_CASE_METHOD(large_world, "an id has one large content") {
  const auto first = store().create_large(queue_id{5});
  REQUIRE(first.has_value());
  CHECK(store().create_large(queue_id{5}).error() == errc::exists);
}

TEST_CASE_METHOD(large_world, "the file goes after the end of its message is durable, not before") {
  REQUIRE_FALSE(append_large(queue_id{5}, random_octets(5, 9000), 1));
  settle_down();
  std::vector<std::string> log;
  disk.on_operation([&](disk_operation what, std::string_view name) -> std::optional<errc> {
    if (what == disk_operation::sync) log.push_back("sync " + std::string(name));
    if (what == disk_operation::remove) log.push_back("remove " + std::string(name));
    return {};
  });
  store().settle(change_of(queue_id{5}, 0, recipient_status::delivered));
  CHECK(has_file(queue_id{5}));
  committer.run_delayed();
  settle_down();
  maintenance.run_delayed();
  disk.on_operation({});
  CHECK_FALSE(has_file(queue_id{5}));
  REQUIRE(log.size() >= 2);
  CHECK(log[0].starts_with("sync segments/"));
  CHECK(log[1] == "remove " + spool::layout::large_file(queue_id{5}));
}

TEST_CASE_METHOD(large_world,
                 "a content that nobody appended goes at the next start, others stay") {
  const auto content = random_octets(5, 9000);
  REQUIRE_FALSE(append_large(queue_id{5}, content, 1));
  (void)upload(queue_id{6}, "finished, then the power failed");
  auto writer = store().create_large(queue_id{7}).value();
  REQUIRE_FALSE(writer->write("half"));
  CHECK(large_files() == 3);
  disk.cut_power_after(0);
  writer.reset();  // too late to take its file away
  end();
  disk.crash(GENERATE(range(1u, 9u)));
  opened = open_only(world(), options);
  // What this start writes is no orphan, though enumerate() comes later.
  auto m = make_message(8, {});
  m->large = upload(queue_id{8}, content);
  auto other = store().create_large(queue_id{9}).value();
  REQUIRE_FALSE(other->write("half"));
  opened.enumerate();
  settle_down();
  maintenance.run_delayed();
  CHECK_FALSE(has_file(queue_id{6}));
  CHECK_FALSE(has_file(queue_id{7}));
  REQUIRE_FALSE(append(m));
  auto n = make_message(9, {});
  n->large = other->finish().value();
  REQUIRE_FALSE(append(n));
  CHECK((*store().read(queue_id{5}))->content == content);
  CHECK((*store().read(queue_id{8}))->content == content);
  CHECK((*store().read(queue_id{9}))->content == "half");
}

TEST_CASE_METHOD(large_world, "the file of a refused message goes, and a new one may come") {
  disk.fail({disk_operation::sync, 2});  // file, then its directory is no file; then the segment
  auto m = make_message(5, {});
  m->large = upload(queue_id{5}, "content");
  disk.fail({disk_operation::write, 0, 1});
  CHECK(append(m) == errc::io_error);
  settle_down();
  maintenance.run_delayed();
  CHECK_FALSE(has_file(queue_id{5}));
}

TEST_CASE_METHOD(large_world, "a large content is refused when its disk is") {
  const auto what = GENERATE(disk_operation::write, disk_operation::sync,
                             disk_operation::sync_directory, disk_operation::open);
  disk.fail({what, 0, UINT64_MAX, errc::no_space});
  auto writer = store().create_large(queue_id{5});
  bool refused = writer.has_error();
  if (!refused) refused = (*writer)->write("content").failed() || (*writer)->finish().has_error();
  CHECK(refused);
}

TEST_CASE_METHOD(large_world, "a damaged large content is never handed out as whole") {
  const auto content = random_octets(5, 20'000);
  REQUIRE_FALSE(append_large(queue_id{5}, content, 1));
  const auto bit = GENERATE(0u, 8u * 9999, 8u * 19'999 + 7);
  if (GENERATE(false, true)) {
    REQUIRE(disk.flip_bit(spool::layout::large_file(queue_id{5}), bit));
  } else {
    disk.put(spool::layout::large_file(queue_id{5}), content.substr(0, bit / 8));
  }
  CHECK(store().read(queue_id{5}).error() == errc::corrupt);
  auto reader = store().open_content(queue_id{5}).value();
  error_code error;
  for (;;) {
    const auto piece = reader->next(6000);
    if (!piece) error = piece.error();
    if (!piece || piece->empty()) break;
  }
  CHECK(error == errc::corrupt);
}

TEST_CASE_METHOD(large_world, "a content that is being read may leave, or go on to its end") {
  const auto content = random_octets(5, 20'000);
  REQUIRE_FALSE(append_large(queue_id{5}, content, 1));
  auto reader = store().open_content(queue_id{5}).value();
  REQUIRE(reader->next(100).value() == content.substr(0, 100));
  REQUIRE_FALSE(settle(change_of(queue_id{5}, 0, recipient_status::delivered), 2));
  settle_down();
  maintenance.run_delayed();
  std::string rest;
  error_code error;
  for (;;) {
    const auto piece = reader->next(6000);
    if (!piece) error = piece.error();
    if (!piece || piece->empty()) break;
    rest += *piece;
  }
  CHECK((error == errc::not_found || rest == content.substr(100)));
}
