// What delivery sends behind 354: from memory, in pieces, and from a source that fails halfway.
#include "delivery/content_source.hpp"

#include <boost/asio/co_spawn.hpp>
#include <catch2/catch.hpp>

#include "base/error.hpp"
#include "delivery/client_session.hpp"
#include "support/scripted_mta.hpp"
#include "support/sim_network.hpp"

namespace relais::testing {
namespace {

using namespace std::chrono_literals;

// Hands out given pieces, then an error or the end.
class scripted_source final : public delivery::content_source {
 public:
  scripted_source(std::vector<std::string> pieces, error_code end)
      : pieces_(std::move(pieces)), end_(end) {
    for (const auto& p : pieces_) size_ += p.size();
  }
  std::uint64_t size() const noexcept override { return size_ + missing; }
  net::task<result<std::string_view>> next() override {
    if (next_ < pieces_.size()) co_return std::string_view(pieces_[next_++]);
    if (end_) co_return end_;
    co_return std::string_view();
  }
  std::uint64_t missing = 0;  ///< octets that are promised, and do not come

 private:
  std::vector<std::string> pieces_;
  error_code end_;
  std::uint64_t size_ = 0;
  std::size_t next_ = 0;
};

struct scene {
  explicit scene(std::uint64_t seed)
      : world(seed),
        remote(world.runtime(remote_address), endpoint{remote_address, 25}, "mx.test") {}
  ~scene() {
    remote.stop();
    world.run_until([&] { return remote.is_idle(); }, 1min);
  }
  scene(const scene&) = delete;
  scene& operator=(const scene&) = delete;

  struct outcome {
    error_code fault;
    bool usable = false;
    std::vector<smtp::recipient_reply> results;
  };
  outcome send(std::unique_ptr<delivery::content_source> source) {
    outcome told;
    bool over = false;
    auto sending = deliver(std::move(source), told);
    net::asio::co_spawn(world.io, std::move(sending), [&](const std::exception_ptr& e) {
      over = true;
      if (e) std::rethrow_exception(e);
    });
    world.run_until([&] { return over; }, 1h);
    REQUIRE(over);
    return told;
  }
  net::task<void> deliver(std::unique_ptr<delivery::content_source> source, outcome& told) {
    delivery::session_options options;
    options.hello = "relay.test";
    options.use_chunking = chunks;
    delivery::session_target target;
    target.host.name = "mx.test";
    target.host.address = remote_address;
    delivery::client_session session(world.runtime(*ip_address::parse("192.0.2.1")),
                                     std::move(options), std::move(target));
    const bool open = co_await session.open();
    if (!open) co_return;
    smtp::envelope envelope;
    envelope.reverse_path = *smtp::parse_address("me@here.test");
    envelope.forward_paths.push_back(*smtp::parse_address("you@far.test"));
    delivery::outgoing mail;
    mail.what.message = &envelope;
    mail.what.recipients.push_back(0);
    mail.content = std::move(source);
    co_await session.send(mail, nullptr);
    told.fault = mail.content_fault;
    told.usable = session.is_usable();
    told.results = mail.what.results;
    co_await session.quit();
  }

  const ip_address remote_address = *ip_address::parse("198.51.100.25");
  sim_world world;
  scripted_mta remote;
  bool chunks = false;
};

TEST_CASE("content in pieces arrives as it is, wherever the cuts are") {
  const std::string whole =
      "Subject: x\r\n\r\n.dot\r\n..two\r\n.\r\n...\r\nlast line without its end\r\n.";
  const bool chunks = GENERATE(false, true);
  for (std::size_t cut = 1; cut < whole.size(); ++cut) {
    scene s(cut);
    s.chunks = chunks;
    const std::vector<std::string> pieces{whole.substr(0, cut), whole.substr(cut)};
    const auto told = s.send(std::make_unique<scripted_source>(pieces, error_code()));
    INFO("cut at " << cut << " chunks " << chunks);
    CHECK_FALSE(told.fault);
    CHECK(told.usable);
    REQUIRE(s.remote.taken.size() == 1);
    CHECK(s.remote.taken[0].content == whole + "\r\n");
  }
}

TEST_CASE("an empty content and one in memory are sent to their end") {
  scene s(1);
  s.chunks = GENERATE(false, true);
  const std::string octets = GENERATE("", "Subject: y\r\n\r\n.\r\n");
  CHECK(s.send(std::make_unique<delivery::content_in_memory>(octets)).usable);
  REQUIRE(s.remote.taken.size() == 1);
  CHECK(s.remote.taken[0].content == octets);
}

TEST_CASE("a content that cannot be read to its end is cut off without the final dot") {
  const auto how = GENERATE("fails at once", "fails halfway", "ends too early", "is too long");
  scene s(2);
  std::vector<std::string> pieces{"Subject: x\r\n\r\n", std::string(100'000, 'x') + "\r\n"};
  error_code end;
  if (how == std::string("fails at once")) pieces.clear();
  if (how == std::string("fails at once") || how == std::string("fails halfway")) {
    end = errc::corrupt;
  }
  auto source = std::make_unique<scripted_source>(pieces, end);
  s.chunks = GENERATE(false, true);
  // Modulo 2^64 one octet less than there are.
  source->missing = how == std::string("is too long") ? ~std::uint64_t{0} : 10;
  const auto told = s.send(std::move(source));
  s.world.run_until([] { return false; }, 1h);
  INFO(how);
  CHECK(told.fault == errc::corrupt);
  CHECK_FALSE(told.usable);
  REQUIRE(told.results.size() == 1);
  CHECK_FALSE(told.results[0].remote);
  // The remote MTA never saw an end of data.
  CHECK(s.remote.attempts.empty());
  CHECK(s.remote.taken.empty());
}

}  // namespace
}  // namespace relais::testing
