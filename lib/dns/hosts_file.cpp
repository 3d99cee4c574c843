#include "dns/hosts_file.hpp"

#include <fstream>
#include <iterator>

#include "base/error.hpp"
#include "base/text.hpp"
#include "dns/name.hpp"

namespace relais::dns {
namespace {

// Far above any real one; what is behind is not read.
constexpr std::streamsize largest_file = 1 << 20;

std::string key_of(std::string_view name) {
  if (name.ends_with('.')) name.remove_suffix(1);
  return to_lower(name);
}

bool is_blank(char c) {
  return c == ' ' || c == '\t' || c == '\r';
}

std::string_view take_word(std::string_view& line) {
  while (!line.empty() && is_blank(line.front())) line.remove_prefix(1);
  std::size_t n = 0;
  while (n < line.size() && !is_blank(line[n])) ++n;
  const auto word = line.substr(0, n);
  line.remove_prefix(n);
  return word;
}

}  // namespace

hosts_file_resolver::hosts_file_resolver(resolver& source, std::string file)
    : source_(source), file_(std::move(file)) {}

net::task<result<answer<mx_record>>> hosts_file_resolver::mx(std::string name) {
  auto said = co_await source_.mx(name);
  if (!said && knows(name)) co_return errc::no_data;
  co_return said;
}

bool hosts_file_resolver::knows(const std::string& name) {
  refresh();
  return known_.contains(key_of(name));
}

net::task<result<answer<ip_address>>> hosts_file_resolver::addresses(std::string name,
                                                                     family which) {
  refresh();
  const auto wanted = key_of(name);
  answer<ip_address> found;
  const auto [first, last] = known_.equal_range(wanted);
  for (auto at = first; at != last; ++at) {
    if (at->second.is_v6() == (which == family::v6)) found.records.push_back(at->second);
  }
  found.canonical_name = wanted;
  if (!found.records.empty()) co_return found;
  // A name that the file knows in the other family only is not asked for elsewhere.
  if (first != last) co_return errc::no_data;
  co_return co_await source_.addresses(std::move(name), which);
}

net::task<result<answer<std::string>>> hosts_file_resolver::names(ip_address address) {
  refresh();
  answer<std::string> found;
  const auto [first, last] = names_.equal_range(address);
  for (auto at = first; at != last; ++at) found.records.push_back(at->second);
  found.canonical_name = reverse_name(address);
  if (!found.records.empty()) co_return found;
  co_return co_await source_.names(address);
}

void hosts_file_resolver::refresh() {
  const auto now = stamp_of(file_);
  if (!known_.empty() && now == seen_) return;
  seen_ = now;
  std::ifstream file(file_, std::ios::binary);
  std::string text(static_cast<std::size_t>(largest_file), '\0');
  file.read(text.data(), largest_file);
  text.resize(static_cast<std::size_t>(file.gcount()));
  known_.clear();
  names_.clear();
  parse(text);
  if (!known_.contains("localhost")) {
    add("localhost", *ip_address::parse("127.0.0.1"));
    add("localhost", *ip_address::parse("::1"));
  }
}

void hosts_file_resolver::parse(const std::string& text) {
  for (auto line : split(text, '\n')) {
    line = line.substr(0, line.find('#'));
    const auto address = ip_address::parse(take_word(line));
    if (!address) continue;
    for (auto name = take_word(line); !name.empty(); name = take_word(line)) {
      add(to_lower(name), *address);
    }
  }
}

void hosts_file_resolver::add(std::string name, const ip_address& address) {
  if (is_host_name(name)) names_.emplace(address, name);
  known_.emplace(std::move(name), address);
}

}  // namespace relais::dns
