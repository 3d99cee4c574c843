// What the workers count and remember together: rates, connections, the greylist and its file, and
// the way of a question from one worker to another.
#include "inbound/shared_policy.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <catch2/catch.hpp>
#include <thread>

#include "gatekeeper_scene.hpp"
#include "support/system_world.hpp"

namespace relais::testing {
namespace {

using namespace std::chrono_literals;
using config::rate_of;
using smtp::reply_id;

config::rate_limit limit_of(rate_of of, std::uint64_t most) {
  config::rate_limit l;
  l.of = of;
  l.limit = most;
  l.place = {"c.yaml", 40};
  return l;
}

struct scene : gatekeeper_scene {
  scene() { comes_from("192.0.2.1"); }
};

const std::string too_much = "rate_limited [c.yaml:40: policy.rates]";

TEST_CASE("rates of connections, messages and recipients have their replies") {
  scene s;
  s.settings.policy.rates = {limit_of(rate_of::connections, 3), limit_of(rate_of::messages, 2),
                             limit_of(rate_of::recipients, 4)};
  for (int i = 0; i < 3; ++i) CHECK(s.connect() == "welcome");
  CHECK(s.connect() == "too_many_connections [c.yaml:40: policy.rates]");
  for (int i = 0; i < 2; ++i) CHECK(s.mail("a@b.test") == "welcome");
  CHECK(s.mail("a@b.test") == too_much);
  for (int i = 0; i < 4; ++i) CHECK(s.rcpt("r@r.test") == "welcome");
  CHECK(s.rcpt("r@r.test") == too_much);
  s.comes_from("192.0.2.2");
  CHECK(s.connect() == "welcome");
  s.comes_from("192.0.2.1");
  s.pass_time(2min);
  CHECK(s.connect() == "welcome");
  CHECK(s.mail("a@b.test") == "welcome");
}

TEST_CASE("rates also concern trusted clients and users, but not the exempt") {
  scene s;
  s.settings.policy.rates = {limit_of(rate_of::messages, 1)};
  s.settings.policy.rate_exempt = {*ip_network::parse("198.51.100.0/24")};
  s.client.is_trusted = true;
  CHECK(s.mail("a@b.test") == "welcome");
  s.client.user = "joe";
  CHECK(s.mail("a@b.test") == too_much);
  s.comes_from("198.51.100.1");
  CHECK(s.mail("a@b.test") == "not asked");
}

TEST_CASE("who is refused by another check is not counted") {
  scene s;
  config::access_rule no;
  no.senders = {"bad.test"};
  no.recipients = {};
  s.settings.policy.rules = {no};
  s.settings.policy.rates = {limit_of(rate_of::messages, 1), limit_of(rate_of::recipients, 1)};
  s.settings.policy.greylist.enabled = true;
  for (int i = 0; i < 5; ++i) CHECK(s.mail("a@bad.test").starts_with("policy_rejected "));
  CHECK(s.mail("a@good.test") == "welcome");
  CHECK(s.mail("a@good.test") == too_much);
  // Nor who is greylisted.
  for (int i = 0; i < 5; ++i) CHECK(s.rcpt("r@r.test").starts_with("greylisted "));
  s.pass_time(5min);
  CHECK(s.rcpt("r@r.test") == "welcome");
  CHECK(s.rcpt("r@r.test") == too_much);
}

TEST_CASE("connections of a client and of its network are counted until they leave") {
  scene s;
  s.settings.limits.connections_per_client = 2;
  s.settings.limits.connections_per_network = 3;
  s.keeper();
  inbound::connection_book book(*s.shared, s.here);
  const auto admit = [&](const char* address) {
    const auto refusal = s.run(book.admit(*ip_address::parse(address)));
    CHECK((!refusal || *refusal == reply_id::too_many_connections));
    return !refusal;
  };
  CHECK(admit("192.0.2.1"));
  CHECK(admit("192.0.2.1"));
  for (int i = 0; i < 10; ++i) CHECK_FALSE(admit("192.0.2.1"));
  CHECK(admit("192.0.2.2"));
  CHECK_FALSE(admit("192.0.2.3"));
  CHECK(admit("192.0.3.3"));
  book.leave(*ip_address::parse("192.0.2.1"));
  CHECK(admit("192.0.2.3"));
  CHECK_FALSE(admit("192.0.2.1"));
  CHECK(admit("2001:db8::1"));
  CHECK(admit("2001:db8::2"));
  CHECK(admit("2001:db8::3"));
  CHECK_FALSE(admit("2001:db8::4"));
}

TEST_CASE("without limits connections are not counted") {
  scene s;
  s.settings.limits.connections_per_client = 0;
  s.keeper();
  CHECK_FALSE(s.shared->counts_connections());
  inbound::connection_book book(*s.shared, s.here);
  CHECK_FALSE(s.run(book.admit(*ip_address::parse("192.0.2.1"))));
  book.leave(*ip_address::parse("192.0.2.1"));
}

struct greylist_scene : scene {
  greylist_scene() {
    settings.policy.greylist.enabled = true;
    open();
  }
  ~greylist_scene() { stop(); }
  void open() {
    runner = world.make_runner();
    file = inbound::make_state_file(disk, *runner, "greylist",
                                    [this](const std::string& why) { told.push_back(why); });
    memory = file.get();
  }
  /// An orderly end, ten seconds long: what was given to the runner is done.
  void stop() {
    if (shared) shared->flush();
    close();
    pass_time(10s);
    file.reset();
    runner.reset();
  }
  std::string wait() { return rcpt("r@r.test"); }

