// Content on its way in, over a spool that only remembers: what is held never exceeds the budget,
// however many send at once, and what arrives at the spool is what was sent.
#include "inbound/incoming_content.hpp"

#include <boost/asio/co_spawn.hpp>
#include <catch2/catch.hpp>
#include <map>

#include "base/error.hpp"
#include "support/relay_scene.hpp"

namespace relais::testing {
namespace {

using namespace std::chrono_literals;
using inbound::incoming_content;
using smtp::reply_id;

// Takes large contents, and fails as it is told.
class large_shelf final : public spool::store {
 public:
  struct file {
    std::string content;
    bool finished = false;
    bool open = true;
    std::size_t longest = 0;
  };
  class writer final : public spool::large_writer {
   public:
    writer(large_shelf& shelf, file& f) : shelf_(shelf), file_(f) {}
    ~writer() override { file_.open = false; }
    writer(const writer&) = delete;
    writer& operator=(const writer&) = delete;
    error_code write(std::string_view octets) override {
      if (shelf_.write_error) return shelf_.write_error;
      file_.longest = std::max(file_.longest, octets.size());
      file_.content += octets;
      return {};
    }
    result<spool::large_content> finish() override {
      if (shelf_.finish_error) return shelf_.finish_error;
      file_.finished = true;
      return spool::large_content{file_.content.size(), 7};
    }

   private:
    large_shelf& shelf_;
    file& file_;
  };

  result<std::unique_ptr<spool::large_writer>> create_large(queue_id id) override {
    if (create_error) return create_error;
    return std::make_unique<writer>(*this, files[id]);
  }
  result<spool::recovery_report> enumerate(
      const std::function<void(spool::stored_message)>&) override {
    return spool::recovery_report{};
  }
  void append(spool::append_request, spool::completion_sink&) override {}
  void settle(spool::state_change) override {}
  void settle(spool::state_change, std::uint64_t, spool::completion_sink&) override {}
  std::vector<spool::stored_message> messages(std::size_t) override { return {}; }
  std::optional<queue_id> oldest() override { return {}; }
  std::optional<spool::stored_message> look_up(queue_id) override { return {}; }
  result<std::shared_ptr<const spool::message>> read(queue_id) override { return errc::not_found; }
  result<std::unique_ptr<spool::content_reader>> open_content(queue_id) override {
    return errc::not_found;
  }
  spool::health has_room(std::uint64_t) const noexcept override { return spool::health::good; }
  spool::store_status status() const override { return {}; }
  void flush(std::function<void(error_code)>) override {}
  void close() override {}

  std::map<queue_id, file> files;
  error_code create_error, write_error, finish_error;
};

struct scene {
  explicit scene(std::uint64_t seed, std::uint64_t memory)
      : world(seed), readers(world.make_runner(4)), budget(memory) {
    limits.inline_max = 32 * 1024;
    limits.header_size = 8 * 1024;
  }
  ~scene() {
    world.run_until([] { return false; }, 1min);
    for (const auto& [id, f] : shelf.files) CHECK_FALSE(f.open);
  }
  scene(const scene&) = delete;
  scene& operator=(const scene&) = delete;

  void run(net::task<void> job) {
    bool over = false;
    net::asio::co_spawn(world.io, std::move(job), [&](const std::exception_ptr& e) {
      over = true;
      if (e) std::rethrow_exception(e);
    });
    world.run_until([&] { return over; }, 1h);
    REQUIRE(over);
  }
  std::unique_ptr<incoming_content> begin(std::uint64_t id) {
    auto made = std::make_unique<incoming_content>(limits, gate, budget);
    made->begin(queue_id{id}, "Received: here\r\n");
    return made;
  }

