// The operator's hand on destinations: which there are, suspend, resume, try again. What is
// suspended outlasts a restart: one line each in a file that whoever made the hand keeps.
#include "base/text.hpp"
#include "delivery/operator_parts.hpp"

namespace relais::delivery {

namespace {

// Of one worker, at a time.
constexpr std::size_t destinations_per_turn = 500;

using position = queue::scheduler::position;

struct piece_of_destinations {
  std::vector<destination_view> views;
  position next = 0;
};

/// "b.example<TAB>0<TAB>MX": domain, whether by the fallback hosts, name of the route.
std::string line_of(const policy::next_hop& hop, const policy::routes& routes) {
  return hop.domain + '\t' + (hop.is_fallback ? '1' : '0') + '\t' + printable(routes.at(hop).name) +
         '\n';
}

std::optional<policy::next_hop> hop_of_line(std::string_view line, const policy::routes& routes) {
  const auto parts = split(line, '\t');
  if (parts.size() != 3) return {};
  for (std::uint32_t i = 0; i < routes.all().size(); ++i) {
    if (printable(routes.all()[i]->name) != parts[2]) continue;
    policy::next_hop hop;
    hop.route = i;
    hop.is_fallback = parts[1] == "1";
    hop.domain = std::string(parts[0]);
    return hop;
  }
  return {};
}

}  // namespace

/// Worker after worker, piece by piece.
class run_of_destinations final : public destination_stream {
 public:
  run_of_destinations(operator_hand& hand, bool closed_only)
      : hand_(hand), closed_only_(closed_only) {}

  net::task<std::vector<destination_view>> next() override {
    while (worker_ < hand_.around_.workers.size()) {
      const auto& w = hand_.around_.workers[worker_];
      std::function<piece_of_destinations()> work =
          [scheduler = w.scheduler, &time = w.world->clock, &routes = hand_.around_.routes,
           from = from_, closed_only = closed_only_] {
            piece_of_destinations piece;
            const auto visitor = [&](const queue::destination& d) {
              if (closed_only && d.state() == queue::destination_state::open) return;
              piece.views.push_back(view_of_destination(d, routes, time));
            };
            piece.next = scheduler->visit_destinations(from, destinations_per_turn, visitor);
            return piece;
          };
      auto there = place_of(*w.world);
      auto piece = co_await errand<piece_of_destinations>(hand_.here().executor, std::move(there),
                                                          std::move(work));
      from_ = piece.next;
      if (from_ == 0) ++worker_;
      if (!piece.views.empty()) co_return std::move(piece.views);
    }
    co_return std::vector<destination_view>();
  }

