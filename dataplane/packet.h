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

// The first cache line is what an opaque relay needs.
struct alignas(64) Packet {
  rte_mbuf* mbuf;
  uint8_t* payload;            // UDP payload; after find_flow the RTP or RTCP header
  FlowEntry* flow;             // nullptr until it is found
  abi::FlowMeter* meter;       // of the flow
  uint32_t payload_bytes;
  uint32_t flow_index;         // before it is found: what the port or multiplexID index says, see flow_table.h
  Verdict verdict;
  abi::DropReason reason;
  abi::Media media;            // what find_flow took it for
  uint8_t candidate;           // low bits of the multiplexID it came with, or is sent with
  bool is_control;             // control datagram of a link
  bool arrived_multiplexed;
  bool is_tentative;           // from a source that is not the one the flow is held to
  bool carries_checksum;       // goes on with the UDP checksum it came with, adjusted (RFC 1624)
  uint16_t slot;               // of the local address it came to
  uint16_t local_port;
  uint16_t link;
  uint8_t egress_port_index;   // of the node's ports
  bool stays_here;             // goes to a relay port of this node: into a ring, not out of a port

  alignas(64) uint8_t* udp;    // the UDP header it came with; holds until rewrite, as the addresses do
  const uint8_t* addresses;    // source and destination, one behind the other, 4 or 16 bytes each
  abi::Address source;
  uint32_t multiplex_id;
};
static_assert(sizeof(Packet) == 128);

struct Burst {
  rte_mbuf* mbufs[burst_size];   // as received; parse makes packets of them
  uint32_t count = 0;
  uint32_t passing = 0;          // packets whose verdict is pass
  uint32_t owned = 0;            // mbufs that are still the burst's
  uint16_t port_index = 0;       // it came from; meaningless when handed over
  bool was_handed_over = false;  // from a worker's ring: not to be handed over again
  bool has_own = false;          // some packets stay here
  bool has_control = false;
  uint8_t verbs = 0;             // of all its flows
  uint32_t egress_ports = 0;     // bit i: some leave by port i
  Packet packets[burst_size];
};

}  // namespace sallyport::dataplane
