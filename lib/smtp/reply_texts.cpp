// The names of replies, and texts that the configuration puts in place of those of the table.
#include <algorithm>
#include <array>

#include "smtp/replies.hpp"

namespace relais::smtp {
namespace {

constexpr std::size_t reply_count = static_cast<std::size_t>(reply_id::count_);
constexpr std::size_t text_limit = 400;  // a line, mostly; longer ones are split
constexpr std::string_view placeholder = "{}";

/// The enumerator's own name, as the compiler writes it into the name of this function: no second
/// list that could go wrong.
template <reply_id Id>
consteval std::string_view enumerator() {
  constexpr std::string_view whole = __PRETTY_FUNCTION__;
  constexpr std::string_view before = "reply_id::";
  constexpr auto from = whole.find(before, whole.find("Id = ")) + before.size();
  return whole.substr(from, whole.find_first_of(";]", from) - from);
}

template <std::size_t... Index>
consteval auto make_names(std::index_sequence<Index...>) {
  return std::array<std::string_view, sizeof...(Index)>{
      enumerator<static_cast<reply_id>(Index)>()...};
}

constexpr auto names = make_names(std::make_index_sequence<reply_count>());
static_assert(names.front() == "greeting" && names.back() == "never_accepts_mail");

std::size_t count_placeholders(std::string_view text) noexcept {
  std::size_t count = 0;
  for (auto at = text.find(placeholder); at != std::string_view::npos;
       at = text.find(placeholder, at + placeholder.size()))
    ++count;
  return count;
}

}  // namespace

std::string_view name_of(reply_id id) noexcept {
  return names[static_cast<std::size_t>(id)];
}

std::optional<reply_id> find_reply(std::string_view name) noexcept {
  const auto* found = std::ranges::find(names, name);
  if (found == names.end()) return {};
  return static_cast<reply_id>(found - names.begin());
}

std::string reply_texts::set(reply_id id, std::string_view text) {
  if (id == reply_id::hello || id == reply_id::auth_challenge)
    return "programs read this reply: its text cannot be replaced";
  if (text.empty()) return "the text is empty";
  if (text.size() > text_limit) return "the text is longer than 400 octets";
  if (std::ranges::any_of(text, [](char c) { return c < ' ' || c > '~'; }))
    return "the text is not printable ASCII";
  const auto& reply = row(id);
  if (names_host(reply) && !text.starts_with("{} "))
    return "the text must begin with \"{} \", where our host name stands";
  if (count_placeholders(text) > std::min<std::size_t>(1, count_placeholders(reply.text)))
    return "the text has a \"{}\" that nothing can replace";
  texts_[static_cast<std::size_t>(id)] = text;
  return {};
}

std::string_view reply_texts::text_of(reply_id id) const noexcept {
  const auto& replaced = texts_[static_cast<std::size_t>(id)];
  return replaced.empty() ? row(id).text : std::string_view(replaced);
}

}  // namespace relais::smtp
