#include "dns/cache.hpp"

#include <algorithm>
#include <type_traits>

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

/// The end of a flight, whatever it is.
class caching_resolver::landing {
 public:
  landing(caching_resolver& cache, const std::string& key, std::shared_ptr<flight> which)
      : cache_(cache), key_(key), which_(std::move(which)) {}
  ~landing() {
    cache_.flights_.erase(key_);
    which_->is_over = true;
    which_->landed.notify_all();
  }
  landing(const landing&) = delete;
  landing& operator=(const landing&) = delete;

 private:
  caching_resolver& cache_;
  const std::string& key_;
  std::shared_ptr<flight> which_;
};

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

template <class Record>
net::task<result<answer<Record>>> caching_resolver::look_up(std::string key, question asked) {
  std::shared_ptr<flight> mine;
  for (;;) {
    negative_ttl_ = 0;
    const auto now = time_.now();
    if (const auto* known = find(key, now)) co_return recall<Record>(*known, now);
    const auto at = flights_.find(key);
    if (at == flights_.end()) break;
    const auto other = at->second;
    while (!other->is_over) co_await other->landed.wait();
    negative_ttl_ = 0;
    if (const auto* failed = std::get_if<error_code>(&other->outcome)) co_return *failed;
    if (const auto* said = std::get_if<answer<Record>>(&other->outcome)) co_return *said;
  }
  mine = std::make_shared<flight>(co_await net::asio::this_coro::executor);
  flights_.emplace(key, mine);
  // Also when this coroutine is cancelled: nobody waits for ever.
  const landing over(*this, key, mine);
  result<answer<Record>> said(errc::cancelled);
  if constexpr (std::is_same_v<Record, mx_record>) {
    said = co_await source_.mx(std::move(asked.name));
  } else if constexpr (std::is_same_v<Record, ip_address>) {
    said = co_await source_.addresses(std::move(asked.name), asked.which);
  } else {
    said = co_await source_.names(asked.address);
  }
  negative_ttl_ = source_.negative_ttl();
  remember(key, said);
  if (said) mine->outcome = *said;
  if (!said && said.error() != errc::cancelled) mine->outcome = said.error();
  co_return said;
}

net::task<result<answer<mx_record>>> caching_resolver::mx(std::string name) {
  question asked;
  auto key = "m:" + normal_name(name);
  asked.name = std::move(name);
  return look_up<mx_record>(std::move(key), std::move(asked));
}

net::task<result<answer<ip_address>>> caching_resolver::addresses(std::string name, family which) {
  question asked;
  auto key = (which == family::v4 ? "4:" : "6:") + normal_name(name);
  asked.name = std::move(name);
  asked.which = which;
  return look_up<ip_address>(std::move(key), std::move(asked));
}

net::task<result<answer<std::string>>> caching_resolver::names(ip_address address) {
  question asked;
  asked.address = address;
  return look_up<std::string>("p:" + address.text(), std::move(asked));
}

}  // namespace relais::dns
