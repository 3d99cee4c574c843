// Many transactions over one session to a real server core, with cut and delayed packets and with
// connections that break anywhere: in order, nothing lost, nothing twice but what was said to be
// uncertain.
#include <map>

#include "client_session_scene.hpp"
#include "support/scripted_mta.hpp"

namespace relais::testing {
namespace {

using namespace std::chrono_literals;

struct offer {
  std::string name;
  bool pipelining, chunking;
};

struct stream_of_mail {
  stream_of_mail(std::uint64_t seed, const offer& o)
      : world(seed), remote(world.runtime(there), endpoint{there, 25}, "mx.test") {
    if (!o.pipelining) remote.extensions.remove(smtp::extension::pipelining);
    if (!o.chunking) remote.extensions.remove(smtp::extension::chunking);
    for (int i = 0; i < 30; ++i) {
      auto text = "Subject: " + std::to_string(i) + "\r\n\r\n";
      // Every seventh is larger than what is sent ahead, or than one block.
      const std::size_t lines = i % 7 == 3 ? 3000 : i % 5 == 2 ? 700 : 1;
      for (std::size_t k = 0; k < lines; ++k) text += "." + std::string(97, 'x') + "\r\n";
      all.push_back(std::make_unique<small_mail>(std::move(text)));
    }
  }
  ~stream_of_mail() {
    remote.stop();
    world.run_until([&] { return remote.is_idle(); }, 1h);
  }
  stream_of_mail(const stream_of_mail&) = delete;
  stream_of_mail& operator=(const stream_of_mail&) = delete;

  void play(bool overlaps) {
    bool over = false;
    net::asio::co_spawn(world.io, send_all(overlaps), [&](const std::exception_ptr& e) {
      over = true;
      if (e) std::rethrow_exception(e);
    });
    REQUIRE(world.run_until([&] { return over; }, 100h));
  }

  net::task<void> send_all(bool overlaps) {
    std::size_t next = 0;
    while (next < all.size()) {
      delivery::session_options options;
      options.hello = "us.test";
      options.tls.level = smtp::tls_level::none;
      delivery::session_target target;
      target.host.address = there;
      delivery::client_session session(world.runtime(here), std::move(options), std::move(target));
      const bool is_open = co_await session.open();
      ++sessions;
      if (is_open) co_await use(session, next, overlaps);
      co_await session.quit();
    }
  }

  net::task<void> use(delivery::client_session& session, std::size_t& next, bool overlaps) {
    while (next < all.size() && session.is_usable()) {
      auto* const now = &all[next]->out;
      auto* const ahead = overlaps && next + 1 < all.size() ? &all[next + 1]->out : nullptr;
      co_await session.send(*now, ahead);
      if (now->what.was_begun) ++next;
      // One that was begun ahead of a break, and not called off, is over as well.
      if (!session.is_usable() && ahead != nullptr && ahead->what.was_begun) ++next;
    }
  }

  const ip_address here = *ip_address::parse("192.0.2.1");
  const ip_address there = *ip_address::parse("198.51.100.25");
  sim_world world;
  scripted_mta remote;
  std::vector<std::unique_ptr<small_mail>> all;
  std::size_t sessions = 0;
};

const offer offers[] = {{"nothing", false, false},
                        {"PIPELINING", true, false},
                        {"CHUNKING", false, true},
                        {"PIPELINING and CHUNKING", true, true}};

TEST_CASE("client session: thirty messages over one session arrive whole and in order") {
  const auto& o = offers[GENERATE(0, 1, 2, 3)];
  const bool overlaps = GENERATE(false, true);
  INFO(o.name << ", overlap " << overlaps);
  stream_of_mail s(7, o);
  s.play(overlaps);
  CHECK(s.sessions == 1);
  REQUIRE(s.remote.taken.size() == s.all.size());
  for (std::size_t i = 0; i < s.all.size(); ++i) {
    CHECK(s.all[i]->results() == "content 250, content 250");
    CHECK(s.remote.taken[i].content == s.all[i]->text);
  }
}

TEST_CASE("client session: with overlap a message takes one round trip") {
  // Time passes by packets only: each way takes up to 40 ms, 20 on average.
  const auto took = [](bool overlaps) {
    stream_of_mail s(3, offers[1]);
    s.world.cuts_writes = false;
    const auto before = s.world.clock.now();
    s.play(overlaps);
    return s.world.clock.now() - before;
  };
  const auto without = took(false), with = took(true);
  // Two round trips for each of thirty messages without, one with.
  CHECK(with.count() * 10 < without.count() * 7);
}

TEST_CASE("client session: connections that break anywhere lose nothing and lie about nothing") {
  const auto& o = offers[GENERATE(0, 1, 2, 3)];
  std::size_t broken = 0;
  for (std::uint64_t seed = 1; seed <= 12; ++seed) {
    INFO(o.name << ", seed " << seed);
    stream_of_mail s(seed, o);
    s.world.reset_one_in = 60;
    s.play(true);
    s.world.reset_one_in = 0;
    s.world.run_until([] { return false; }, 1h);
    std::map<std::string, std::size_t> taken;
    for (const auto& t : s.remote.taken) ++taken[t.content];
    for (const auto& mail : s.all) {
      const auto results = mail->results();
      const auto copies = taken[mail->text];
      if (results == "content 250, content 250") CHECK(copies == 1);
      if (copies > 0) CHECK(results.starts_with("content "));
      CHECK(copies <= 1);
      if (results != "content 250, content 250") ++broken;
    }
  }
  CHECK(broken > 0);
}

}  // namespace
}  // namespace relais::testing
