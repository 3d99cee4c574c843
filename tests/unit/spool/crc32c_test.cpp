#include "spool/crc32c.hpp"

#include <catch2/catch.hpp>
#include <string>

#include "base/random.hpp"

using namespace relais;
using namespace relais::spool;

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
