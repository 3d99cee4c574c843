#include "delivery/engine.hpp"

#include <algorithm>
#include <boost/asio/post.hpp>

#include "base/error.hpp"

namespace relais::delivery {

namespace {
// How long a message waits for memory before it asks again.
constexpr auto memory_wait = std::chrono::seconds(1);
// How long all wait before they look again whether the spool can record what they do.
constexpr auto failed_spool_wait = std::chrono::seconds(30);
// What is not larger is read in one; else piece by piece, the smaller ones when memory is scarce.
constexpr std::uint64_t read_whole = 1u << 20;
constexpr std::size_t piece_sizes[] = {256 * 1024, 64 * 1024, 16 * 1024};
}  // namespace

engine::engine(const net::runtime& world, engine_options options, dns::resolver& resolver,
               queue::scheduler& scheduler, queue::spool_gate& gate, settler& settler,
               queue::memory_budget& budget, event_sink& events)
    : world_(world),
      options_(std::move(options)),
      resolver_(resolver),
      scheduler_(scheduler),
      gate_(gate),
      settler_(settler),
      budget_(budget),
      events_(events),
      sessions_(world,
                [this](const std::string& label, const std::string& what) {
                  events_.emit(events::notice{"smtp", true, label + ": " + what});
                }),
      look_again_(world.alarms.make([this] { serve_line(); })) {
  scheduler_.on_ready([this](queue::destination& to) { wake(to); });
}

bool engine::may_begin() {
  const bool failed = gate_.has_room(0) == spool::health::failed;
  if (failed != paused_) {
    events_.emit(events::notice{"qmgr", failed,
                                failed ? "the spool has failed: no delivery begins until it works"
                                       : "the spool works again: deliveries go on"});
  }
  paused_ = failed;
  if (failed) look_again_->set(world_.clock.now() + failed_spool_wait);
  return !failed;
}

void engine::wait_in_line(queue::destination& to) {
  if (!to.in_line) line_.push_back(&to);
  to.in_line = true;
}

// One by one, each once: what cannot begin yet goes to the end of the line.
void engine::serve_line() {
  if (draining_ || line_.empty() || !may_begin()) return;
  for (auto left = line_.size(); left > 0 && running_ < options_.connections; --left) {
    auto& next = *line_.front();
    line_.pop_front();
    next.in_line = false;
    wake(next);
    scheduler_.release(next);
  }
}

void engine::wake(queue::destination& to) {
  if (draining_ || to.ready.empty()) return;
  if (!may_begin()) return wait_in_line(to);
  // What is ready does not wait for a session that is at work: that may hang for minutes.
  while (to.starting < to.ready.size() &&
         to.sessions < std::min(to.limit, options_.connections_per_destination)) {
    if (running_ >= options_.connections) return wait_in_line(to);
    ++to.sessions;
    ++to.starting;
    ++running_;
    sessions_.spawn("delivery to " + to.hop.text(), serve(to));
  }
}

net::task<void> engine::serve(queue::destination& to) {
  // Also when the coroutine is cancelled or throws: the slot is free again, and the next in line
  // gets it.
  struct slot {
    engine& owner;
    queue::destination& to;
    bool starting = true;
    void begin() noexcept {
      starting = false;
      --to.starting;
    }
    ~slot() {
      if (starting) --to.starting;
      --owner.running_;
      owner.serve_line();  // does not release `to`: it has a session still
      --to.sessions;
      owner.wake(to);
      owner.scheduler_.release(to);
    }
  };
  slot mine{*this, to};
  // In a turn of its own: what ends without ever waiting (a report to a forbidden address) must not
  // end the destination under the hands of wake().
  co_await net::asio::post(world_.executor, net::asio::use_awaitable);
  mine.begin();
  co_await work(to);
}

namespace {
struct connected_count {
  explicit connected_count(queue::destination& d) : to(d) { ++to.connected; }
  ~connected_count() { --to.connected; }
  connected_count(const connected_count&) = delete;
  connected_count& operator=(const connected_count&) = delete;
  queue::destination& to;
};
}  // namespace

net::task<void> engine::work(queue::destination& to) {
  auto job = scheduler_.take(to);
  if (!job) co_return;
  auto began = world_.clock.now();
  auto reached = co_await open(to, nullptr);
  if (!reached.session && to.connected > 0 && reached.why.what == outcome::deferred) {
    // Others are connected: the peer wants no more of us at a time. They do the work.
    to.limit = to.connected;
    scheduler_.put_back(to, std::move(*job));
    co_return;
  }
  if (!reached.session) {
    reached.how.began = began;
    reached.how.connected = world_.clock.now();
    co_await fail_all(to, std::move(*job), std::move(reached));
    co_return;
  }
  auto& session = *reached.session;
  const connected_count counted(to);
  while (job) {
    if (!may_begin()) {
      scheduler_.put_back(to, std::move(*job));
      break;
    }
    auto how = reached.how;
    how.began = began;
    how.connected = world_.clock.now();
    if (!co_await deliver(to, std::move(*job), session, std::move(how))) break;
    if (draining_ || session.uses() >= options_.transactions_per_connection) break;
    job = scheduler_.take(to);
    began = world_.clock.now();
  }
  // A session that ended well: the peer may bear one more than it last did.
  const bool well = session.is_usable();
  co_await session.quit();
  if (well && to.limit < options_.connections_per_destination) ++to.limit;
}

namespace {

smtp::recipient_reply refused_here(smtp::local_fault fault) {
  smtp::recipient_reply answer;
  answer.fault = fault;
  return answer;
}

smtp::local_fault fault_of(const client_session& session, const queue::delivery_job& job) {
  return session.fault_of(*job.message->envelope, job.recipients, job.message->size);
}

}  // namespace

net::task<engine::opened> engine::open(const queue::destination& to, const unmet_need* need) {
  opened result;
  const auto& hop = to.hop;
  auto host_options = options_.hosts;
  host_options.is_own_address = [this, port = hop.port](const ip_address& a) {
    return options_.is_own(endpoint{a, port});
  };
  // The owner of this host has chosen the smarthost: it may be anywhere.
  if (hop.is_smarthost) host_options.is_allowed = nullptr;
  dns::host_list found;
  if (hop.lookup_mx) {
    found = co_await dns::mail_hosts(resolver_, hop.name, host_options, world_.random);
  } else {
    found = co_await dns::plain_hosts(resolver_, hop.name, host_options);
  }
  if (found.fault != dns::host_fault::none) {
    result.why = classify(found.fault, found.reason);
    if (hop.is_smarthost && result.why.what == outcome::bounced) {
      // The name of the smarthost is our configuration's, not the sender's, fault: mail waits for
      // its repair.
      result.why.what = outcome::deferred;
      result.why.status = "4.4.4";
    }
    co_return result;
  }
  if (need != nullptr) {
    std::erase_if(found.hosts, [&](const dns::host& h) { return h.address == need->not_there; });
    result.why = need->said;
  }
  const auto tries = std::min(found.hosts.size(), options_.hosts_per_attempt);
  bool is_unsure = false;
  for (std::size_t i = 0; i < tries; ++i) {
    auto session_settings = options_for(to);
    auto session = std::make_unique<client_session>(world_, std::move(session_settings),
                                                    found.hosts[i], hop.port);
    result.how.relay = session->relay_text();
    result.how.remote_mta = session->host().name;
    if (co_await session->open()) {
      const auto fault = need == nullptr ? smtp::local_fault::none : fault_of(*session, need->job);
      if (fault == smtp::local_fault::none) {
        result.how.tls = session->tls_description();
        result.how.peer_reports = session->features().dsn;
        result.session = std::move(session);
        co_return result;
      }
      // A host that could not be asked may offer what these do not: that is no bounce.
      if (!is_unsure) result.why = classify(refused_here(fault), session->host_text());
      co_await session->quit();
      continue;
    }
    is_unsure = true;
    const auto& failure = session->failure();
    result.why = failure.step == smtp::client_step::connect
                     ? connect_failed(failure.error, session->relay_text())
                     : classify(failure, session->host_text());
    if (const auto words = session->tls_failure(); !words.empty())
      result.why.reason += ": " + words;
    co_await session->quit();
    if (!try_next_host(result.why)) break;
  }
  co_return result;
}

session_options engine::options_for(const queue::destination& to) const {
  auto options = options_.session;
  if (to.hop.is_smarthost) {
    options.verify_name = to.hop.name;
  } else {
    options.login.reset();
    options.verify_name.clear();
  }
  return options;
}

namespace {

bool is_delivered(const smtp::recipient_reply& r) {
  return r.remote && r.remote->is_positive() && r.step == smtp::client_step::content;
}

bool is_beyond_limit(const smtp::recipient_reply& r) {
  return r.remote && r.step == smtp::client_step::rcpt &&
         (r.remote->code() == 452 || r.remote->code() == 552);
}

bool is_for_another_host(const smtp::recipient_reply& r) {
  return r.fault != smtp::local_fault::none && r.fault != smtp::local_fault::deliver_by_over;
}

/// The recipients whose answer is `such`, out of the job and its results.
queue::delivery_job take_out(queue::delivery_job& job, std::vector<smtp::recipient_reply>& results,
                             bool such(const smtp::recipient_reply&)) {
  queue::delivery_job rest;
  rest.message = job.message;
  rest.ready_since = job.ready_since;
  if (std::ranges::none_of(results, such)) return rest;
  std::vector<std::size_t> answered;
  std::vector<smtp::recipient_reply> answers;
  for (std::size_t i = 0; i < results.size(); ++i) {
    if (such(results[i])) {
      rest.recipients.push_back(job.recipients[i]);
    } else {
      answered.push_back(job.recipients[i]);
      answers.push_back(std::move(results[i]));
    }
  }
  job.recipients = std::move(answered);
  results = std::move(answers);
  return rest;
}

// RFC 5321 4.5.3.1.10: recipients beyond the server's limit follow in a transaction of their own,
// at once. Only where others were delivered, so that every round makes progress.
queue::delivery_job take_overflow(queue::delivery_job& job,
                                  std::vector<smtp::recipient_reply>& results) {
  if (std::ranges::none_of(results, is_delivered)) return {};
  return take_out(job, results, is_beyond_limit);
}

}  // namespace

net::task<engine::found_content> engine::find_content(const queue::queued_message& message,
                                                      queue::memory_lease& lease) {
  found_content found;
  found.whole = message.content;
  if (!found.whole && message.size <= read_whole && lease.cover(message.size)) {
    auto read = co_await gate_.read(message.id);
    if (!read) {
      found.error = read.error();
      co_return found;
    }
    found.whole = std::move(*read);
  }
  // A small one that was written to a file of its own, because memory was scarce, is not whole.
  if (found.whole && found.whole->content.size() == message.size) {
    found.source = std::make_unique<content_in_memory>(found.whole->content);
    co_return found;
  }
  for (const auto size : piece_sizes) {
    // Twice: as read, and as sent.
    if (!lease.cover(2 * size)) continue;
    auto from = co_await gate_.open_content(message.id);
    if (from) {
      found.source = std::make_unique<content_in_spool>(gate_, std::move(*from), size);
    } else {
      found.error = from.error();
    }
    break;
  }
  co_return found;
}

// Damaged content is never sent; the operator is told, the message stays.
verdict engine::unreadable(queue_id id, error_code why) {
  verdict v;
  v.what = outcome::deferred;
  v.whom = blame::message;
  v.status = "4.3.0";
  v.reason = "the stored message cannot be read: " + why.message();
  events_.emit(events::notice{"qmgr", true, id.text() + ": " + v.reason});
  return v;
}

net::task<bool> engine::deliver(queue::destination& to, queue::delivery_job job,
                                client_session& session, attempt how) {
  queue::memory_lease lease(budget_);
  const auto content = co_await find_content(*job.message, lease);
  if (!content.source) {
    if (content.error) {
      std::vector<verdict> verdicts(job.recipients.size(),
                                    unreadable(job.message->id, content.error));
      co_await settler_.settle(to, std::move(job), std::move(verdicts), how);
    } else {
      // The memory for content is spent, for the moment: this was no attempt.
      scheduler_.postpone(to, std::move(job), world_.clock.now() + memory_wait);
    }
    co_return session.is_usable();
  }
  co_await session.send(*job.message->envelope, job.recipients, *content.source);
  how.connection_use = session.uses();
  auto results = session.results();
  std::vector<verdict> verdicts;
  if (const auto why = session.content_fault()) {
    // Who was refused before stays refused.
    const auto for_the_others = unreadable(job.message->id, why);
    for (const auto& r : results) {
      const bool is_refused = r.remote || r.fault != smtp::local_fault::none;
      verdicts.push_back(is_refused ? classify(r, session.host_text()) : for_the_others);
    }
    co_await settler_.settle(to, std::move(job), std::move(verdicts), how);
    co_return false;
  }
  const bool nothing_said = std::ranges::all_of(results, [](const smtp::recipient_reply& r) {
    // 421 to MAIL: "enough messages on this connection, open another".
    if (r.remote) return r.remote->code() == 421 && r.step == smtp::client_step::mail;
    return r.step != smtp::client_step::content;
  });
  if (!session.is_usable() && nothing_said && session.uses() > 1) {
    // A reused connection that the peer had given up: the message has not been tried yet.
    scheduler_.put_back(to, std::move(job));
    co_return false;
  }
  auto overflow = take_overflow(job, results);
  if (!overflow.recipients.empty()) scheduler_.put_back(to, std::move(overflow));
  verdict lacking;
  if (!how.is_elsewhere) {
    const auto first = std::ranges::find_if(results, is_for_another_host);
    if (first != results.end()) lacking = classify(*first, session.host_text());
  }
  queue::delivery_job refused;
  if (!how.is_elsewhere) refused = take_out(job, results, is_for_another_host);
  verdicts.reserve(results.size());
  for (const auto& r : results) verdicts.push_back(classify(r, session.host_text()));
  if (!job.recipients.empty()) {
    co_await settler_.settle(to, std::move(job), std::move(verdicts), how);
  }
  if (refused.recipients.empty()) co_return session.is_usable();
  const auto here = session.host().address;
  co_await session.quit();
  co_await deliver_elsewhere(to, std::move(refused), here, std::move(lacking));
  co_return false;
}

// The slot of a connection goes on being used: the one that was there is closed.
net::task<void> engine::deliver_elsewhere(queue::destination& to, queue::delivery_job job,
                                          ip_address not_there, verdict said) {
  const auto began = world_.clock.now();
  const unmet_need need{job, not_there, std::move(said)};
  auto reached = co_await open(to, &need);
  reached.how.is_elsewhere = true;
  reached.how.began = began;
  reached.how.connected = world_.clock.now();
  if (reached.session) {
    auto& session = *reached.session;
    co_await deliver(to, std::move(job), session, reached.how);
    co_await session.quit();
    co_return;
  }
  std::vector<verdict> verdicts(job.recipients.size(), reached.why);
  co_await settler_.settle(to, std::move(job), std::move(verdicts), reached.how);
}

net::task<void> engine::fail_all(queue::destination& to, queue::delivery_job job, opened failed) {
  const auto host = failed.how;
  std::vector<verdict> verdicts(job.recipients.size(), failed.why);
  co_await settler_.settle(to, std::move(job), std::move(verdicts), host);
  // Whatever else is ready now would meet the same: one probe speaks for all.
  auto suspended = failed.why;
  if (suspended.what == outcome::deferred) {
    suspended.reason = "delivery temporarily suspended: " + suspended.reason;
  }
  attempt untried = host;
  for (auto left = to.ready.size(); left > 0; --left) {
    auto next = scheduler_.take(to);
    if (!next) break;
    untried.began = untried.connected = world_.clock.now();
    std::vector<verdict> same(next->recipients.size(), suspended);
    co_await settler_.settle(to, std::move(*next), std::move(same), untried);
  }
}

}  // namespace relais::delivery
