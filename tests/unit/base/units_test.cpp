#include "base/units.hpp"

#include <catch2/catch.hpp>

using namespace relais;
using namespace std::chrono_literals;

TEST_CASE("byte sizes are read with binary and decimal units") {
  struct row {
    const char* text;
    std::uint64_t bytes;
  };
  const auto r = GENERATE(values<row>({{"0", 0},
                                       {"512", 512},
                                       {"512 B", 512},
                                       {"1KiB", 1024},
                                       {"10 KiB", 10240},
                                       {" 50  MiB ", 52428800},
                                       {"2 GiB", 2147483648},
                                       {"1 TiB", 1ull << 40},
                                       {"1 K", 1024},
                                       {"1m", 1048576},
                                       {"1 kB", 1000},
                                       {"25 MB", 25000000},
                                       {"1 gb", 1000000000},
                                       {"9223372036854775807", 9223372036854775807}}));
  INFO(r.text);
  REQUIRE(parse_byte_size(r.text));
  CHECK(parse_byte_size(r.text)->bytes == r.bytes);
}

TEST_CASE("what is no byte size is refused") {
  const auto* text =
      GENERATE("", " ", "B", "KiB", "-1", "+1", "1.5 MiB", "1 apple", "1 Ki", "1 MiB 2", "1 2",
               "99999999999999999999", "9007199254740992 KiB", "1 KiB\n");
  INFO(text);
  CHECK_FALSE(parse_byte_size(text));
}

TEST_CASE("byte sizes are written with the largest unit that divides them, and read back") {
  CHECK(to_text(50_MiB) == "50 MiB");
  CHECK(to_text(1000_B) == "1000 B");
  CHECK(to_text(1536_KiB) == "1536 KiB");
  CHECK(to_text(2_GiB) == "2 GiB");
  CHECK(to_text(2048_GiB) == "2 TiB");
  CHECK(to_text(0_B) == "0 B");
  for (std::uint64_t bytes :
       {1ull, 1023ull, 1024ull, 1025ull, 1048576ull, 123456789ull, 1ull << 50}) {
    CHECK(parse_byte_size(to_text(byte_size{bytes})) == byte_size{bytes});
  }
}

TEST_CASE("durations are read with units, several in a row") {
  struct row {
    const char* text;
    duration time;
  };
  const auto r = GENERATE(values<row>({{"0", 0s},
                                       {"0s", 0s},
                                       {"30s", 30s},
                                       {"5m", 5min},
                                       {"2h30m", 150min},
                                       {"1d", 24h},
                                       {"1w", 168h},
                                       {"250ms", 250ms},
                                       {"1us", 1us},
                                       {"1ns", 1ns},
                                       {" 1s ", 1s},
                                       {"1m1m", 2min}}));
  INFO(r.text);
  REQUIRE(parse_duration(r.text));
  CHECK(*parse_duration(r.text) == r.time);
}

TEST_CASE("what is no duration is refused") {
  const auto* text =
      GENERATE("", " ", "5", "00", "s", "5 s", "5S", "5min", "1.5h", "-1s", "+1s", "1h30", "1h 30m",
               "5s\n", "99999999999999999999s", "9223372037s", "9223372036s1s", "106752d");
  INFO(text);
  CHECK_FALSE(parse_duration(text));
}

TEST_CASE("durations are written in the shortest exact form, and read back") {
  CHECK(to_text(duration{5min}) == "5m");
  CHECK(to_text(duration{90min}) == "1h30m");
  CHECK(to_text(duration{120h}) == "5d");
  CHECK(to_text(duration{168h}) == "1w");
  CHECK(to_text(duration{9 * 24h}) == "9d");
  CHECK(to_text(duration{250ms}) == "250ms");
  CHECK(to_text(duration{1001ms}) == "1s1ms");
  CHECK(to_text(duration{0}) == "0s");
  CHECK(to_text(duration{-5s}) == "0s");
  for (const duration time :
       {duration{1}, duration{1500ms}, duration{26h}, duration{8 * 24h + 1ns}, duration::max()}) {
    CHECK(parse_duration(to_text(time)) == time);
  }
}
