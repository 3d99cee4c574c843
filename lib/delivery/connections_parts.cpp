#include "delivery/connections_parts.hpp"

#include <boost/asio/post.hpp>
#include <map>
#include <tuple>

namespace relais::delivery {

session_counts::session_counts(net::asio::any_io_executor executor,
                               std::shared_ptr<host_places> places, std::size_t limit)
    : executor_(std::move(executor)), places_(std::move(places)) {
  if (!places_) places_ = std::make_shared<host_places>(limit);
  me_ = places_->join(executor_, [this, alive = std::weak_ptr<bool>(alive_)] {
    if (!alive.expired()) announce();
  });
}

const session_counts::host* session_counts::find(const std::string& where) const {
  const auto at = hosts_.find(where);
  return at == hosts_.end() ? nullptr : &at->second;
}

void session_counts::announce() {
  if (is_announced_ || !on_free) return;
  is_announced_ = true;
  net::asio::post(executor_, [this, alive = std::weak_ptr<bool>(alive_)] {
    if (alive.expired()) return;
    is_announced_ = false;
    if (on_free) on_free();
  });
}

session_ticket::session_ticket(std::shared_ptr<session_counts> counts, const session_target& to,
                               bool is_probe)
    : where(where_text(to)), counts_(std::move(counts)), is_probe_(is_probe) {
  auto& host = counts_->hosts_[where];
  host.text = relay_text(to);
  ++host.sessions;
  if (is_probe_) ++host.probes;
  ++counts_->total_;
}

session_ticket::~session_ticket() {
  const auto at = counts_->hosts_.find(where);
  auto& host = at->second;
  if (is_ready_) --host.ready;
  if (is_probe_) --host.probes;
  if (--host.sessions == 0) counts_->hosts_.erase(at);
  --counts_->total_;
  counts_->places_->give_back(where);
  counts_->announce();
}

void session_ticket::became_ready() {
  auto& host = counts_->hosts_[where];
  if (!is_ready_) ++host.ready;
  if (is_probe_) --host.probes;
  is_ready_ = true;
  is_probe_ = false;
}

session_ticket& ticket_of(const client_session& session) {
  return *static_cast<session_ticket*>(session.target().ticket.get());
}

namespace {

host_book_options book_options(const config::delivery_settings& s) {
  host_book_options o;
  o.retry = s.host_retry;
  return o;
}

/// Routes that connect in the same way share sessions.
std::vector<std::uint32_t> number_profiles(const policy::routes& routes) {
  std::map<std::tuple<bool, std::string, std::string, std::string, std::string, std::string,
                      std::string, std::string, std::string>,
           std::uint32_t>
      known;
  const auto text = [](const std::optional<ip_address>& a) { return a ? a->text() : ""; };
  std::vector<std::uint32_t> numbers;
  for (const auto& r : routes.all()) {
    const auto login = r->login.value_or(smtp::credentials{});
    const auto next = static_cast<std::uint32_t>(known.size());
    const auto at = known.try_emplace(
        std::tuple(r->is_lmtp, r->hello, text(r->source_ipv4), text(r->source_ipv6), r->tls_ca_file,
                   r->tls_certificate, r->tls_key, login.username, login.password),
        next);
    numbers.push_back(at.first->second);
  }
  return numbers;
}

net::task<void> say_quit(std::unique_ptr<client_session> session) {
  co_await session->quit();
}

}  // namespace

connections_parts::connections_parts(connections_world surroundings)
    : around(std::move(surroundings)),
      counts(std::make_shared<session_counts>(around.world.executor, around.places,
                                              around.settings.delivery.concurrency_per_host)),
      book(book_options(around.settings.delivery)),
      profiles(number_profiles(around.routes)),
      expiry(around.world.alarms.make([this] { close_expired(); })),
      group(around.world,
            [&events = around.events](const std::string& label, const std::string& what) {
              events.emit(events::notice{"smtp", true, label + ": " + what});
            }) {}

std::string connections_parts::key_of(std::uint32_t profile, const policy::tls_policy& tls,
                                      const session_target& to) {
  // Names of hosts and files hold no line ends. Who decided on the policy makes no difference.
  auto key = where_text(to) + '\n' + std::to_string(profile) + '\n' +
             std::to_string(static_cast<unsigned>(tls.level));
  // Only the name that was verified is worth anything for the next one.
  if (tls.level == smtp::tls_level::verify && tls.verify_names.empty()) key += '\n' + to.host.name;
  for (const auto& name : tls.verify_names) key += '\n' + name;
  for (const auto& print : tls.fingerprints) key += '\n' + print;
  return key;
}

void connections_parts::close(std::unique_ptr<client_session> session) {
  auto label = "QUIT to " + session->relay_text();
  group.spawn(std::move(label), say_quit(std::move(session)));
}

bool connections_parts::is_reusable(const policy::next_hop& hop,
                                    const client_session& session) const {
  const auto& way = around.routes.at(hop);
  const auto age = around.world.clock.now() - ticket_of(session).made;
  return session.is_usable() && session.has_mail_left() &&
         session.uses() < way.messages_per_connection &&
         age < around.settings.delivery.connection_lifetime;
}

void connections_parts::keep(const policy::next_hop& hop, std::unique_ptr<client_session> session) {
  const auto now = around.world.clock.now();
  const auto& delivery = around.settings.delivery;
  if (is_draining || delivery.idle_timeout <= duration::zero() || !is_reusable(hop, *session)) {
    return close(std::move(session));
  }
  auto key = ticket_of(*session).key;
  idle.put(hop, std::move(key), std::move(session), now);
  if (idle.size() > delivery.concurrency) close(idle.take_oldest());
  if (idle.size() == 1) expiry->set(now + delivery.idle_timeout);
  counts->announce();
}

void connections_parts::close_expired() {
  const auto limit = around.settings.delivery.idle_timeout;
  const auto now = around.world.clock.now();
  while (!idle.empty() && idle.oldest() + limit <= now) close(idle.take_oldest());
  if (!idle.empty()) expiry->set(idle.oldest() + limit);
}

bool connections_parts::make_room(const std::string& where) {
  const auto& delivery = around.settings.delivery;
  if (!counts->take_place(where)) {
    // An idle one of another kind makes place as soon as it is closed.
    auto spare =
        idle.take_oldest([&](const client_session& s) { return ticket_of(s).where == where; });
    if (spare) close(std::move(spare));
    return false;
  }
  // Those that are in use are the engine's to count; idle ones give way.
  if (counts->total() >= delivery.concurrency && !idle.empty()) close(idle.take_oldest());
  return true;
}

}  // namespace relais::delivery
