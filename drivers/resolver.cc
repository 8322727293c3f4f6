// SPDX-License-Identifier: Apache-2.0
#include "drivers/resolver.h"

#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "drivers/vlan_interface.h"

namespace sallyport::drivers {

namespace {
constexpr uint64_t second_ns = 1'000'000'000;
constexpr uint64_t in_use_ns = 60 * second_ns;       // entries used within this are kept fresh
constexpr uint64_t reprobe_stale_ns = 20 * second_ns;
constexpr uint64_t reprobe_missing_ns = second_ns;
}  // namespace

Outcome<std::unique_ptr<Resolver>> Resolver::create(std::vector<EgressSlot> slots, uint32_t workers, NextHopTable& table) {
  auto questions = NetlinkSocket::open(0);
  if (!questions) return questions.fault();
  auto events = NetlinkSocket::open(RTMGRP_NEIGH | RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE | RTMGRP_LINK);
  if (!events) return events.fault();
  return std::unique_ptr<Resolver>(new Resolver(std::move(slots), workers, table, std::move(*questions), std::move(*events)));
}

Resolver::Resolver(std::vector<EgressSlot> slots, uint32_t workers, NextHopTable& table, NetlinkSocket questions, NetlinkSocket events)
    : slots_(std::move(slots)), table_(table), socket_(std::move(questions)), events_(std::move(events)) {
  for (uint32_t i = 0; i < workers; ++i) questions_.push_back(std::make_unique<Questions>());
  question_event_ = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
}

Resolver::~Resolver() {
  if (question_event_ >= 0) close(question_event_);
}

bool Resolver::ask(uint32_t worker, const HopKey& key) {
  if (!questions_[worker]->push(key)) return false;
  // One write wakes the thread for all questions that come before it looks.
  if (!question_signalled_.exchange(true, std::memory_order_acq_rel)) {
    const uint64_t one = 1;
    if (write(question_event_, &one, sizeof one) < 0) question_signalled_.store(false, std::memory_order_release);
  }
  return true;
}

void Resolver::run(uint64_t now_ns) {
  uint64_t count = 0;
  if (read(question_event_, &count, sizeof count) < 0) count = 0;
  question_signalled_.store(false, std::memory_order_release);
  for (auto& ring : questions_) {
    HopKey key;
    while (ring->pop(key)) resolve(key, now_ns);
  }
  take_events(now_ns);
}

void Resolver::resolve(const HopKey& key, uint64_t now_ns) {
  if (key.slot >= slots_.size() || !slots_[key.slot].in_use || (key.family != 4 && key.family != 6)) return;
  EgressSlot& slot = slots_[key.slot];
  const uint32_t index = table_.insert(key, now_ns);
  if (!slot.port->has_kernel_neighbours()) {
    HopLink link;
    std::copy_n(slot.port->peer_mac().begin(), 6, link.destination_mac);
    std::copy_n(slot.port->mac().begin(), 6, link.source_mac);
    table_.set(index, HopState::usable, link);
    return;
  }
  IpAddress destination;
  destination.family = key.family;
  std::memcpy(destination.bytes, key.ip, sizeof key.ip);
  find_interface(slot);
  const uint32_t interface_index = slot.interface_index;
  const auto route = interface_index != 0 && destination.family == slot.ip.family ? find_route(socket_, destination, slot.ip, interface_index) : std::nullopt;
  if (!route || route->interface_index != interface_index) {
    known_.erase(index);
    table_.set(index, HopState::unreachable, HopLink{});
    return;
  }
  Neighbour neighbour = find_neighbour(socket_, route->next_hop, interface_index);
  Known& known = known_[index];
  const bool probe_due = neighbour.state != NeighbourState::usable &&
                         (known.probed_ns == 0 || now_ns - known.probed_ns >= reprobe_missing_ns);
  known.route = *route;
  apply(index, neighbour);
  if (probe_due) {
    known.probed_ns = now_ns;
    probe_neighbour(socket_, route->next_hop, interface_index);
  }
}

// An address with a VLAN stands on the kernel's interface of that VLAN, which has neighbours of its own.
void Resolver::find_interface(EgressSlot& slot) {
  if (slot.vlan == 0) {
    slot.interface_index = if_nametoindex(slot.port->kernel_interface().c_str());
  } else if (slot.interface_index == 0) {
    slot.interface_index = if_nametoindex(find_vlan_interface(slot.port->kernel_interface(), slot.vlan).c_str());
  }
}

void Resolver::apply(uint32_t index, const Neighbour& neighbour) {
  known_[index].state = neighbour.state;
  if (neighbour.state == NeighbourState::failed) return table_.set(index, HopState::unreachable, HopLink{});
  // Absent: the kernel forgot it. What we have stays in use until its probe says that nobody answers.
  if (neighbour.state == NeighbourState::absent) return;
  HopLink link;
  std::copy_n(neighbour.mac.begin(), 6, link.destination_mac);
  std::copy_n(slots_[table_.key(index).slot].port->mac().begin(), 6, link.source_mac);
  table_.set(index, HopState::usable, link);
}

void Resolver::take_events(uint64_t now_ns) {
  bool overrun = false;
  for (const auto& bytes : events_.waiting(overrun)) {
    const NetlinkMessage message(bytes);
    if (message.header.nlmsg_type == RTM_NEWROUTE || message.header.nlmsg_type == RTM_DELROUTE ||
        message.header.nlmsg_type == RTM_NEWLINK) {
      routes_changed_ = true;
      continue;
    }
    const auto neighbour = read_neighbour(message);
    if (!neighbour) continue;
    for (auto& [index, known] : known_) {
      if (known.route.next_hop == neighbour->ip && known.route.interface_index == neighbour->interface_index) apply(index, *neighbour);
    }
  }
  if (overrun) resolve_all(now_ns);
}

void Resolver::resolve_all(uint64_t now_ns) {
  routes_changed_ = false;
  for (EgressSlot& slot : slots_) slot.interface_index = 0;
  for (uint32_t index = 0; index < table_.capacity(); ++index) {
    if (table_.state(index) != HopState::empty && table_.is_used_within(index, now_ns, in_use_ns)) resolve(table_.key(index), now_ns);
  }
}

void Resolver::tick(uint64_t now_ns) {
  // Route changes come in bursts (an interface going up brings a dozen): one pass a second takes them all.
  if (routes_changed_) resolve_all(now_ns);
  for (auto& [index, known] : known_) {
    if (!table_.is_used_within(index, now_ns, in_use_ns)) continue;
    const uint64_t interval = known.state == NeighbourState::stale ? reprobe_stale_ns : reprobe_missing_ns;
    if (known.state == NeighbourState::usable || now_ns - known.probed_ns < interval) continue;
    known.probed_ns = now_ns;
    probe_neighbour(socket_, known.route.next_hop, known.route.interface_index);
  }
}

}  // namespace sallyport::drivers
