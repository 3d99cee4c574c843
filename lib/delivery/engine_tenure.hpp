// A session's hold of its destination and of a slot; what one session has in its hands. Internal to
// the engine.
#pragma once

#include <vector>

#include "delivery/engine.hpp"

namespace relais::delivery {

// Also when the coroutine is cancelled or throws: the slot is free again, and the next in line gets
// it.
struct engine::tenure {
  tenure(engine& e, queue::destination& d, standing s, net::task_group::task_id t)
      : owner(e), to(d), as(s), task(t) {}
  tenure(const tenure&) = delete;
  tenure& operator=(const tenure&) = delete;
  ~tenure() {
    auto& part = owner.part_of(to);
    begin();
    --part.sessions;
    if (as == standing::probe) part.is_probing = false;
    --owner.line_of(as).running;
    owner.slots_.give_back();
    owner.wake(to);
    owner.rest(to);
    owner.serve_lines();
    owner.try_for_a_host();
  }
  /// It has a job.
  void begin() noexcept {
    if (is_starting) --owner.part_of(to).starting;
    is_starting = false;
  }
  /// It is no probe any more, and no venture.
  void is_live() {
    if (as == standing::live) return;
    if (as == standing::probe) owner.part_of(to).is_probing = false;
    --owner.line_of(as).running;
    as = standing::live;
    ++owner.line_of(as).running;
  }

  engine& owner;
  queue::destination& to;
  standing as;
  const net::task_group::task_id task;
  bool is_starting = true;
};

/// Jobs in the hands of a coroutine. What is left behind an exception comes back after a while: no
/// job may be lost until a restart.
struct engine::handful {
  static constexpr auto wait = std::chrono::minutes(5);
  handful(engine& e, queue::destination& d) : owner(e), to(d) {}
  handful(const handful&) = delete;
  handful& operator=(const handful&) = delete;
  ~handful() {
    for (auto* p : {&first, &second}) {
      if (p->has_job()) owner.later(to, *p, wait);
    }
  }

  engine& owner;
  queue::destination& to;
  parcel first, second;
};

struct engine::course : engine::handful {
  course(engine& e, tenure& t) : handful(e, t.to), mine(t), since(e.world_.clock.now()) {}
  ~course() {
    if (again.has_job()) owner.later(to, again, wait);
    for (auto& r : elsewhere) {
      if (r.what.has_job()) owner.later(to, r.what, wait);
    }
  }

  tenure& mine;
  parcel* now = &first;
  parcel* next = &second;  ///< goes ahead, if it has a job
  parcel again;            ///< goes next, on a connection that nobody has used
  struct refusal {
    parcel what;
    std::string by;  ///< relay_text() of the host that lacks something
    verdict said;
  };
  std::vector<refusal> elsewhere;
  bool is_elsewhere = false;  ///< these are being tried
  unsigned served = 0;
  steady_time since;
};

/// A session that looks for a connection; nothing is lost if it ends then.
struct connecting_mark {
  using task_id = net::task_group::task_id;
  connecting_mark(std::unordered_set<task_id>& a, task_id t) : all(a), mine(t) { all.insert(mine); }
  ~connecting_mark() { all.erase(mine); }
  connecting_mark(const connecting_mark&) = delete;
  connecting_mark& operator=(const connecting_mark&) = delete;
  std::unordered_set<task_id>& all;
  task_id mine;
};

struct connected_count {
  explicit connected_count(outbound& p) : part(p) { ++part.connected; }
  ~connected_count() { --part.connected; }
  connected_count(const connected_count&) = delete;
  connected_count& operator=(const connected_count&) = delete;
  outbound& part;
};

}  // namespace relais::delivery
