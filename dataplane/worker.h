// SPDX-License-Identifier: Apache-2.0
#pragma once
// Worker: everything one lcore owns: its flows, links, keys, crypto engine, burst and counters. The stages work on it.
// Made by the main thread; run() belongs to the lcore; stop() may come from any thread. attach() binds it to a region and
// takes back what stands there, before run(). After start: no lock, no allocation, no exception, no logging.

#include <atomic>
#include <cstdint>
#include <memory>

#include "dataplane/abi/region.h"
#include "dataplane/control_datagram.h"
#include "dataplane/exception_policer.h"
#include "dataplane/flow_table.h"
#include "dataplane/link_table.h"
#include "dataplane/node.h"
#include "dataplane/packet.h"
#include "dataplane/policer.h"
#include "dataplane/source_policer.h"
#include "dataplane/srtp_burst.h"
#include "drivers/crypto_engine.h"

namespace sallyport::dataplane {

class Worker {
 public:
  static Outcome<std::unique_ptr<Worker>> create(Node& node, uint32_t id);

  // Binds to node.region; flows and links that live there are taken over, what does not hold is wiped.
  Outcome<> attach();
  void run();
  void stop() { stopping_.store(true, std::memory_order_relaxed); }
  // One round: commands, every port, the hand-over ring, timers. True when there was something to do.
  bool poll_once(uint64_t now_ns);

  void drop(Packet& packet, abi::DropReason reason);
  // Not ours: the kernel's, which gets it by the port's exception port (exception_path.h) or has it already.
  void leave(Packet& packet);
  void post(const abi::Event& event);
  void post_flow_event(abi::EventType type, const FlowEntry& flow, const abi::Address& address, uint32_t value);
  void post_link_event(abi::EventType type, const Link& link, uint32_t kind);
  void hand_over(Packet& packet, uint32_t to);
  // The packet is dealt with: consumed or handed on.
  void settle(Packet& packet, Verdict verdict);
  abi::FlowRecord& record(uint32_t flow_index) { return node.region->flow(flow_index); }
  // Precondition: its flow is found.
  abi::FlowState& state_of(const Packet& packet) { return record(packet.flow_index).state; }
  // Moves whenever next hops or links changed in a way that an EgressMemo could depend on.
  uint32_t egress_epoch() const { return links.version + node.hops.version(); }
  uint32_t owner_of_port(uint16_t port) const { return (port >> 1) % count; }
  uint32_t owner_of_id(uint32_t id) const { return abi::multiplex_index(id) % count; }

  Node& node;
  const uint32_t id;
  const uint32_t count;
  std::unique_ptr<FlowTable> flows;
  LinkTable links;
  SourcePolicer strangers;
  ExceptionPolicer exceptions[max_ports];
  drivers::CryptoEngine engine;
  SrtpBurst srtp;
  ControlMac mac;
  Burst burst;
  uint64_t bursts = 0;
  bool has_express_lane = true;  // tests hold its way (stage_relay.cc) against that of the stages
  SrtpJob jobs[burst_size];
  Packet* job_packets[burst_size];
  Policer capture_policer;
  uint64_t now_ns = 0;
  abi::WorkerArea* area = nullptr;

 private:
  Worker(Node& node, uint32_t id, std::unique_ptr<FlowTable> flows, drivers::CryptoEngine engine, ControlMac mac);
  bool take_commands();
  void check_idle_flows();
  void rest(uint32_t idle_rounds);

  std::atomic<bool> stopping_{false};
  bool notify_due_ = false;
  uint32_t events_lost_ = 0;
  uint32_t idle_cursor_ = 0;
  uint64_t next_tick_ns_ = 0;
  uint64_t last_packet_ns_ = 0;
};

uint64_t monotonic_ns();

}  // namespace sallyport::dataplane
