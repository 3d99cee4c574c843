#include "queue/ready_lanes.hpp"

namespace relais::queue {

ready_lanes::place ready_lanes::find(handle root, unsigned flow) {
  place at;
  if (root == no_handle) return at;
  at.flow_before = root;
  do {
    at.head = next_flow(at.flow_before);
    if (jobs_[at.head].flow == flow) return at;
    at.flow_before = at.head;
  } while (at.head != root);
  return place();
}

void ready_lanes::insert_first(handle& root, handle head) {
  if (root == no_handle) {
    next_flow(head) = head;
    root = head;
    return;
  }
  next_flow(head) = next_flow(root);
  next_flow(root) = head;
}

void ready_lanes::remove_flow(handle& root, place flow) {
  if (flow.flow_before == flow.head) {
    root = no_handle;
    return;
  }
  next_flow(flow.flow_before) = next_flow(flow.head);
  if (root == flow.head) root = flow.flow_before;
}

/// The head of the flow goes, and its next job takes its place in the ring.
void ready_lanes::behead(handle& root, place flow) {
  const auto heir = next(flow.head);
  if (heir == no_handle) {
    remove_flow(root, flow);
    return;
  }
  last(heir) = last(flow.head);
  next_flow(heir) = flow.flow_before == flow.head ? heir : next_flow(flow.head);
  if (flow.flow_before != flow.head) next_flow(flow.flow_before) = heir;
  if (root == flow.head) root = heir;
}

void ready_lanes::push_back(lane_roots& lanes, handle job) {
  auto& root = lanes.root[jobs_[job].lane()];
  const auto flow = find(root, jobs_[job].flow);
  next(job) = no_handle;
  if (flow.head == no_handle) {  // its turn comes behind all others
    last(job) = job;
    insert_first(root, job);
    root = job;
    return;
  }
  const auto tail = last(flow.head);
  next(tail) = job;
  before(job) = tail;
  last(flow.head) = job;
}

void ready_lanes::push_front(lane_roots& lanes, handle job) {
  auto& root = lanes.root[jobs_[job].lane()];
  const auto flow = find(root, jobs_[job].flow);
  next(job) = flow.head;
  last(job) = job;
  if (flow.head != no_handle) {
    remove_flow(root, flow);
    last(job) = last(flow.head);
    before(flow.head) = job;
  }
  insert_first(root, job);
}

std::size_t ready_lanes::choose(lane_roots& lanes) const {
  auto chosen = lane_roots::lanes;
  for (std::size_t i = lane_roots::lanes; i-- > 0;)
    if (lanes.root[i] != no_handle) chosen = i;
  if (chosen == lane_roots::lanes) return chosen;
  for (std::size_t i = 0; i < lane_roots::lanes; ++i)
    if (lanes.root[i] != no_handle && lanes.passed[i] >= patience) chosen = i;
  for (std::size_t i = 0; i < lane_roots::lanes; ++i) {
    const bool waits = i != chosen && lanes.root[i] != no_handle;
    lanes.passed[i] = waits ? static_cast<std::uint8_t>(lanes.passed[i] + 1) : std::uint8_t{0};
  }
  return chosen;
}

handle ready_lanes::pop(lane_roots& lanes) {
  const auto lane = choose(lanes);
  if (lane == lane_roots::lanes) return no_handle;
  auto& root = lanes.root[lane];
  place flow;
  flow.flow_before = root;
  flow.head = next_flow(root);
  const auto heir = next(flow.head);
  behead(root, flow);
  if (heir != no_handle) root = heir;  // served: the last one of the round
  return flow.head;
}

void ready_lanes::erase(lane_roots& lanes, handle job) {
  auto& root = lanes.root[jobs_[job].lane()];
  const auto flow = find(root, jobs_[job].flow);
  if (flow.head == job) return behead(root, flow);
  const auto previous = before(job);
  const auto following = next(job);
  next(previous) = following;
  if (following == no_handle)
    last(flow.head) = previous;
  else
    before(following) = previous;
}

}  // namespace relais::queue
