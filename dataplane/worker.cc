// SPDX-License-Identifier: Apache-2.0
#include "dataplane/worker.h"

#include <poll.h>
#include <rte_mbuf.h>
#include <rte_pause.h>
#include <rte_ring.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>

#include "dataplane/capture.h"
#include "dataplane/exception_path.h"
#include "dataplane/flow_commands.h"
#include "dataplane/link_control.h"
#include "dataplane/pipeline.h"

namespace sallyport::dataplane {

namespace {

constexpr uint32_t commands_per_poll = 64;
constexpr uint64_t tick_ns = 5'000'000;
constexpr uint32_t flows_per_tick = 64;
constexpr uint32_t spins_before_rest = 64;
constexpr uint64_t silence_ns = 200'000'000;
constexpr uint64_t silent_rest_us = 1000;
constexpr uint64_t rest_limit_us = 16'000;  // the heartbeat is due ten times a second

}  // namespace

uint64_t monotonic_ns() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000u + static_cast<uint64_t>(now.tv_nsec);
}

Outcome<std::unique_ptr<Worker>> Worker::create(Node& node, uint32_t id) {
  auto flows = FlowTable::create(node.geometry, node.slot_count);
  if (!flows) return flows.fault();
  auto engine = drivers::CryptoEngine::create();
  if (!engine) return engine.fault();
  auto mac = ControlMac::create();
  if (!mac) return mac.fault();
  return std::unique_ptr<Worker>(new Worker(node, id, std::move(*flows), std::move(*engine), std::move(*mac)));
}

Worker::Worker(Node& shared, uint32_t number, std::unique_ptr<FlowTable> table, drivers::CryptoEngine crypto, ControlMac control)
    : node(shared), id(number), count(shared.geometry.worker_count), flows(std::move(table)), engine(std::move(crypto)),
      srtp(engine), mac(std::move(control)) {}

Outcome<> Worker::attach() {
  if (area != nullptr) {
    auto fresh = FlowTable::create(node.geometry, node.slot_count);
    if (!fresh) return fresh.fault();
    flows = std::move(*fresh);
    links = LinkTable{};
  }
  area = &node.region->worker(id);
  now_ns = monotonic_ns();
  if (node.region->is_adopted()) restore(*this);
  return Done{};
}

void Worker::run() {
  stopping_.store(false, std::memory_order_relaxed);
  // The default slack of 50 us would double every rest.
  prctl(PR_SET_TIMERSLACK, 1000);
  uint32_t idle_rounds = 0;
  while (!stopping_.load(std::memory_order_relaxed)) {
    if (poll_once(monotonic_ns())) {
      idle_rounds = 0;
    } else {
      rest(++idle_rounds);
    }
  }
}

bool Worker::poll_once(uint64_t at_ns) {
  now_ns = at_ns;
  abi::WorkerCounters& counters = area->counters;
  ++counters.polls;
  area->heartbeat_ns.store(now_ns, std::memory_order_relaxed);
  bool busy = take_commands();
  uint32_t packets = 0;
  for (uint16_t port = 0; port < node.ports.size(); ++port) packets += run_port(*this, port);
  packets += run_handed_over(*this);
  if (packets != 0) last_packet_ns_ = now_ns;
  busy |= packets != 0;
  if (node.has_exception_ports && take_from_kernel(*this) != 0) {
    busy = true;
    last_packet_ns_ = now_ns;
  }
  if (now_ns >= next_tick_ns_) {
    next_tick_ns_ = now_ns + tick_ns;
    tick_links(*this);
    check_idle_flows();
  }
  if (!busy) ++counters.empty_polls;
  if (notify_due_) {
    notify_due_ = false;
    const uint64_t one = 1;
    // A full counter means that the reader has news waiting already.
    if (write(node.notify_event, &one, sizeof one) < 0) notify_due_ = false;
  }
  return busy;
}

bool Worker::take_commands() {
  uint32_t taken = 0;
  abi::Command command;
  while (taken < commands_per_poll && area->completions.size() < abi::command_ring_capacity && area->commands.pop_and_wipe(command)) {
    ++taken;
    abi::Completion completion;
    completion.id = command.id;
    completion.flow_index = command.flow.flow_index != abi::no_flow ? command.flow.flow_index : command.flow_index;
    completion.status = execute(*this, command);
    ++area->counters.commands;
    if (completion.status != abi::CommandStatus::done) ++area->counters.commands_refused;
    area->completions.push(completion);
    notify_due_ = true;
  }
  if (taken != 0) explicit_bzero(&command, sizeof command);
  return taken != 0;
}

