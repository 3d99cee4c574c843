#include "queue/sender_hash.hpp"

#include <string>
#include <string_view>

#include "base/text.hpp"

namespace relais::queue {
namespace {

// FNV-1a: the same on every machine, and good enough to tell senders apart.
constexpr std::uint64_t hash_start = 0xcbf29ce484222325;
std::uint64_t hashed(std::uint64_t hash, std::string_view text) {
  for (const char c : text)
    hash = (hash ^ static_cast<unsigned char>(ascii_lower(c))) * 0x100000001b3;
  return hash;
}

/// "news+42=far.example" and "news-43-bob" are "news".
std::string_view stem(std::string_view local_part) {
  const auto end = local_part.find_first_of("+-=0123456789");
  return end == 0 ? local_part : local_part.substr(0, end);
}

}  // namespace

std::uint32_t sender_hash(const smtp::envelope& envelope) {
  auto hash = hash_start;
  if (!envelope.user.empty()) {
    hash = hashed(hash, envelope.user);
  } else {
    hash = hashed(hash, stem(envelope.reverse_path.local_part()));
    hash = hashed(hash, "@");
    hash = hashed(hash, envelope.reverse_path.domain());
  }
  return static_cast<std::uint32_t>(hash ^ (hash >> 32));
}

}  // namespace relais::queue