  sim_world world;
  large_shelf shelf;
  std::unique_ptr<spool::runner> readers;
  queue::memory_budget budget;
  queue::spool_gate gate{shelf, *readers, world.runtime(*ip_address::parse("192.0.2.1"))};
  inbound::content_limits limits;
};

net::task<void> take(incoming_content& content, std::string_view octets) {
  if (!content.absorb(octets)) co_await content.spill(octets);
}

net::task<void> send(incoming_content& content, std::string_view octets, sim_world& world,
                     const std::function<void()>& look) {
  const auto& here = world.runtime(*ip_address::parse("192.0.2.1"));
  while (!octets.empty()) {
    const auto part = octets.substr(0, 1 + world.random.below(20'000));
    octets.remove_prefix(part.size());
    co_await take(content, part);
    look();
    const auto pause = duration(static_cast<std::int64_t>(world.random.below(10'000'000)));
    co_await net::sleep_for(here, pause);
  }
  co_await content.finish();
  look();
}

std::string text_of(std::size_t size, std::uint64_t seed) {
  std::string text = "Subject: " + std::to_string(seed) + "\r\n\r\n";
  while (text.size() < size) text += "line " + std::to_string(text.size() * (seed + 1)) + "\r\n";
  text.resize(size);
  return text;
}

TEST_CASE("many that send at once never hold more than the budget, and all come through") {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    scene s(seed, seed % 2 == 0 ? 256 * 1024 : 208 * 1024);
    constexpr std::size_t count = 50;  // 4 KiB for each at least; together 5 MB
    std::vector<std::unique_ptr<incoming_content>> contents;
    std::vector<std::string> texts;
    std::uint64_t peak = 0;
    std::size_t finished = 0;
    const std::function<void()> look = [&] {
      std::uint64_t held = 0;
      for (const auto& c : contents) held += c->memory();
      peak = std::max(peak, held);
      CHECK(held <= s.budget.limit());
      CHECK(s.budget.used() <= s.budget.limit());
    };
    for (std::size_t i = 0; i < count; ++i) {
      texts.push_back(text_of(20 + s.world.random.below(200'000), i));
      contents.push_back(s.begin(i));
    }
    for (std::size_t i = 0; i < count; ++i) {
      auto sending = send(*contents[i], texts[i], s.world, look);
      net::asio::co_spawn(s.world.io, std::move(sending), [&](const std::exception_ptr& e) {
        ++finished;
        if (e) std::rethrow_exception(e);
      });
    }
    s.world.run_until([&] { return finished == count; }, 10h);
    REQUIRE(finished == count);
    CHECK(peak > 0);
    for (std::size_t i = 0; i < count; ++i) {
      INFO("content " << i << " of " << texts[i].size() << ", seed " << seed);
      auto& c = *contents[i];
      CHECK_FALSE(c.fault());
      const auto id = queue_id{i};
      const auto whole = "Received: here\r\n" + texts[i];
      CHECK(c.size() == whole.size());
      CHECK(c.header().length == std::string_view(whole).find("\r\n\r\n") + 2);
      if (c.large()) {
        CHECK(c.large()->size == whole.size());
        CHECK(s.shelf.files.at(id).finished);
        CHECK(s.shelf.files.at(id).content == whole);
      } else {
        CHECK_FALSE(s.shelf.files.contains(id));
        CHECK(whole.size() <= s.limits.inline_max);
        CHECK(c.take_octets() == whole);
      }
    }
    contents.clear();
    CHECK(s.budget.used() == 0);
  }
}

TEST_CASE("content stays in memory up to the limit, and not beyond it") {
  scene s(1, 16 << 20);
  const auto extra = GENERATE(-1, 0, 1);
  const auto size = s.limits.inline_max - 16 + static_cast<std::uint64_t>(extra);
  const auto content = s.begin(1);
  s.run(send(*content, text_of(size, 1), s.world, [] {}));
  CHECK(content->large().has_value() == (extra == 1));
  CHECK(content->size() == size + 16);
}

TEST_CASE("a piece that the budget has no room for goes to the disk in smaller ones") {
  scene s(6, 100 * 1024);
  s.limits.inline_max = 1 << 20;
  queue::memory_lease others(s.budget);
  REQUIRE(others.cover(45 * 1024));
  const auto text = text_of(64 * 1024, 1);
  const auto content = s.begin(1);
  CHECK_FALSE(content->absorb(text));
  s.run(content->spill(text));
  CHECK(content->memory() <= 55 * 1024);
  s.run(content->finish());
  REQUIRE(content->large());
  CHECK(s.shelf.files.at(queue_id{1}).content == "Received: here\r\n" + text);
  CHECK(s.shelf.files.at(queue_id{1}).longest <= 55 * 1024);
}

TEST_CASE("a header in many pieces is seen as a whole") {
  // Most of the budget is used by others: pieces are small.
  scene s(2, 512 * 1024);
  queue::memory_lease others(s.budget);
  REQUIRE(others.cover(384 * 1024));
  s.limits.header_size = 60 * 1024;
  std::string text;
  for (int i = 0; i < 300; ++i) text += "X-Field: " + std::string(80, 'x') + "\r\n folded\r\n";
  text += "Received: there\r\nMessage-ID: <late@here>\r\n\r\nbody\r\n" + std::string(70'000, 'b');
  const auto content = s.begin(1);
  s.run(send(*content, text, s.world, [] {}));
  CHECK_FALSE(content->fault());
  const auto expected = message::scan_header("Received: here\r\n" + text);
  CHECK(content->header().length == expected.length);
  CHECK(content->header().received_fields == 2);
  CHECK(content->header().message_id == "<late@here>");
  REQUIRE(content->large());
  CHECK(s.shelf.files.at(queue_id{1}).longest <= 16 * 1024);
}

TEST_CASE("a header beyond the limit is refused, and nothing of the message is kept") {
  scene s(3, 16 << 20);
  std::string text;
  while (text.size() < 200'000) text += "X-Field: " + std::string(80, 'x') + "\r\n";
  const auto content = s.begin(1);
  s.run(send(*content, text, s.world, [] {}));
  CHECK(content->fault() == reply_id::header_too_large);
  CHECK_FALSE(content->large());
  CHECK(content->memory() < 100);
  CHECK(s.budget.used() == 0);
}

TEST_CASE("without memory even for a small piece the content is refused") {
  scene s(4, 4000);
  const auto content = s.begin(1);
  s.run(send(*content, text_of(100, 1), s.world, [] {}));
  CHECK(content->fault() == reply_id::no_storage);
  CHECK_FALSE(content->disk_error());
}

TEST_CASE("what the disk says to a large content becomes the answer") {
  struct row {
    int step;
    errc error;
    reply_id answer;
  };
  const auto r = GENERATE(values<row>({{0, errc::no_space, reply_id::no_storage},
                                       {0, errc::io_error, reply_id::queue_write_failed},
                                       {1, errc::no_space, reply_id::no_storage},
                                       {1, errc::io_error, reply_id::queue_write_failed},
                                       {2, errc::no_space, reply_id::no_storage},
                                       {2, errc::io_error, reply_id::queue_write_failed}}));
  scene s(5, 16 << 20);
  (r.step == 0   ? s.shelf.create_error
   : r.step == 1 ? s.shelf.write_error
                 : s.shelf.finish_error) = r.error;
  const auto content = s.begin(1);
  s.run(send(*content, text_of(100'000, 1), s.world, [] {}));
  CHECK(content->fault() == r.answer);
  CHECK(content->disk_error() == r.error);
  CHECK(s.budget.used() == 0);
  CHECK_FALSE(content->large());
}

// --- completed headers (submission)

std::string marked(std::string_view header) {
  return "X-Before: 1\r\n" + std::string(header) +
         (header.empty() || header.ends_with('\n') ? "" : "\r\n") + "X-Behind: 2\r\n";
}

struct completion_row {
  const char* name;
  std::string sent, stored;
};

std::vector<completion_row> completion_rows() {
  const std::string begin = "Received: here\r\nX-Before: 1\r\n";
  const std::string end = "X-Behind: 2\r\n";
  return {
      {"header and body", "A: 1\r\nB: 2\r\n\r\nbody\r\n.\r\n\r\n",
       begin + "A: 1\r\nB: 2\r\n" + end + "\r\nbody\r\n.\r\n\r\n"},
      {"folds", "A: 1\r\n\t2\r\n  3\r\n\r\nbody\r\n",
       begin + "A: 1\r\n\t2\r\n  3\r\n" + end + "\r\nbody\r\n"},
      {"no body", "A: 1\r\n\r\n", begin + "A: 1\r\n" + end + "\r\n"},
      {"no empty line and no body", "A: 1\r\n", begin + "A: 1\r\n" + end},
      {"no line end", "A: 1", begin + "A: 1\r\n" + end},
      {"nothing at all", "", begin + end},
      {"an empty header", "\r\nbody\r\n", begin + end + "\r\nbody\r\n"},
      {"no header", "hello you\r\nA: 1\r\n", begin + end + "\r\nhello you\r\nA: 1\r\n"},
      {"a body without line end", "hello you", begin + end + "\r\nhello you"},
      {"an empty line is missing", "A: 1\r\nhello\r\n", begin + "A: 1\r\n" + end + "\r\nhello\r\n"},
      {"bare LF in binary content", "A: 1\r\n\nb\ndy\r", begin + "A: 1\r\n" + end + "\nb\ndy\r"},
      {"a long body", "A: 1\r\n\r\n" + std::string(100'000, 'b'),
       begin + "A: 1\r\n" + end + "\r\n" + std::string(100'000, 'b')},
  };
}

TEST_CASE("a header is completed once, however it arrives, and the body is not touched") {
  for (const auto& r : completion_rows()) {
    DYNAMIC_SECTION(r.name) {
      for (const std::size_t step : {1u, 2u, 3u, 7u, 1000u, 1'000'000u}) {
        if (step < 1000 && r.sent.size() > 1000) continue;
        scene s(7, 16 << 20);
        std::size_t calls = 0;
        incoming_content content(s.limits, s.gate, s.budget);
        content.complete_with([&](std::string_view header) {
          ++calls;
          return marked(header);
        });
        content.begin(queue_id{1}, "Received: here\r\n");
        for (std::size_t at = 0; at < r.sent.size(); at += step)
          s.run(take(content, std::string_view(r.sent).substr(at, step)));
        const auto length = content.header().length;
        s.run(content.finish());
        CHECK(calls == 1);
        CHECK_FALSE(content.fault());
        CHECK(content.header().length == length);
        CHECK(length == message::scan_header(r.stored).length);
        CHECK(content.size() == r.stored.size());
        if (content.large()) {
          CHECK(s.shelf.files.at(queue_id{1}).content == r.stored);
        } else {
          CHECK(content.take_octets() == r.stored);
        }
      }
    }
  }
}

TEST_CASE("a header to be completed is held while memory is scarce, and goes to the disk then") {
  scene s(8, 512 * 1024);
  queue::memory_lease others(s.budget);
  REQUIRE(others.cover(300 * 1024));
  s.limits.header_size = 60 * 1024;
  std::string header;
  while (header.size() < 50'000) header += "X-Field: " + std::string(80, 'x') + "\r\n folded\r\n";
  const auto body = "\r\n" + std::string(90'000, 'b');
  incoming_content content(s.limits, s.gate, s.budget);
  content.complete_with(marked);
  content.begin(queue_id{1}, "Received: here\r\n");
  const std::function<void()> look = [&] { CHECK(s.budget.used() <= s.budget.limit()); };
  s.run(send(content, header + body, s.world, look));
  CHECK_FALSE(content.fault());
  REQUIRE(content.large());
  CHECK(s.shelf.files.at(queue_id{1}).content == "Received: here\r\n" + marked(header) + body);
}

TEST_CASE("a header to be completed is refused beyond the limit, and without memory") {
  const auto size = GENERATE(8 * 1024 - 1, 8 * 1024, 8 * 1024 + 1, 200'000);
  const std::string text = "A: " + std::string(static_cast<std::size_t>(size) - 5, 'x') + "\r\n";
  const auto step = GENERATE(as<std::size_t>(), 100, 1'000'000);
  {
    scene s(9, 16 << 20);
    incoming_content content(s.limits, s.gate, s.budget);
    content.complete_with(marked);
    content.begin(queue_id{1}, "Received: here\r\n");
    const auto sent = text + "\r\nbody";
    for (std::size_t at = 0; at < sent.size(); at += step)
      s.run(take(content, std::string_view(sent).substr(at, step)));
    s.run(content.finish());
    const bool fits = text.size() <= s.limits.header_size;
    CHECK(content.fault().has_value() == !fits);
    if (!fits) {
      CHECK(content.fault() == reply_id::header_too_large);
      CHECK(s.budget.used() == 0);
    }
  }
  scene s(10, 8 * 1024);
  incoming_content content(s.limits, s.gate, s.budget);
  content.complete_with(marked);
  content.begin(queue_id{1}, "Received: here\r\n");
  s.run(take(content, text + "\r\n"));
  CHECK(content.fault() == reply_id::no_storage);
  CHECK(s.budget.used() == 0);
}

}  // namespace
}  // namespace relais::testing
