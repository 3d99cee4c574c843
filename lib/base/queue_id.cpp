#include "base/queue_id.hpp"

#include <algorithm>
#include <charconv>

#include "base/text.hpp"

namespace relais {

std::string queue_id::text() const {
  static constexpr char hex[] = "0123456789ABCDEF";
  std::string digits(16, '0');
  for (std::size_t i = 0; i < 16; ++i) digits[i] = hex[(value >> (60 - 4 * i)) & 15];
  return digits;
}

std::optional<queue_id> queue_id::parse(std::string_view text) noexcept {
  queue_id id;
  const auto* end = text.data() + text.size();
  if (text.size() != 16 || !(is_digit(text[0]) || is_alpha(text[0]))) return {};
  const auto [at, error] = std::from_chars(text.data(), end, id.value, 16);
  if (error != std::errc{} || at != end) return {};
  return id;
}

void queue_id_source::raise(queue_id seen) noexcept {
  auto last = last_.load();
  while (last < seen.value && !last_.compare_exchange_weak(last, seen.value)) {
  }
}

queue_id queue_id_source::next(wall_time now) noexcept {
  const auto since_epoch =
      std::chrono::duration_cast<std::chrono::milliseconds>(now.time_since_epoch()).count();
  const auto from_clock = static_cast<std::uint64_t>(std::max<std::int64_t>(since_epoch, 0)) << 16;
  auto last = last_.load();
  std::uint64_t id = 0;
  do {
    id = std::max(from_clock, last + 1);
  } while (!last_.compare_exchange_weak(last, id));
  return queue_id{id};
}

}  // namespace relais
