// Suggestions for words that nobody knows: "did you mean ...?".
#pragma once

#include <span>
#include <string_view>

namespace relais::config {

/// The word with the fewest edits (insert, delete, replace, swap of neighbours) from `word`, case
/// ignored; empty if none is near enough to be a likely typing error.
std::string_view nearest(std::string_view word, std::span<const std::string_view> words);

}  // namespace relais::config