void Worker::check_idle_flows() {
  const bool captures_end = flows->captured_flows != 0 && !is_capture_wanted(*this);
  for (uint32_t step = 0; step < flows_per_tick && flows->live_flows != 0; ++step) {
    const uint32_t index = idle_cursor_ * count + id;
    idle_cursor_ = index + count < flows->flow_capacity() ? idle_cursor_ + 1 : 0;
    FlowEntry& flow = flows->entry(index);
    if (flow.generation == 0) continue;
    if (captures_end && flow.is_captured()) end_capture(*this, flow);
    if (flow.idle_timeout_s == 0) continue;
    const uint64_t last_ns = std::max(node.region->meter(index).last_packet_ns, flow.added_ns);
    const uint64_t timeout_ns = uint64_t{flow.idle_timeout_s} * 1'000'000'000u;
    if (now_ns < last_ns + timeout_ns || now_ns < flow.idle_report_ns + timeout_ns) continue;
    flow.idle_report_ns = now_ns;
    post_flow_event(abi::EventType::flow_idle, flow, flow.held, static_cast<uint32_t>((now_ns - last_ns) / 1'000'000'000u));
  }
}

void Worker::rest(uint32_t idle_rounds) {
  if (node.sleep_idle_us == 0 || idle_rounds < spins_before_rest) {
    rte_pause();
    return;
  }
  uint64_t rest_us = node.sleep_idle_us;
  // Without flows nobody waits for a packet but the link, and a command wakes us: back off within half a second. With flows that are
  // all silent, which is no call as people know it, the first packet may wait a millisecond; a stream keeps the short rest. All of a node's
  // signalling comes this way when a port has an exception port, so it counts as a stream does.
  const bool has_users = flows->live_flows != 0 || node.has_exception_ports;
  if (now_ns - last_packet_ns_ > silence_ns || !has_users) {
    const uint64_t limit_us = has_users ? silent_rest_us : rest_limit_us;
    rest_us = std::min(rest_us << std::min((idle_rounds - spins_before_rest) / 16, 9u), std::max(rest_us, limit_us));
  }
  area->asleep.store(1, std::memory_order_seq_cst);
  if (area->commands.size() == 0) {
    ++area->counters.sleeps;
    pollfd wake{node.wake_event, POLLIN, 0};
    const timespec limit{0, static_cast<long>(rest_us * 1000)};
    if (ppoll(&wake, 1, &limit, nullptr) > 0) {
      uint64_t calls = 0;
      if (read(node.wake_event, &calls, sizeof calls) < 0) calls = 0;
    }
  }
  area->asleep.store(0, std::memory_order_relaxed);
}

void Worker::drop(Packet& packet, abi::DropReason reason) {
  packet.verdict = Verdict::drop;
  packet.reason = reason;
  --burst.passing;
  ++area->counters.drops[static_cast<size_t>(reason)];
  if (packet.flow == nullptr) return;
  abi::FlowState& state = state_of(packet);
  ++state.dropped;
  state.last_drop = static_cast<uint8_t>(reason);
}

void Worker::leave(Packet& packet) {
  if (!node.ports[burst.port_index]->has_exception_port()) return drop(packet, abi::DropReason::not_ours);
  // Counted when it is known what becomes of it: a counter that went back would look like a restart.
  packet.verdict = Verdict::drop;
  packet.reason = abi::DropReason::not_ours;
  --burst.passing;
}

void Worker::settle(Packet& packet, Verdict verdict) {
  packet.verdict = verdict;
  --burst.passing;
  if (verdict == Verdict::handed_on) --burst.owned;
}

void Worker::hand_over(Packet& packet, uint32_t to) {
  if (to >= count || rte_ring_enqueue(node.hand_over[to], packet.mbuf) != 0) return drop(packet, abi::DropReason::port_full);
  settle(packet, Verdict::handed_on);
  ++area->counters.handed_over;
}

void Worker::post(const abi::Event& event) {
  notify_due_ = true;
  if (events_lost_ != 0) {
    abi::Event lost;
    lost.type = abi::EventType::events_lost;
    lost.value = events_lost_;
    lost.time_ns = now_ns;
    if (area->events.push(lost)) events_lost_ = 0;
  }
  if (events_lost_ == 0 && area->events.push(event)) return;
  ++events_lost_;
  ++area->counters.events_lost;
}

void Worker::post_flow_event(abi::EventType type, const FlowEntry& flow, const abi::Address& address, uint32_t value) {
  abi::Event event;
  event.type = type;
  event.flow_index = flow.flow_index;
  event.generation = flow.generation;
  event.value = value;
  event.call_tag = flow.call_tag;
  event.time_ns = now_ns;
  event.address = address;
  post(event);
}

void Worker::post_link_event(abi::EventType type, const Link& link, uint32_t kind) {
  abi::Event event;
  event.type = type;
  event.link = link.index;
  event.generation = link.generation;
  event.value = kind;
  event.time_ns = now_ns;
  event.address = link.peers.address[kind][0];
  post(event);
}

}  // namespace sallyport::dataplane
