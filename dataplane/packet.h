// SPDX-License-Identifier: Apache-2.0
#pragma once
// Packet: what the stages know of one packet; Burst: up to 32 of them, worked on by one lcore. A stage gives each packet a
// verdict; only packets that pass are looked at by the next. The burst owns the mbufs until a stage hands them on.

#include <cstdint>

#include "dataplane/abi/address.h"
#include "dataplane/abi/drop_reason.h"
#include "dataplane/abi/flow.h"

struct rte_mbuf;

namespace sallyport::dataplane {

struct FlowEntry;

inline constexpr uint32_t burst_size = 32;

enum class Verdict : uint8_t {
  pass,       // on to the next stage
  drop,       // freed at the end, reason says why
  consumed,   // a control datagram that was dealt with
  handed_on,  // the mbuf belongs to somebody else now: another worker or the port
};

struct Packet {
  rte_mbuf* mbuf;
  uint8_t* payload;            // UDP payload; after find_flow the RTP or RTCP header
  uint32_t payload_bytes;
  Verdict verdict;
  abi::DropReason reason;
  abi::Media media;            // what find_flow took it for
  bool is_control;             // control datagram of a link
  bool arrived_multiplexed;
  uint8_t candidate;           // low bits of the multiplexID it came with, or is sent with
  bool is_tentative;           // from a source that is not the one the flow is held to
  bool stays_here;             // goes to a relay port of this node: into a ring, not out of a port
  uint16_t slot;               // of the local address it came to
  uint16_t local_port;
  uint32_t port_entry;         // of the port index, see flow_table.h
  uint32_t multiplex_id;
  uint16_t link;
  uint16_t egress_port_index;  // of the node's ports
  uint16_t header_bytes;       // of what rewrite put before the payload, from Ethernet on
  FlowEntry* flow;
  abi::FlowState* state;
  abi::Address source;
};

struct Burst {
  uint32_t count = 0;
  uint16_t port_index = 0;       // it came from; meaningless when handed over
  bool was_handed_over = false;  // from a worker's ring: not to be handed over again
  bool has_own = false;          // some packets stay here
  uint64_t now_ns = 0;           // CLOCK_MONOTONIC when it was received
  Packet packets[burst_size];
};

}  // namespace sallyport::dataplane