  sim_disk disk;
  std::unique_ptr<spool::runner> runner;
  std::unique_ptr<inbound::state_file> file;
  std::vector<std::string> told;
};

TEST_CASE("the greylist survives a restart") {
  greylist_scene s;
  s.mail("a@b.test");
  CHECK(s.wait() == "greylisted 300 [policy.greylist]");
  s.pass_time(2min);
  s.stop();
  s.open();
  CHECK(s.wait() == "greylisted 170 [policy.greylist]");
  s.pass_time(3min);
  CHECK(s.wait() == "welcome");
  s.stop();
  s.open();
  CHECK(s.wait() == "welcome");
  CHECK(s.told.empty());
  CHECK(s.log.lines.empty());
  CHECK(s.disk.files() == std::vector<std::string>{"greylist"});
}

TEST_CASE("a process that is killed loses a second of the greylist at most") {
  greylist_scene s;
  s.mail("a@b.test");
  s.wait();
  s.pass_time(2s);
  s.rcpt("late@r.test");
  // What the file holds at this moment is what the next process finds.
  const auto left = *s.disk.content("greylist");
  sim_disk next;
  next.put("greylist", left);
  greylist_scene after;
  after.world.clock.elapsed = s.world.clock.elapsed;
  after.file = inbound::make_state_file(next, *after.runner, "greylist", [](const std::string&) {});
  after.memory = after.file.get();
  after.mail("a@b.test");
  CHECK(after.wait() == "greylisted 298 [policy.greylist]");
  CHECK(after.rcpt("late@r.test") == "greylisted 300 [policy.greylist]");
  after.stop();
}

TEST_CASE("whatever a power cut leaves of the greylist, the relay starts with it") {
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    greylist_scene s;
    s.mail("a@b.test");
    s.disk.cut_power_after(seed % 20);
    for (int i = 0; i < 20; ++i) {
      s.rcpt(std::to_string(i) + "@r.test");
      s.pass_time(2s);
    }
    s.stop();
    s.disk.crash(seed);
    s.open();
    CHECK(s.rcpt("new@r.test") == "greylisted 300 [policy.greylist]");
    s.pass_time(5min);
    CHECK(s.rcpt("new@r.test") == "welcome");
    s.stop();
  }
}

TEST_CASE("lines that were torn are gone behind the next start, and the file is whole again") {
  greylist_scene s;
  s.mail("a@b.test");
  s.wait();
  s.pass_time(2s);
  s.stop();
  auto content = *s.disk.content("greylist");
  const auto key = content.substr(content.find('\n') + 1);
  s.disk.put("greylist", content + "garbage\n" + key.substr(0, 20));
  s.open();
  CHECK(s.wait() == "greylisted 288 [policy.greylist]");
  s.stop();
  CHECK(*s.disk.content("greylist") == content);
}

TEST_CASE("a disk that fails costs memory of the greylist only, and is told of once") {
  greylist_scene s;
  s.keeper();
  s.pass_time(1s);
  s.disk.fail({.what = disk_operation::write, .after = 0, .times = 3, .error = errc::no_space});
  for (int i = 0; i < 6; ++i) {
    CHECK(s.rcpt(std::to_string(i) + "@r.test").starts_with("greylisted "));
    s.pass_time(2s);
  }
  CHECK(s.told.size() == 1);
  s.pass_time(5min);
  CHECK(s.rcpt("0@r.test") == "welcome");
  s.stop();
  s.open();
  CHECK(s.rcpt("0@r.test") == "welcome");
  CHECK(s.rcpt("5@r.test") == "welcome");
  CHECK(s.rcpt("1@r.test") == "greylisted 300 [policy.greylist]");
}

TEST_CASE("mistakes in files of rules end the start") {
  scene s;
  s.settings.policy.rules_files = {"/nonexistent/rules"};
  CHECK_THROWS_WITH(s.keeper(), Catch::Contains("/nonexistent/rules: cannot be read"));
}

TEST_CASE("two workers count together") {
  scene s;
  s.settings.policy.rates = {limit_of(rate_of::messages, 3)};
  s.settings.limits.connections_per_client = 3;
  s.keeper();
  net::asio::io_context second;
  const net::runtime there{second.get_executor(), s.world.clock, s.world.random, s.world.alarms(),
                           s.here.network};
  const auto other = inbound::make_gatekeeper(s.settings, there, s.dns, *s.shared, s.log);
  inbound::connection_book book(*s.shared, s.here), of_other(*s.shared, there);
  // Asked on the second worker; both are polled in turn.
  const auto run_there = [&](auto job) {
    auto outcome = std::make_shared<std::optional<typename decltype(job)::value_type>>();
    net::asio::co_spawn(second, std::move(job),
                        [outcome](std::exception_ptr, auto value) { *outcome = std::move(value); });
    for (int i = 0; i < 100 && !*outcome; ++i) {
      second.restart();
      second.poll();
      s.world.run_until([] { return true; }, 0s);
    }
    REQUIRE(*outcome);
    return **outcome;
  };
  const auto sender = smtp::parse_address("a@b.test").value();
  CHECK(s.mail("a@b.test") == "welcome");
  CHECK(text_of(run_there(other->at_mail(s.client, sender))) == "welcome");
  CHECK(s.mail("a@b.test") == "welcome");
  CHECK(text_of(run_there(other->at_mail(s.client, sender))) == too_much);
  CHECK(s.mail("a@b.test") == too_much);

  const auto client = s.client.address;
  CHECK_FALSE(run_there(of_other.admit(client)));
  CHECK_FALSE(s.run(book.admit(client)));
  CHECK_FALSE(run_there(of_other.admit(client)));
  CHECK(s.run(book.admit(client)));
  of_other.leave(client);
  CHECK_FALSE(s.run(book.admit(client)));
  CHECK(run_there(of_other.admit(client)));
}

TEST_CASE("a session that ends while its question is at the first worker leaves nothing behind") {
  scene s;
  s.settings.policy.rates = {limit_of(rate_of::messages, 1)};
  s.keeper();
  net::asio::io_context second;
  const net::runtime there{second.get_executor(), s.world.clock, s.world.random, s.world.alarms(),
                           s.here.network};
  const auto other = inbound::make_gatekeeper(s.settings, there, s.dns, *s.shared, s.log);
  const auto sender = smtp::parse_address("a@b.test").value();
  net::asio::cancellation_signal stop;
  bool over = false;
  net::asio::co_spawn(second, other->at_mail(s.client, sender),
                      net::asio::bind_cancellation_slot(
                          stop.slot(), [&](std::exception_ptr, inbound::verdict) { over = true; }));
  second.poll();
  stop.emit(net::asio::cancellation_type::terminal);
  second.restart();
  second.poll();
  CHECK(over);
  s.world.run_until([] { return true; }, 0s);
  second.restart();
  second.poll();
  CHECK(s.mail("a@b.test") == too_much);  // it was counted all the same
}

net::task<void> come_and_go(inbound::connection_book& book, int times, int& admitted) {
  const auto client = *ip_address::parse("192.0.2.1");
  for (int i = 0; i < times; ++i) {
    const auto refusal = co_await book.admit(client);
    if (refusal) continue;
    ++admitted;
    book.leave(client);
  }
}

TEST_CASE("two workers on threads of their own") {
  system_world first, second;
  config::settings settings;
  settings.limits.connections_per_client = 2;
  notice_log log;
  inbound::shared_policy shared(settings, first.world, nullptr, log);
  inbound::connection_book here(shared, first.world), there(shared, second.world);
  int admitted_here = 0, admitted_there = 0;
  auto stay = net::asio::make_work_guard(first.io);
  net::asio::co_spawn(first.io, come_and_go(here, 2000, admitted_here), [](std::exception_ptr) {});
  net::asio::co_spawn(second.io, come_and_go(there, 2000, admitted_there),
                      [](std::exception_ptr) {});
  std::thread other([&] {
    second.io.run();
    stay.reset();
  });
  first.io.run();
  other.join();
  CHECK(admitted_here == 2000);
  CHECK(admitted_there == 2000);
}

}  // namespace
}  // namespace relais::testing
