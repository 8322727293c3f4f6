// SPDX-License-Identifier: Apache-2.0
#pragma once
// Node: what all workers of one dataplane share: ports, local addresses, next hops, the resolver, packet memory, hand-over rings,
// descriptors. Filled by the main thread before workers start and constant then, save what synchronises itself.

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "dataplane/abi/region.h"
#include "dataplane/link_table.h"
#include "dataplane/region.h"
#include "drivers/next_hop.h"
#include "drivers/port.h"
#include "drivers/resolver.h"

struct rte_mempool;
struct rte_ring;

namespace sallyport::dataplane {

inline constexpr uint16_t max_ports = 16;

struct LocalSlot {
  bool in_use = false;
  abi::Address address;
  uint16_t port_index = 0;  // of Node::ports
  uint16_t vlan = 0;        // 802.1Q: its frames carry this tag; 0: none
  char name[24] = {};
};

struct Node {
  Geometry geometry;
  std::unique_ptr<Region> region;
  std::vector<std::unique_ptr<drivers::Port>> ports;
  std::array<LocalSlot, abi::max_address_slots> slots;
  std::array<uint32_t, abi::max_address_slots> slots_v4{};  // IPv4 addresses without VLAN in network byte order, for plain packets
  bool has_vlans = false;
  bool has_exception_ports = false;
  uint16_t slot_count = 0;
  std::array<uint16_t, media_kinds> link_port{36000, 36001};
  drivers::NextHopTable hops;
  std::unique_ptr<drivers::Resolver> resolver;
  rte_mempool* pool = nullptr;
  std::vector<rte_ring*> hand_over;  // one a worker, any worker enqueues
  std::array<SharedLink, abi::max_links> links;
  int wake_event = -1;
  int notify_event = -1;
  uint32_t sleep_idle_us = 50;

  // Main thread, before the workers start.
  void add_slot(const LocalSlot& slot);
  // Writes slots and facts of this process into the region's header.
  void describe(const char* crypto, uint64_t tsc_hz);
  std::vector<drivers::EgressSlot> egress_slots() const;
};

}  // namespace sallyport::dataplane
