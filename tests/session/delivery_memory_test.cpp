// Contents that have to be converted while memory is scarce: nobody's mail goes back for want of
// memory, and none waits for memory that there will never be.
#include <algorithm>
#include <catch2/catch.hpp>

#include "support/delivery_scene.hpp"

namespace relais::testing {
namespace {

using namespace std::chrono_literals;
using smtp::body_type;

struct scene : delivery_scene {
  scene() {
    dns.zone["far.test"].mx.resize(1);
    first->extensions.remove(smtp::extension::eight_bit_mime);
  }
  void submit_8bit(std::size_t size, body_type declared = body_type::eight_bit_mime) {
    std::string content =
        "Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
        "Content-Transfer-Encoding: 8bit\r\n\r\n";
    while (content.size() < size) content += "this is almost plain, but for gr\xc3\xbc\xc3\x9f\r\n";
    auto e = letter();
    e.body = declared;
    submit(e, std::move(content));
  }
};

bool is_seven_bit(const std::string& text) {
  return std::ranges::all_of(text, [](char c) { return (c & 0x80) == 0; });
}

TEST_CASE("a content that cannot be converted for want of memory waits for it") {
  const auto declared = GENERATE(body_type::eight_bit_mime, body_type::seven_bit);
  scene s;
  queue::memory_lease others(s.budget);
  REQUIRE(others.cover(s.budget.limit() - 100'000));
  s.submit_8bit(1'500'000, declared);
  s.run(1min);
  INFO(s.log.text());
  CHECK(s.first->taken.empty());
  CHECK(s.home->taken.empty());
  CHECK(s.left() == 1);
  others.shrink(0);
  s.run(1min);
  REQUIRE(s.first->taken.size() == 1);
  CHECK(is_seven_bit(s.first->taken[0].content));
  CHECK(s.home->taken.empty());
  CHECK(s.left() == 0);
}

TEST_CASE("a message that waits for memory for all its life goes back") {
  scene s;
  s.settings.retry.delay_warnings = {1h};
  queue::memory_lease others(s.budget);
  REQUIRE(others.cover(s.budget.limit() - 100'000));
  s.submit_8bit(1'500'000);
  s.run(4h);
  CHECK(has(s.reports(), "Action: delayed"));
  s.run(2h);
  CHECK(has(s.reports(), "Status: 5.4.7"));
  CHECK(s.left() == 0);
}

TEST_CASE("a content whose conversion is beyond all memory does not wait for it") {
  scene s;
  // Read, and three octets for one: more than there is.
  const std::size_t size = s.budget.limit() / 3;
  SECTION("declared as 8-bit it goes back") {
    s.submit_8bit(size);
    s.run(1min);
    INFO(s.log.text());
    CHECK(s.first->taken.empty());
    CHECK(has(s.reports(), "Status: 5.6.3\r\n"));
    CHECK(s.left() == 0);
  }
  SECTION("not declared it goes as it came") {
    s.submit_8bit(size, body_type::seven_bit);
    s.run(1min);
    INFO(s.log.text());
    REQUIRE(s.first->taken.size() == 1);
    CHECK_FALSE(is_seven_bit(s.first->taken[0].content));
    CHECK(s.home->taken.empty());
    CHECK(s.left() == 0);
  }
}

TEST_CASE("two conversions that do not fit into memory together do not keep each other waiting") {
  scene s;
  constexpr std::size_t size = 2'000'000;
  queue::memory_lease others(s.budget);
  REQUIRE(others.cover(s.budget.limit() - 100'000));
  for (int i = 0; i < 2; ++i) s.submit_8bit(size);
  s.run(1min);
  REQUIRE(s.first->taken.empty());
  // Enough to read and to convert one, too little while the other one has been read as well.
  others.shrink(s.budget.limit() - 9 * size / 2);
  s.run(10min);
  INFO(s.log.text());
  CHECK(s.first->taken.size() == 2);
}

}  // namespace
}  // namespace relais::testing
