#include "dns/cache.hpp"

#include <algorithm>

#include "base/error.hpp"
#include "dns/name.hpp"

namespace relais::dns {

namespace {

std::uint32_t whole_seconds(duration d) noexcept {
  return static_cast<std::uint32_t>(std::chrono::floor<std::chrono::seconds>(d).count());
}

bool is_a_no(const error_code& failure) noexcept {
  return failure == errc::not_found || failure == errc::no_data;
}

}  // namespace

caching_resolver::caching_resolver(resolver& source, const clock& time, cache_options options)
    : source_(source), time_(time), options_(options) {}

void caching_resolver::clear() noexcept {
  index_.clear();
  entries_.clear();
}

const caching_resolver::entry* caching_resolver::find(const std::string& key, steady_time now) {
  const auto at = index_.find(key);
  if (at == index_.end()) return nullptr;
  const auto known = at->second;
  if (known->expires <= now) {
    index_.erase(at);
    entries_.erase(known);
    return nullptr;
  }
  entries_.splice(entries_.begin(), entries_, known);
  return &*known;
}

void caching_resolver::forget_oldest() {
  index_.erase(entries_.back().key);
  entries_.pop_back();
}

template <class Record>
result<answer<Record>> caching_resolver::recall(const entry& known, steady_time now) {
  const auto left = whole_seconds(known.expires - now);
  if (const auto* no = std::get_if<errc>(&known.content)) {
    negative_ttl_ = left;
    return *no;
  }
  auto said = std::get<answer<Record>>(known.content);
  said.ttl = left;
  return said;
}

template <class Record>
void caching_resolver::remember(std::string key, const result<answer<Record>>& said) {
  if (said.has_error() && !is_a_no(said.error())) return;
  const auto seconds = std::chrono::seconds(said.has_error() ? negative_ttl_ : said->ttl);
  const auto longest = said.has_error() ? options_.longest_negative : options_.longest_positive;
  const auto lifetime = std::min<duration>(seconds, longest);
  if (lifetime <= duration::zero() || options_.maximum_entries == 0) return;

  // Somebody may have asked the same while we did.
  if (const auto at = index_.find(key); at != index_.end()) {
    const auto known = at->second;
    index_.erase(at);
    entries_.erase(known);
  }
  entry added;
  added.key = std::move(key);
  added.expires = time_.now() + lifetime;
  if (said.has_error()) {
    added.content = said.error() == errc::not_found ? errc::not_found : errc::no_data;
  } else {
    added.content = *said;
  }
  entries_.push_front(std::move(added));
  index_.emplace(entries_.front().key, entries_.begin());
  while (entries_.size() > options_.maximum_entries) forget_oldest();
}

net::task<result<answer<mx_record>>> caching_resolver::mx(std::string name) {
  auto key = "m:" + normal_name(name);
  negative_ttl_ = 0;
  const auto now = time_.now();
  if (const auto* known = find(key, now)) co_return recall<mx_record>(*known, now);
  auto said = co_await source_.mx(std::move(name));
  negative_ttl_ = source_.negative_ttl();
  remember(std::move(key), said);
  co_return said;
}

net::task<result<answer<ip_address>>> caching_resolver::addresses(std::string name, family which) {
  auto key = (which == family::v4 ? "4:" : "6:") + normal_name(name);
  negative_ttl_ = 0;
  const auto now = time_.now();
  if (const auto* known = find(key, now)) co_return recall<ip_address>(*known, now);
  auto said = co_await source_.addresses(std::move(name), which);
  negative_ttl_ = source_.negative_ttl();
  remember(std::move(key), said);
  co_return said;
}

net::task<result<answer<std::string>>> caching_resolver::names(ip_address address) {
  auto key = "p:" + address.text();
  negative_ttl_ = 0;
  const auto now = time_.now();
  if (const auto* known = find(key, now)) co_return recall<std::string>(*known, now);
  auto said = co_await source_.names(address);
  negative_ttl_ = source_.negative_ttl();
  remember(std::move(key), said);
  co_return said;
}

}  // namespace relais::dns
