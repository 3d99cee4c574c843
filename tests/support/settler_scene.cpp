#include "support/settler_scene.hpp"

#include <boost/asio/co_spawn.hpp>
#include <optional>

namespace relais::testing {

using namespace std::chrono_literals;

namespace {

const ip_address here = *ip_address::parse("192.0.2.1");

net::task<void> settle_into(delivery::settler& settler, const queue::delivery_job& job,
                            const policy::route& way, std::vector<delivery::verdict> verdicts,
                            const delivery::attempt& how,
                            std::optional<delivery::remainder>& rest) {
  rest = co_await settler.settle(job, way, std::move(verdicts), how);
}

net::task<void> append_into(queue::spool_gate& gate, std::shared_ptr<const spool::message> message,
                            std::optional<error_code>& done) {
  std::vector<spool::state_change> nothing;
  done = co_await gate.append(std::move(message), std::move(nothing));
}

void rethrow(const std::exception_ptr& e) {
  if (e) std::rethrow_exception(e);
}

}  // namespace

struct settler_scene::running {
  explicit running(settler_scene& s)
      : gate(*s.store_, *s.readers_, s.world.runtime(here)),
        budget(s.settings.limits.memory.bytes),
        book(s.settings),
        settler({s.world.runtime(here), s.settings, gate, ids, budget, book, s.log,
                 [&s](std::shared_ptr<const queue::queued_message> m) {
                   s.queued.push_back(std::move(m));
                 }}) {}
  queue::spool_gate gate;
  queue_id_source ids;
  queue::memory_budget budget;
  delivery::report_book book;
  delivery::settler settler;
};

settler_scene::settler_scene(sim_disk& storage) : storage_(storage) {
  settings.hostname = "relay.example";
  way.retry.intervals = {10min, 1h};
  way.retry.lifetime = 120h;
  way.retry.bounce_lifetime = 24h;
  way.retry.warnings = {4h, 24h};
}

settler_scene::~settler_scene() {
  queued.clear();  // holds parts of the memory budget
  running_.reset();
  readers_.reset();
  jobs_.reset();
}

void settler_scene::start() {
  jobs_ = world.make_runner();
  readers_ = world.make_runner();
  const spool::store_world surroundings{storage_, *jobs_, *jobs_, world.clock};
  spool::store_options options;
  options.segment_size = 1u << 20;
  std::string why;
  auto opened = spool::open_store(surroundings, options, why);
  if (!opened) throw std::runtime_error("the spool cannot be opened: " + why);
  store_ = std::move(opened->store);
  const auto report = store_->enumerate(
      [&](spool::stored_message message) { found_.push_back(std::move(message)); });
  if (!report) throw std::runtime_error("the spool cannot be read");
  running_ = std::make_unique<running>(*this);
  running_->ids.raise(opened->highest_id);
}

std::shared_ptr<const queue::queued_message> settler_scene::accept(smtp::envelope envelope,
                                                                   const std::string& content) {
  auto made = std::make_shared<spool::message>();
  made->id = running_->ids.next(world.clock.wall());
  made->arrival = world.clock.wall();
  made->envelope = std::move(envelope);
  made->content = content;
  std::optional<error_code> done;
  boost::asio::co_spawn(world.io, append_into(running_->gate, made, done), rethrow);
  world.run_until([&] { return done.has_value(); }, 1h);
  if (!done || *done) throw std::runtime_error("the message was not stored");
  // Spare segments are prepared: what the disk does from now on is what the test makes it do.
  world.run_until([] { return false; }, 10s);
  auto queued_now = std::make_shared<queue::queued_message>();
  queued_now->id = made->id;
  queued_now->arrival = made->arrival;
  queued_now->envelope = std::make_shared<const smtp::envelope>(made->envelope);
  queued_now->size = made->content.size();
  return queued_now;
}

queue::delivery_job settler_scene::job(std::shared_ptr<const queue::queued_message> message) const {
  queue::delivery_job all;
  for (std::size_t i = 0; i < message->envelope->forward_paths.size(); ++i)
    all.recipients.push_back(i);
  all.message = std::move(message);
  all.ready_since = world.clock.now();
  return all;
}

delivery::remainder settler_scene::settle(const queue::delivery_job& job,
                                          std::vector<delivery::verdict> verdicts,
                                          const delivery::attempt& how) {
  std::optional<delivery::remainder> rest;
  boost::asio::co_spawn(
      world.io, settle_into(running_->settler, job, way, std::move(verdicts), how, rest), rethrow);
  world.run_until([&] { return rest.has_value(); }, 1h);
  if (!rest) throw std::runtime_error("settle() did not end");
  return std::move(*rest);
}

void settler_scene::flush() {
  bool done = false;
  store_->flush([&](error_code) { done = true; });
  world.run_until([&] { return done; }, 1h);
}

spool::stored_message settler_scene::stored(queue_id id) {
  auto found = store_->look_up(id);
  if (!found) throw std::runtime_error(id.text() + " is not in the spool");
  return std::move(*found);
}

std::string settler_scene::content(queue_id id) {
  return (*store_->read(id))->content;
}

smtp::path path_of(const std::string& text) {
  return text.empty() ? smtp::path() : smtp::parse_address(text).value();
}

}  // namespace relais::testing
