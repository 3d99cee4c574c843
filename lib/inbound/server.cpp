#include "inbound/server.hpp"

#include <utility>

#include "base/error.hpp"
#include "inbound/proxy_prologue.hpp"

namespace relais::inbound {

using namespace std::chrono_literals;

namespace {

// While nothing can be accepted, connections wait in the kernel's line.
constexpr duration accept_pause = 100ms;

}  // namespace

server::server(session_context context, std::atomic<std::uint64_t>& connections,
               connection_book& clients, net::descriptor_reserve& descriptors)
    : context_(std::move(context)),
      connections_(connections),
      clients_(clients),
      descriptors_(descriptors),
      sessions_(context_.world, [this](const std::string& label, const std::string& what) {
        context_.events.emit(events::notice{"smtpd", true, label + ": " + what});
      }) {}

void server::adopt(std::unique_ptr<net::acceptor> acceptor, shared_listener& of) {
  opened_.push_back({std::move(acceptor), &of});
}

void server::start() {
  for (auto& from : opened_) {
    sessions_.spawn("listener " + from.acceptor->address().text(), accept_from(from));
  }
}

void server::drain() {
  draining_ = true;
  for (auto& from : opened_) from.acceptor->close();
  for (auto* s : live_) s->drain();
}

void server::tell_once(bool& told, const std::string& why) {
  if (std::exchange(told, true)) return;
  context_.events.emit(events::notice{"smtpd", true, "cannot accept connections: " + why});
}

net::task<void> server::accept_from(opened& from) {
  bool told = false;
  while (!draining_) {
    // Descriptors are also needed for deliveries and the spool: better a line at the door than
    // mail that cannot leave.
    if (!descriptors_.has_room()) {
      tell_once(told, "too few descriptors are left, see limits.reserved_descriptors");
      co_await net::sleep_for(context_.world, accept_pause);
      continue;
    }
    auto accepted = co_await from.acceptor->accept();
    if (accepted) {
      told = false;
      const auto label = "session of " + accepted->remote.text();
      sessions_.spawn(label, run(*from.listener, std::move(*accepted)));
      continue;
    }
    if (accepted.error() == errc::cancelled) co_return;
    // Out of descriptors or memory: trying on at once would only burn the processor.
    tell_once(told, accepted.error().message());
    co_await net::sleep_for(context_.world, accept_pause);
  }
}

std::optional<smtp::reply_id> server::refusal_for(const session& s, std::uint64_t total,
                                                  const shared_listener& of,
                                                  std::uint64_t of_listener) const {
  if (draining_) return smtp::reply_id::draining;
  const auto most = of.profile.connections;
  if (total > context_.settings.limits.connections || (most != 0 && of_listener > most)) {
    return smtp::reply_id::too_many_connections;
  }
  if (context_.gate.has_room(0) == spool::health::critical) {
    return smtp::reply_id::storage_exhausted;
  }
  // What is left is for the messages under way and for those we know.
  if (!s.is_trusted() && queue::pressure_of(context_.budget) == queue::memory_pressure::extreme) {
    return smtp::reply_id::overloaded;
  }
  return {};
}

net::task<void> server::run(shared_listener& of, net::accepted_connection accepted) {
  // Leaves the books however the session ends, also by cancellation.
  struct count {
    std::atomic<std::uint64_t>& of;
    const std::uint64_t number;
    explicit count(std::atomic<std::uint64_t>& c) : of(c), number(++c) {}
    ~count() { --of; }
    count(const count&) = delete;
  };
  const count total(connections_);
  const count of_listener(of.connections);
  const net::descriptor_reserve::lease descriptor(descriptors_);
  auto client = accepted.remote;
  auto stream = std::make_unique<net::stream>(std::move(accepted.connection), context_.world);
  if (of.profile.proxy_protocol) {
    const auto limit = context_.settings.server_timeout.tls;
    const auto known = co_await read_proxy_header(*stream, client, limit);
    if (!known) {
      const auto sentence =
          "no PROXY header from " + client.text() + ": " + known.error().message();
      context_.events.emit(events::notice{"smtpd", true, sentence});
      co_await stream->close();
      co_return;
    }
    client = *known;
  }
  session s(context_, of.profile, std::move(stream), client);
  auto refusal = refusal_for(s, total.number, of, of_listener.number);
  co_await serve(s, refusal);
}

net::task<void> server::serve(session& s, std::optional<smtp::reply_id> refusal) {
  struct entry {
    server& owner;
    std::list<session*>::iterator at;
    ~entry() { owner.live_.erase(at); }
  };
  live_.push_back(&s);
  const entry booked{*this, std::prev(live_.end())};
  // Trusted clients are exempt from the limits per client: a LAN behind one address, a busy
  // application.
  if (refusal || s.is_trusted()) co_return co_await s.serve(refusal);
  const auto address = s.client().address;
  struct visit {
    connection_book& book;
    const ip_address& of;
    ~visit() { book.leave(of); }
  };
  refusal = co_await clients_.admit(address);
  if (refusal) co_return co_await s.serve(refusal);
  const visit counted{clients_, address};
  co_await s.serve(refusal);
}

}  // namespace relais::inbound
