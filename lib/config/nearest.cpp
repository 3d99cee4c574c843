#include "config/nearest.hpp"

#include <algorithm>
#include <cstddef>
#include <vector>

#include "base/text.hpp"

namespace relais::config {
namespace {

constexpr std::size_t longest_word = 64;  // longer ones are no typing errors; bounds the work

/// Edit distance with swaps of neighbours (optimal string alignment), three rows at a time.
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> before(b.size() + 1), above(b.size() + 1), row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) above[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const bool same = ascii_lower(a[i - 1]) == ascii_lower(b[j - 1]);
      row[j] = std::min({above[j] + 1, row[j - 1] + 1, above[j - 1] + (same ? 0 : 1)});
      const bool swapped = i > 1 && j > 1 && ascii_lower(a[i - 1]) == ascii_lower(b[j - 2]) &&
                           ascii_lower(a[i - 2]) == ascii_lower(b[j - 1]);
      if (swapped) row[j] = std::min(row[j], before[j - 2] + 1);
    }
    std::swap(before, above);
    std::swap(above, row);
  }
  return above[b.size()];
}

}  // namespace

std::string_view nearest(std::string_view word, std::span<const std::string_view> words) {
  if (word.size() > longest_word) return {};
  std::string_view best;
  std::size_t fewest = 0;
  for (const auto candidate : words) {
    // A third of the letters may be wrong, or the word may be a part of the right one.
    const auto allowed = std::max<std::size_t>(1, std::min(word.size(), candidate.size()) / 3);
    const bool part =
        word.size() >= 4 && to_lower(candidate).find(to_lower(word)) != std::string::npos;
    const auto edits = distance(word, candidate);
    if (!part && edits > allowed) continue;
    if (best.empty() || edits < fewest) {
      best = candidate;
      fewest = edits;
    }
  }
  return best;
}

}  // namespace relais::config
