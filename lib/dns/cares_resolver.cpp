#include "dns/cares_resolver.hpp"

#include <algorithm>
#include <boost/system/system_error.hpp>
#include <type_traits>

#include "base/error.hpp"
#include "dns/answer_parser.hpp"
#include "dns/cares_channel.hpp"
#include "dns/name.hpp"

namespace relais::dns {

namespace asio = net::asio;

namespace {

using shared_channel = std::shared_ptr<cares_channel>;

/// No message came: what c-ares itself says.
error_code error_of(int status) noexcept {
  switch (status) {
    case ARES_ENOTFOUND: return errc::not_found;  // names that must not be asked: .onion, RFC 7686
    case ARES_EBADNAME: return errc::syntax;
    case ARES_ECANCELLED:
    case ARES_EDESTRUCTION: return errc::cancelled;
    default: return errc::dns_temporary;
  }
}

/// One question, one message. The resolver may be destroyed meanwhile: the channel is shared.
net::task<result<parsed_answer>> ask_once(shared_channel channel, question asked) {
  if (channel->is_closed()) co_return errc::cancelled;
  const auto query = channel->ask(asked.name, asked.type);
  if (!query->finished) co_await query->wake.async_wait(net::nothrow);
  // Woken without an end: the coroutine that waits was cancelled.
  if (!query->finished) co_return errc::cancelled;
  if (query->message.empty()) co_return error_of(query->status);
  co_return parse_answer(query->message, asked);
}

/// Follows aliases from message to message (RFC 1034 3.6.2).
net::task<result<parsed_answer>> look_up(shared_channel channel, std::string domain,
                                         record_type type) {
  *channel->negative_ttl = 0;
  auto name = query_name(domain);
  if (name.has_error()) co_return name.error();
  question asked{*name, type};
  unsigned aliases = 0;
  std::uint32_t ttl = 0x7fffffff;
  for (;;) {
    auto answered = co_await ask_once(channel, asked);
    *channel->negative_ttl = 0;
    if (answered.has_error()) co_return answered.error();
    ttl = std::min(ttl, answered->ttl);
    aliases += answered->aliases;
    if (aliases > maximum_aliases) co_return errc::dns_temporary;
    switch (answered->kind) {
      case verdict::records: answered->ttl = ttl; co_return answered;
      case verdict::alias: asked.name = answered->canonical_name; continue;
      case verdict::not_found: *channel->negative_ttl = ttl; co_return errc::not_found;
      case verdict::no_data: *channel->negative_ttl = ttl; co_return errc::no_data;
      case verdict::temporary: break;
    }
    co_return errc::dns_temporary;
  }
}

/// More than anybody has: what a zone can make a cache keep is bounded.
constexpr std::size_t most_records = 100;

template <class Record>
answer<Record> to_answer(parsed_answer& parsed, std::vector<Record>& records) {
  if (records.size() > most_records) {
    // The nearest mail hosts are those that will be used.
    if constexpr (std::is_same_v<Record, mx_record>) {
      std::ranges::sort(records, {}, &mx_record::preference);
    }
    records.resize(most_records);
  }
  answer<Record> a;
  a.records = std::move(records);
  a.ttl = parsed.ttl;
  a.canonical_name = std::move(parsed.canonical_name);
  return a;
}

net::task<result<answer<mx_record>>> exchanges_of(shared_channel channel, std::string name) {
  auto found = co_await look_up(std::move(channel), std::move(name), record_type::mx);
  if (found.has_error()) co_return found.error();
  co_return to_answer(*found, found->exchanges);
}

net::task<result<answer<ip_address>>> addresses_of(shared_channel channel, std::string name,
                                                   record_type type) {
  auto found = co_await look_up(std::move(channel), std::move(name), type);
  if (found.has_error()) co_return found.error();
  co_return to_answer(*found, found->addresses);
}

net::task<result<answer<std::string>>> names_of(shared_channel channel, ip_address address) {
  auto found = co_await look_up(std::move(channel), reverse_name(address), record_type::ptr);
  if (found.has_error()) co_return found.error();
  co_return to_answer(*found, found->names);
}

}  // namespace

cares_resolver::cares_resolver(asio::any_io_executor executor, const resolver_options& options)
    : executor_(std::move(executor)),
      options_(options),
      stamp_(stamp_of(options_.system_file)),
      channel_(std::make_shared<cares_channel>(executor_, options_)) {}

cares_resolver::~cares_resolver() {
  channel_->close();
  for (const auto& old : replaced_) {
    if (const auto channel = old.lock()) channel->close();
  }
}

const std::shared_ptr<cares_channel>& cares_resolver::current() {
  if (!options_.servers.empty()) return channel_;
  const auto stamp = stamp_of(options_.system_file);
  if (stamp == stamp_) return channel_;
  stamp_ = stamp;
  try {
    auto fresh = std::make_shared<cares_channel>(executor_, options_);
    fresh->negative_ttl = channel_->negative_ttl;
    std::erase_if(replaced_, [](const auto& old) { return old.expired(); });
    replaced_.push_back(channel_);  // ends when the questions under way have ended
    channel_ = std::move(fresh);
  } catch (const boost::system::system_error&) {
    // Unreadable: the servers that were known are the best guess, until it changes again.
  }
  return channel_;
}

std::uint32_t cares_resolver::negative_ttl() const {
  return *channel_->negative_ttl;
}

// Not coroutines themselves: a task that starts after the resolver is gone must find the channel.
net::task<result<answer<mx_record>>> cares_resolver::mx(std::string name) {
  return exchanges_of(current(), std::move(name));
}

net::task<result<answer<ip_address>>> cares_resolver::addresses(std::string name, family which) {
  return addresses_of(current(), std::move(name),
                      which == family::v4 ? record_type::a : record_type::aaaa);
}

net::task<result<answer<std::string>>> cares_resolver::names(ip_address address) {
  return names_of(current(), address);
}

}  // namespace relais::dns
