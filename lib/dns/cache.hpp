// Remembers answers of any resolver for as long as they may be (RFC 1035 3.2.1, RFC 2308): positive
// ones by their TTL, a "no" by the SOA's, failures never. Bounded: the entry that was used longest
// ago goes first. Equal questions at the same time are asked once. Single-threaded, one per worker.
#pragma once

#include <list>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <variant>

#include "base/clock.hpp"
#include "base/error.hpp"
#include "dns/resolver.hpp"
#include "net/runtime.hpp"

namespace relais::dns {

struct cache_options {
  std::size_t maximum_entries = 10'000;
  duration longest_positive = std::chrono::hours(1);
  duration longest_negative = std::chrono::minutes(5);
};

class caching_resolver final : public resolver {
 public:
  /// Both must outlive this object, and this object the tasks it made.
  caching_resolver(resolver& source, const clock& time, cache_options options = {});

  net::task<result<answer<mx_record>>> mx(std::string name) override;
  net::task<result<answer<ip_address>>> addresses(std::string name, family which) override;
  net::task<result<answer<std::string>>> names(ip_address address) override;
  std::uint32_t negative_ttl() const override { return negative_ttl_; }

  /// Forgets everything (an operator has corrected the DNS and does not want to wait).
  void clear() noexcept;
  std::size_t size() const noexcept { return entries_.size(); }

 private:
  struct entry {
    std::string key;
    steady_time expires;
    std::variant<errc, answer<mx_record>, answer<ip_address>, answer<std::string>> content;
  };

  /// A question under way: whoever asks the same waits for it.
  struct flight {
    explicit flight(const net::asio::any_io_executor& executor) : landed(executor) {}
    net::condition landed;
    bool is_over = false;
    /// Absent behind the end: the one who asked was cancelled, the others must ask again.
    std::variant<std::monostate, error_code, answer<mx_record>, answer<ip_address>,
                 answer<std::string>>
        outcome;
  };

  class landing;
  struct question {
    std::string name;
    family which = family::v4;
    ip_address address;  // of names()
    question() = default;
  };
  template <class Record>
  net::task<result<answer<Record>>> look_up(std::string key, question asked);
  template <class Record>
  result<answer<Record>> recall(const entry& known, steady_time now);
  template <class Record>
  void remember(std::string key, const result<answer<Record>>& said);
  const entry* find(const std::string& key, steady_time now);
  void forget_oldest();

  resolver& source_;
  const clock& time_;
  cache_options options_;
  std::uint32_t negative_ttl_ = 0;
  std::unordered_map<std::string, std::shared_ptr<flight>> flights_;
  std::list<entry> entries_;  // most recently used first
  std::unordered_map<std::string_view, std::list<entry>::iterator>
      index_;  // by the entries' own keys
};

}  // namespace relais::dns
