#include "delivery/connections.hpp"

#include "delivery/connections_parts.hpp"
#include "delivery/session_search.hpp"

namespace relais::delivery {

tls::client_contexts client_contexts_of(const policy::routes& routes) {
  std::vector<tls::client_files> wanted;
  for (const auto& way : routes.all()) {
    tls::client_files files;
    files.ca_file = way->tls_ca_file;
    files.certificate = way->tls_certificate;
    files.key = way->tls_key;
    wanted.push_back(std::move(files));
  }
  return tls::client_contexts(wanted);
}

connections::connections(connections_world surroundings)
    : parts_(std::make_unique<connections_parts>(std::move(surroundings))) {}

connections::~connections() {
  parts_->counts->on_free = nullptr;
}

net::task<reached> connections::reach(policy::next_hop hop, const unmet_need* need, bool is_fresh) {
  session_search search(*parts_, std::move(hop), need, is_fresh);
  co_return co_await search.run();
}

void connections::give_back(const policy::next_hop& hop, std::unique_ptr<client_session> session) {
  if (!session) return;
  auto& ticket = ticket_of(*session);
  const auto now = parts_->around.world.clock.now();
  if (session->failure().pipelining_broke) parts_->book.broke_pipelining(ticket.where, now);
  if (const auto* tls = session->tls(); tls != nullptr) {
    parts_->tls_sessions.remember(ticket.key, tls->resumable());
  }
  parts_->keep(hop, std::move(session));
}

bool connections::has_idle(const policy::next_hop& hop) const noexcept {
  return parts_->idle.has(hop);
}

void connections::on_free(std::function<void()> call) {
  parts_->counts->on_free = std::move(call);
}

void connections::visit_hosts(const std::function<void(const host_view&)>& visitor) const {
  const auto& parts = *parts_;
  const auto now = parts.around.world.clock.now();
  std::unordered_map<std::string, std::size_t> idle;
  parts.idle.visit([&](const client_session& s) { ++idle[ticket_of(s).where]; });
  const auto view_of = [&](const std::string& where, host_standing standing,
                           const host_failure* failure) {
    const auto* counted = parts.counts->find(where);
    host_view view;
    view.text = counted == nullptr ? where : counted->text;
    view.sessions = counted == nullptr ? 0 : counted->sessions;
    if (const auto at = idle.find(where); at != idle.end()) view.idle = at->second;
    view.is_dead = standing.is_dead;
    view.is_slow = standing.is_slow;
    view.is_clear = standing.is_clear;
    if (standing.is_dead && failure != nullptr) {
      view.text = failure->relay;
      view.reason = failure->reason;
    }
    visitor(view);
  };
  for (const auto& [where, counted] : parts.counts->all()) {
    view_of(where, parts.book.look_up(where, now), parts.book.failure_of(where, now));
  }
  parts.book.visit(
      now, [&](const std::string& where, host_standing standing, const host_failure& failure) {
        if (parts.counts->find(where) == nullptr) view_of(where, standing, &failure);
      });
}

void connections::drain() {
  parts_->is_draining = true;
  while (!parts_->idle.empty()) parts_->close(parts_->idle.take_oldest());
}

void connections::stop() {
  parts_->group.stop();
}

net::task<bool> connections::join(duration limit) {
  return parts_->group.join(limit);
}

std::size_t connections::size() const noexcept {
  return parts_->counts->total();
}

}  // namespace relais::delivery
