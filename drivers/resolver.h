// SPDX-License-Identifier: Apache-2.0
#pragma once
// Resolver: turns a worker's question "how do I reach this IP from that slot" into an entry of the NextHopTable, by the kernel's
// routes and neighbours. Owned and driven by the housekeeping thread: run() after descriptor() is readable, tick() each second.
// Workers only post questions (ask(), lock-free, bounded; a lost question is asked again with a later packet).
// Everything bounded: questions waiting, entries, netlink messages a call.

#include <atomic>
#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

#include "dataplane/abi/fault.h"
#include "dataplane/abi/ring.h"
#include "drivers/neighbour.h"
#include "drivers/next_hop.h"
#include "drivers/port.h"

namespace sallyport::drivers {

// What a slot is: the source address of what is sent, and the port it leaves by.
struct EgressSlot {
  bool in_use = false;
  IpAddress ip;
  const Port* port = nullptr;
  uint16_t vlan = 0;             // 0: none
  uint32_t interface_index = 0;  // kept by the resolver: of the interface whose routes and neighbours hold; 0: there is none
};

class Resolver {
 public:
  static Outcome<std::unique_ptr<Resolver>> create(std::vector<EgressSlot> slots, uint32_t workers, NextHopTable& table);
  ~Resolver();

  // Worker `worker` only. False when too many questions wait.
  bool ask(uint32_t worker, const HopKey& key);

  int question_descriptor() const { return question_event_; }
  int event_descriptor() const { return events_.descriptor(); }
  void run(uint64_t now_ns);
  void tick(uint64_t now_ns);

 private:
  using Questions = abi::SpscRing<HopKey, 256>;
  struct Known {
    Route route;
    NeighbourState state = NeighbourState::absent;
    uint64_t probed_ns = 0;
  };

  Resolver(std::vector<EgressSlot> slots, uint32_t workers, NextHopTable& table, NetlinkSocket questions, NetlinkSocket events);
  void resolve(const HopKey& key, uint64_t now_ns);
  void apply(uint32_t index, const Neighbour& neighbour);
  void take_events(uint64_t now_ns);
  void resolve_all(uint64_t now_ns);
  void find_interface(EgressSlot& slot);

  std::vector<EgressSlot> slots_;
  NextHopTable& table_;
  std::vector<std::unique_ptr<Questions>> questions_;
  NetlinkSocket socket_;
  NetlinkSocket events_;
  int question_event_ = -1;
  std::atomic<bool> question_signalled_{false};
  bool routes_changed_ = false;
  std::unordered_map<uint32_t, Known> known_;  // by index into the table
};

}  // namespace sallyport::drivers
