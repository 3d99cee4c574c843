// CRC32C by the SSE4.2 instruction where the processor has it (asked once, at run time), else by
// eight tables that take eight octets per step. The instruction takes three cycles and can begin
// every cycle, so three parts of a long text are summed side by side and then put together.
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

/// What `length` zero octets make of a checksum: linear, so one table per octet of the checksum.
template <std::size_t length>
class zeros {
 public:
  constexpr zeros() {
    std::array<std::uint32_t, 32> of_bit{};
    for (std::size_t bit = 0; bit < 32; ++bit) {
      std::uint32_t crc = 1u << bit;
      for (std::size_t i = 0; i < length; ++i) crc = (crc >> 8) ^ table[0][crc & 0xff];
      of_bit[bit] = crc;
    }
    for (std::size_t octet = 0; octet < 4; ++octet)
      for (std::size_t value = 0; value < 256; ++value)
        for (std::size_t bit = 0; bit < 8; ++bit)
          if ((value >> bit & 1) != 0) tables_[octet][value] ^= of_bit[octet * 8 + bit];
  }
  constexpr std::uint32_t after(std::uint32_t crc) const noexcept {
    return tables_[0][crc & 0xff] ^ tables_[1][crc >> 8 & 0xff] ^ tables_[2][crc >> 16 & 0xff] ^
           tables_[3][crc >> 24];
  }

 private:
  std::array<std::array<std::uint32_t, 256>, 4> tables_{};
};

constexpr std::size_t long_part = 2048;
constexpr std::size_t short_part = 256;
constexpr zeros<long_part> long_zeros;
constexpr zeros<short_part> short_zeros;

std::uint64_t word_at(const char* from) noexcept {
  std::uint64_t word = 0;
  std::memcpy(&word, from, 8);
  return word;
}

/// Takes three parts of `length` octets as long as there are that many.
template <std::size_t length>
__attribute__((target("sse4.2"))) std::uint64_t by_three(std::string_view& octets,
                                                         std::uint64_t crc,
                                                         const zeros<length>& shift) noexcept {
  while (octets.size() >= 3 * length) {
    const char* at = octets.data();
    std::uint64_t second = 0;
    std::uint64_t third = 0;
    for (const char* end = at + length; at < end; at += 8) {
      crc = __builtin_ia32_crc32di(crc, word_at(at));
      second = __builtin_ia32_crc32di(second, word_at(at + length));
      third = __builtin_ia32_crc32di(third, word_at(at + 2 * length));
    }
    crc = shift.after(static_cast<std::uint32_t>(crc)) ^ second;
    crc = shift.after(static_cast<std::uint32_t>(crc)) ^ third;
    octets.remove_prefix(3 * length);
  }
  return crc;
}

__attribute__((target("sse4.2"))) std::uint32_t crc32c_instruction(std::string_view octets,
                                                                   std::uint32_t before) noexcept {
  std::uint64_t crc = ~before;
  crc = by_three(octets, crc, long_zeros);
  crc = by_three(octets, crc, short_zeros);
  while (octets.size() >= 8) {
    crc = __builtin_ia32_crc32di(crc, word_at(octets.data()));
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
