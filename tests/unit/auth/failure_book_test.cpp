// The budget against guessing, and the delays behind failures.
#include "auth/failure_book.hpp"

#include <catch2/catch.hpp>

using namespace relais;
using namespace relais::auth;
using namespace std::chrono_literals;

namespace {

ip_address at(const char* text) {
  return *ip_address::parse(text);
}

config::auth_settings limits(std::uint64_t failures, duration window) {
  config::auth_settings settings;
  settings.failures_per_client = failures;
  settings.failure_window = window;
  return settings;
}

const steady_time start{1000s};

}  // namespace

TEST_CASE("a client that has failed too often waits for the end of its window", "[auth]") {
  failure_book book(limits(3, 10min));
  const auto bad = at("192.0.2.1");
  for (int i = 0; i < 3; ++i) {
    CHECK_FALSE(book.is_blocked(bad, start));
    book.failed(bad, start + i * 1min);
  }
  CHECK(book.is_blocked(bad, start + 3min));
  CHECK_FALSE(book.is_blocked(at("192.0.2.2"), start + 3min));
  CHECK(book.is_blocked(bad, start + 10min - 1ns));
  CHECK_FALSE(book.is_blocked(bad, start + 10min));
  CHECK(book.size() == 0);
}

TEST_CASE("failures that are far apart never add up", "[auth]") {
  failure_book book(limits(2, 1min));
  for (int i = 0; i < 50; ++i) {
    CHECK_FALSE(book.is_blocked(at("192.0.2.1"), start + i * 1min));
    book.failed(at("192.0.2.1"), start + i * 1min);
  }
}

TEST_CASE("IPv6 clients are counted by /64", "[auth]") {
  failure_book book(limits(2, 10min));
  book.failed(at("2001:db8:1:2::1"), start);
  book.failed(at("2001:db8:1:2:ffff::9"), start);
  CHECK(book.is_blocked(at("2001:db8:1:2:a:b:c:d"), start));
  CHECK_FALSE(book.is_blocked(at("2001:db8:1:3::1"), start));
}

TEST_CASE("a limit of 0 is none", "[auth]") {
  failure_book book(limits(0, 10min));
  for (int i = 0; i < 100; ++i) book.failed(at("192.0.2.1"), start);
  CHECK_FALSE(book.is_blocked(at("192.0.2.1"), start));
  CHECK(book.size() == 0);
}

TEST_CASE("the book of failures is bounded: the oldest goes first", "[auth]") {
  failure_book book(limits(1, 10min), 100);
  for (std::uint32_t i = 0; i < 1000; ++i) book.failed(ip_address::v4(i), start + i * 1ms);
  CHECK(book.size() == 100);
  CHECK(book.is_blocked(ip_address::v4(999), start + 1s));
  CHECK(book.is_blocked(ip_address::v4(900), start + 1s));
  CHECK_FALSE(book.is_blocked(ip_address::v4(899), start + 1s));
  book.failed(ip_address::v4(5000), start + 1h);
  CHECK(book.size() == 1);
}

TEST_CASE("a reload changes the limits and keeps what was counted", "[auth]") {
  failure_book book(limits(10, 10min));
  for (int i = 0; i < 5; ++i) book.failed(at("192.0.2.1"), start);
  CHECK_FALSE(book.is_blocked(at("192.0.2.1"), start));
  book.configure(limits(5, 10min));
  CHECK(book.is_blocked(at("192.0.2.1"), start));
}

TEST_CASE("delays behind failures double up to 16 seconds", "[auth]") {
  config::auth_settings settings;
  settings.failure_delay = 1s;
  CHECK(failure_delay(settings, 0) == 0s);
  CHECK(failure_delay(settings, 1) == 1s);
  CHECK(failure_delay(settings, 2) == 2s);
  CHECK(failure_delay(settings, 5) == 16s);
  CHECK(failure_delay(settings, 1000000) == 16s);
  settings.failure_delay = 3s;
  CHECK(failure_delay(settings, 4) == 16s);
  settings.failure_delay = 20s;
  CHECK(failure_delay(settings, 9) == 20s);
  settings.failure_delay = 0s;
  CHECK(failure_delay(settings, 1000000000) == 0s);
}

TEST_CASE("the salt of nobody is the same for a name and differs between names", "[auth]") {
  const failure_book book(limits(1, 1min)), other(limits(1, 1min));
  CHECK(book.salt_of_nobody("ann").size() == 16);
  CHECK(book.salt_of_nobody("ann") == book.salt_of_nobody("ann"));
  CHECK(book.salt_of_nobody("ann") != book.salt_of_nobody("bob"));
  CHECK(book.salt_of_nobody("ann") != other.salt_of_nobody("ann"));
}
