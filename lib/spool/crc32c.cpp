// CRC32C by the SSE4.2 instruction where the processor has it (asked once, at run time), else by
// eight tables that take eight octets per step.
#include "spool/crc32c.hpp"

#include <array>
#include <bit>
#include <cstring>

namespace relais::spool {
namespace {

using tables = std::array<std::array<std::uint32_t, 256>, 8>;

constexpr tables make_tables() {
  tables t{};
  for (std::uint32_t octet = 0; octet < 256; ++octet) {
    std::uint32_t crc = octet;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0x82f63b78u : 0u);
    t[0][octet] = crc;
  }
  for (std::size_t k = 1; k < 8; ++k)
    for (std::size_t octet = 0; octet < 256; ++octet)
      t[k][octet] = (t[k - 1][octet] >> 8) ^ t[0][t[k - 1][octet] & 0xff];
  return t;
}
constexpr tables table = make_tables();

constexpr std::uint32_t step(std::uint32_t crc, char c) noexcept {
  return (crc >> 8) ^ table[0][(crc ^ static_cast<unsigned char>(c)) & 0xff];
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) std::uint32_t crc32c_instruction(std::string_view octets,
                                                                   std::uint32_t before) noexcept {
  std::uint64_t crc = ~before;
  while (octets.size() >= 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, octets.data(), 8);
    crc = __builtin_ia32_crc32di(crc, word);
    octets.remove_prefix(8);
  }
  auto tail = static_cast<std::uint32_t>(crc);
  for (const char c : octets) tail = __builtin_ia32_crc32qi(tail, static_cast<unsigned char>(c));
  return ~tail;
}
#endif

}  // namespace

namespace detail {

std::uint32_t crc32c_table(std::string_view octets, std::uint32_t before) noexcept {
  std::uint32_t crc = ~before;
  if constexpr (std::endian::native == std::endian::little) {
    while (octets.size() >= 8) {
      std::uint32_t low = 0;
      std::uint32_t high = 0;
      std::memcpy(&low, octets.data(), 4);
      std::memcpy(&high, octets.data() + 4, 4);
      low ^= crc;
      crc = table[7][low & 0xff] ^ table[6][(low >> 8) & 0xff] ^ table[5][(low >> 16) & 0xff] ^
            table[4][low >> 24] ^ table[3][high & 0xff] ^ table[2][(high >> 8) & 0xff] ^
            table[1][(high >> 16) & 0xff] ^ table[0][high >> 24];
      octets.remove_prefix(8);
    }
  }
  for (const char c : octets) crc = step(crc, c);
  return ~crc;
}

}  // namespace detail

std::uint32_t crc32c(std::string_view octets, std::uint32_t before) noexcept {
#if defined(__x86_64__)
  static const bool has_instruction = __builtin_cpu_supports("sse4.2") != 0;
  if (has_instruction) return crc32c_instruction(octets, before);
#endif
  return detail::crc32c_table(octets, before);
}

}  // namespace relais::spool
