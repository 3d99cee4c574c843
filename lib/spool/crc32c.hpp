// CRC32C (Castagnoli polynomial, as in RFC 3720 B.4): detects damage in what the spool stored. It
// is no protection against someone who may write to the spool's directory.
#pragma once

#include <cstdint>
#include <string_view>

namespace relais::spool {

/// The checksum of `octets`; `before` is the checksum of what precedes them, so that parts can be
/// summed one after the other: crc32c(b, crc32c(a)) == crc32c(a + b).
std::uint32_t crc32c(std::string_view octets, std::uint32_t before = 0) noexcept;

namespace detail {
/// The portable form, for machines without the instruction and for the test that compares both.
std::uint32_t crc32c_table(std::string_view octets, std::uint32_t before) noexcept;
}  // namespace detail

}  // namespace relais::spool
