#include "delivery/session_search.hpp"

#include <algorithm>
#include <limits>

#include "base/error.hpp"

namespace relais::delivery {
namespace {

using namespace std::chrono_literals;

// RFC 8305 5: the next address when the first one has not answered for so long.
constexpr auto head_start = 250ms;
constexpr std::size_t lanes_at_once = 2;
// Sessions that get as far as a greeting, per attempt; the rest of the hosts is for the next one.
constexpr std::size_t sessions_per_attempt = 2;
// A host that needs longer until it is ready is tried behind its equals.
constexpr auto slow_set_up = 10s;

std::string name_of(const session_target& to) {
  return to.local_path.empty() ? to.host.name : std::string();
}

/// Descriptors, ports, memory: no fault of the host that was to be reached.
bool is_our_fault(const error_code& why) noexcept {
  namespace e = boost::system::errc;
  for (const auto ours :
       {e::too_many_files_open, e::too_many_files_open_in_system, e::no_buffer_space,
        e::not_enough_memory, e::address_not_available, e::operation_not_supported}) {
    if (why == ours) return true;
  }
  return why == errc::cancelled;
}

smtp::recipient_reply lacking(smtp::local_fault fault) {
  smtp::recipient_reply answer;
  answer.fault = fault;
  return answer;
}

}  // namespace

session_search::session_search(connections_parts& parts, policy::next_hop hop,
                               const unmet_need* need, bool is_fresh)
    : parts_(parts),
      around_(parts.around),
      hop_(std::move(hop)),
      need_(need),
      is_fresh_(is_fresh),
      way_(around_.routes.at(hop_)),
      tls_(policy::tls_policy_of(way_, hop_)),
      profile_(parts.profiles[hop_.route]),
      addresses_left_(around_.settings.delivery.hosts_per_attempt),
      // Who looks for a host that offers something asks them all.
      sessions_left_(need == nullptr ? sessions_per_attempt
                                     : std::numeric_limits<std::size_t>::max()) {}

net::task<reached> session_search::run() {
  if (take(parts_.take_idle(hop_, hop_, [this](const auto& s) { return suits(s); }))) {
    co_return std::move(result_);
  }
  auto found = co_await find_hosts(around_, hop_);
  result_.why = found.why;
  if (found.all.empty()) co_return std::move(result_);
  auto hosts = found.all;
  if (need_ != nullptr) {
    std::erase_if(hosts, [&](const candidate& c) { return relay_text(c.to) == need_->not_there; });
  }
  const auto plan = plan_attempts(std::move(hosts), parts_.book, around_.world.clock.now());
  if (need_ != nullptr) prepare_need(found, plan);
  if (take_idle_of_hosts(plan) || is_left_to_a_probe(plan)) co_return std::move(result_);
  is_probe_ = plan.is_probe;
  for (auto at = plan.hosts.begin(); at != plan.hosts.end() && !is_over_;) {
    const auto end = std::ranges::upper_bound(at, plan.hosts.end(), at->tier, {}, &candidate::tier);
    std::deque<candidate> tier(at, end);
    co_await try_tier(std::move(tier));
    at = end;
  }
  if (!result_.session && !result_.is_busy) conclude(found);
  co_return std::move(result_);
}

bool session_search::suits(const client_session& session) const {
  if (is_fresh_) return false;
  if (need_ == nullptr) return true;
  return session.relay_text() != need_->not_there &&
         session.fault_of(*need_->what) == smtp::local_fault::none;
}

bool session_search::take(std::unique_ptr<client_session> idle) {
  if (!idle) return false;
  result_.relay = idle->relay_text();
  result_.remote_mta = name_of(idle->target());
  result_.is_reused = true;
  result_.session = std::move(idle);
  return true;
}

// Of the hosts that come first: an idle session to a worse one is no reason to use that.
bool session_search::take_idle_of_hosts(const attempt_plan& plan) {
  if (parts_.idle.empty()) return false;
  for (const auto& c : plan.hosts) {
    if (c.tier != plan.hosts.front().tier) break;
    const auto key = parts_.key_of(profile_, tls_, c.to);
    if (take(parts_.take_idle(key, hop_, [this](const auto& s) { return suits(s); }))) return true;
  }
  return false;
}

// A host that is dead for all of its next hops gets one probe at a time, however many ask.
bool session_search::is_left_to_a_probe(const attempt_plan& plan) {
  if (!plan.is_probe) return false;
  const auto& to = plan.hosts.front().to;
  const auto where = where_text(to);
  const auto* known = parts_.counts->find(where);
  const auto* failure = parts_.book.failure_of(where, around_.world.clock.now());
  if (known == nullptr || known->probes == 0 || failure == nullptr) return false;
  result_.relay = relay_text(to);
  result_.remote_mta = name_of(to);
  result_.why = verdict(outcome::deferred, blame::connection, failure->status, failure->reason);
  return true;
}

// What they lack is a reason to bounce only where all could be asked.
void session_search::prepare_need(const found_hosts& found, const attempt_plan& plan) {
  result_.why = need_->said;
  is_unsure_ = plan.is_probe || plan.has_left_out || !found.is_complete;
  if (!is_unsure_) return;
  result_.why =
      verdict(outcome::deferred, blame::host, "4.4.1",
              "other hosts could not be asked for what this message needs; " + need_->said.reason);
}

net::task<void> session_search::try_tier(std::deque<candidate> waiting) {
  is_busy_ = false;
  while (!waiting.empty() && !is_over_) {
    if (addresses_left_ == 0 || sessions_left_ == 0) is_over_ = true;
    if (is_over_) co_return;
    auto got = co_await connect(waiting);
    if (!got) break;
    --sessions_left_;
    auto to = std::move(*got);
    is_over_ = co_await set_up(std::move(to));
  }
  if (is_over_ || !is_busy_) co_return;
  // Our own limit is no reason to go to a worse host.
  result_.is_busy = is_over_ = true;
}

net::task<std::optional<session_search::connected>> session_search::connect(
    std::deque<candidate>& waiting) {
  connection_race race(around_.world, parts_.group, around_.settings.client_timeout.connect);
  std::vector<candidate> lanes;
  for (;;) {
    start_next(race, waiting, lanes);
    if (race.running() == 0) co_return std::nullopt;
    std::optional<steady_time> until;
    if (race.running() < lanes_at_once && addresses_left_ > 0 && !waiting.empty()) {
      until = around_.world.clock.now() + head_start;
    }
    auto ended = co_await race.next(until);
    if (!ended) continue;
    auto& lane = lanes[ended->lane];
    if (!ended->connection) {
      note_failed_connect(lane.to, ended->connection.error());
      lane.to.ticket.reset();
      continue;
    }
    for (std::size_t i = 0; i < lanes.size(); ++i) {
      if (!race.is_running(i)) continue;
      // It had a start, and lost. Should the winner turn out to be useless, it gets another turn.
      parts_.book.was_slow(where_text(lanes[i].to), around_.world.clock.now());
      lanes[i].to.ticket.reset();
      waiting.push_back(lanes[i]);
    }
    co_return std::optional<connected>(std::in_place, std::move(lane.to),
                                       std::move(*ended->connection));
  }
}

bool session_search::start_next(connection_race& race, std::deque<candidate>& waiting,
                                std::vector<candidate>& lanes) {
  while (!waiting.empty() && addresses_left_ > 0 && race.running() < lanes_at_once) {
    auto next = std::move(waiting.front());
    waiting.pop_front();
    if (!parts_.make_room(where_text(next.to))) {
      is_busy_ = true;
      continue;
    }
    --addresses_left_;
    next.to.ticket = std::make_shared<session_ticket>(parts_.counts, next.to, is_probe_);
    race.start(next.to);
    lanes.push_back(std::move(next));
    return true;
  }
  return false;
}

session_options session_search::options_for(const session_target& to) const {
  const auto& settings = around_.settings;
  const auto standing = parts_.book.look_up(where_text(to), around_.world.clock.now());
  tls::client_files files;
  files.ca_file = way_.tls_ca_file;
  files.certificate = way_.tls_certificate;
  files.key = way_.tls_key;
  session_options o;
  o.hello = way_.hello;
  o.tls = tls_;
  if (tls_.level == smtp::tls_level::may && standing.is_clear) o.tls.level = smtp::tls_level::none;
  o.login = way_.login;
  o.is_lmtp = way_.is_lmtp;
  o.use_pipelining = settings.delivery.pipelining && !standing.is_unpipelined;
  o.use_chunking = settings.delivery.chunking;
  o.prefers_data = standing.is_unpipelined;
  o.tls_context = around_.tls.find(files);
  o.timeouts = settings.client_timeout;
  return o;
}

// True: the search is over.
net::task<bool> session_search::set_up(connected to) {
  const auto began = around_.world.clock.now();
  const auto ticket = std::static_pointer_cast<session_ticket>(to.to.ticket);
  ticket->key = parts_.key_of(profile_, tls_, to.to);
  ticket->made = began;
  // Held here until the session is open.
  const auto resumed = parts_.tls_sessions.find(ticket->key);
  auto options = options_for(to.to);
  options.tls_session = resumed.get();
  auto session =
      std::make_unique<client_session>(around_.world, std::move(options), std::move(to.to));
  result_.relay = session->relay_text();
  result_.remote_mta = name_of(session->target());
  const bool is_ready = co_await session->open(std::move(to.transport));
  if (is_ready) co_return accept(std::move(session), began);
  note_failed_set_up(*session);
  parts_.close(std::move(session));
  is_unsure_ = true;
  co_return !try_next_host(result_.why);
}

bool session_search::accept(std::unique_ptr<client_session> session, steady_time began) {
  const auto now = around_.world.clock.now();
  auto& ticket = ticket_of(*session);
  ticket.became_ready();
  parts_.book.worked(ticket.where, now);
  if (now - began > slow_set_up) parts_.book.was_slow(ticket.where, now);
  if (session->fell_back()) {
    parts_.book.fell_back(ticket.where, now);
    if (parts_.book.should_warn(ticket.where, now)) {
      const auto text = "TLS failed with " + session->relay_text() +
                        ", mail goes there in clear for a while: " + session->tls_failure();
      around_.events.emit(events::notice{"smtp", true, text});
    }
  }
  if (need_ != nullptr) {
    const auto fault = session->fault_of(*need_->what);
    if (fault != smtp::local_fault::none) {
      if (!is_unsure_) result_.why = classify(lacking(fault), session->host_text());
      parts_.keep(hop_, std::move(session));
      return false;
    }
  }
  result_.session = std::move(session);
  return true;
}

// A host that is connected to us already may bear no more of us: that is no death.
void session_search::note_dead(const std::string& where, bool refuses) {
  const auto* known = parts_.counts->find(where);
  if (known != nullptr && known->ready > 0) return;
  host_failure why;
  why.status = result_.why.status;
  why.reason = result_.why.reason;
  why.relay = result_.relay;
  why.refuses = refuses;
  parts_.book.failed(where, around_.world.clock.now(), std::move(why));
}

void session_search::note_failed_connect(const session_target& to, error_code why) {
  is_unsure_ = true;
  result_.relay = relay_text(to);
  result_.remote_mta = name_of(to);
  result_.why = connect_failed(why, result_.relay);
  if (!is_our_fault(why)) note_dead(where_text(to), false);
}

void session_search::note_failed_set_up(const client_session& session) {
  const auto& failure = session.failure();
  const auto& ticket = ticket_of(session);
  result_.why = failure.step == smtp::client_step::connect
                    ? connect_failed(failure.error, session.relay_text())
                    : classify(failure, session.host_text());
  if (const auto words = session.tls_failure(); !words.empty()) result_.why.reason += ": " + words;
  if (failure.error == errc::cancelled) return;  // we have ended it
  // Who lets us wait does so with everybody; who lacks something may be right for others.
  const bool is_host = failure.step == smtp::client_step::connect ||
                       failure.step == smtp::client_step::greeting ||
                       failure.error == errc::timeout;
  if (is_host && !is_our_fault(failure.error)) {
    note_dead(ticket.where, failure.remote && failure.remote->is_permanent());
  }
  if (failure.step == smtp::client_step::starttls) parts_.tls_sessions.forget(ticket.key);
  if (failure.pipelining_broke) {
    parts_.book.broke_pipelining(ticket.where, around_.world.clock.now());
  }
  if (failure.step == smtp::client_step::auth &&
      parts_.book.should_warn(ticket.where, around_.world.clock.now())) {
    const auto text = way_.name + ": " + result_.why.reason;
    around_.events.emit(events::notice{"smtp", true, text});
  }
}

// RFC 5321 4.2.4.2 leaves it open how lasting a 5yz of the greeting is: it is taken for a "no" only
// if every host says so, and never where our own configuration chose the host.
void session_search::conclude(const found_hosts& found) {
  if (need_ != nullptr || !around_.settings.delivery.bounce_if_all_refuse || found.has_chosen ||
      !found.is_complete) {
    return;
  }
  const auto now = around_.world.clock.now();
  const bool all_refuse = std::ranges::all_of(found.all, [&](const candidate& c) {
    return parts_.book.look_up(where_text(c.to), now).refuses;
  });
  auto& why = result_.why;
  if (!all_refuse || why.status.empty()) return;
  why.what = outcome::bounced;
  why.status.front() = '5';
}

}  // namespace relais::delivery