 private:
  operator_hand& hand_;
  bool closed_only_;
  std::size_t worker_ = 0;
  position from_ = 0;
};

std::unique_ptr<destination_stream> operator_hand::destinations(bool closed_only) {
  return std::make_unique<run_of_destinations>(*this, closed_only);
}

bool operator_hand::is_next_hop(const std::string& text) const {
  return around_.routes.parse(text).has_value();
}

// The one that is written so, and others of that name: several routes may lead to one domain.
net::task<std::vector<policy::next_hop>> operator_hand::hops_named(std::string name) {
  std::set<policy::next_hop> named;
  const auto written = around_.routes.parse(name);
  const auto is_meant = [written, name, &routes = around_.routes](const policy::next_hop& hop) {
    return hop == written || iequals(routes.text(hop), name);
  };
  for (const auto& w : around_.workers) {
    position at = 0;
    do {
      using piece = std::pair<std::vector<policy::next_hop>, position>;
      std::function<piece()> work = [scheduler = w.scheduler, at, is_meant] {
        piece found;
        const auto visitor = [&](const queue::destination& d) {
          if (is_meant(d.hop)) found.first.push_back(d.hop);
        };
        found.second = scheduler->visit_destinations(at, destinations_per_turn, visitor);
        return found;
      };
      auto there = place_of(*w.world);
      const auto found = co_await errand<piece>(here().executor, std::move(there), std::move(work));
      named.insert(found.first.begin(), found.first.end());
      at = found.second;
    } while (at != 0);
  }
  for (const auto& hop : suspended_)
    if (is_meant(hop)) named.insert(hop);
  co_return std::vector<policy::next_hop>(named.begin(), named.end());
}

net::task<std::vector<destination_view>> operator_hand::carry_out(destination_verb verb,
                                                                  std::string name,
                                                                  std::string by) {
  std::vector<destination_view> seen;
  if (verb == destination_verb::retry && name.empty()) {
    co_await hurry(nullptr);
    co_return seen;
  }
  auto hops = co_await hops_named(name);
  if (verb == destination_verb::suspend) {
    const auto written = around_.routes.parse(name);
    if (written && std::ranges::find(hops, *written) == hops.end()) hops.push_back(*written);
  }
  for (const auto& hop : hops) {
    const auto& w = around_.workers[owner_of(hop)];
    if (verb == destination_verb::retry) {
      co_await retry_destination(hop);
    } else {
      const bool suspend = verb == destination_verb::suspend;
      std::function<bool()> work = [scheduler = w.scheduler, hop, suspend] {
        if (suspend) scheduler->suspend(hop);
        if (!suspend) scheduler->resume(hop);
        return true;
      };
      auto there = place_of(*w.world);
      co_await errand<bool>(here().executor, std::move(there), std::move(work));
      if (suspend) suspended_.insert(hop);
      if (!suspend) suspended_.erase(hop);
    }
    seen.push_back(co_await view_of(hop));
    constexpr std::string_view words[] = {"suspended", "resumed", "tried again"};
    const auto text = "destination " + printable(around_.routes.text(hop)) + " " +
                      std::string(words[static_cast<std::size_t>(verb)]) + " by " + by;
    around_.events.emit(events::notice{"control", false, text});
  }
  if (verb != destination_verb::retry) remember_suspended();
  co_return seen;
}

net::task<destination_view> operator_hand::view_of(policy::next_hop hop) {
  const auto& w = around_.workers[owner_of(hop)];
  std::function<destination_view()> work = [scheduler = w.scheduler, &time = w.world->clock,
                                            &routes = around_.routes, hop] {
    if (const auto* d = scheduler->find(hop)) return view_of_destination(*d, routes, time);
    destination_view gone;
    gone.name = routes.text(hop);
    gone.route = routes.at(hop).name;
    return gone;
  };
  auto there = place_of(*w.world);
  co_return co_await errand<destination_view>(here().executor, std::move(there), std::move(work));
}

net::task<bool> operator_hand::retry_destination(policy::next_hop hop) {
  const auto& w = around_.workers[owner_of(hop)];
  const auto ids = std::make_shared<id_set>();
  position at = 0;
  do {
    // The set is looked at elsewhere only while this coroutine waits.
    std::function<position()> collect = [scheduler = w.scheduler, at, hop, ids] {
      return scheduler->visit(at, jobs_per_turn, [&](const queue::job_view& job) {
        if (job.hop == hop && job.is != queue::job_view::state::in_hand) ids->insert(job.id);
      });
    };
    auto there = place_of(*w.world);
    at = co_await errand<position>(here().executor, std::move(there), std::move(collect));
  } while (at != 0);
  do {
    std::function<position()> piece = [scheduler = w.scheduler, at, ids] {
      return scheduler->hurry(at, jobs_per_turn, ids.get());
    };
    auto there = place_of(*w.world);
    at = co_await errand<position>(here().executor, std::move(there), std::move(piece));
  } while (at != 0);
  co_return true;
}

void operator_hand::suspend_remembered(std::string_view lines) {
  for (const auto line : split(lines, '\n')) {
    const auto hop = hop_of_line(line, around_.routes);
    if (hop) {
      suspended_.insert(*hop);
      around_.workers[owner_of(*hop)].scheduler->suspend(*hop);
    } else if (!line.empty()) {
      const auto text = "a suspended destination has no route any more: " + printable(line);
      around_.events.emit(events::notice{"control", true, text});
    }
  }
}

void operator_hand::remember_suspended() {
  std::string lines;
  for (const auto& hop : suspended_) lines += line_of(hop, around_.routes);
  around_.remember(std::move(lines));
}

}  // namespace relais::delivery
