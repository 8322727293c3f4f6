// SPDX-License-Identifier: Apache-2.0
#pragma once
// FlowTable: the flows of one worker as the path needs them: a private, validated copy of each spec, the two direct indices
// (slot, UDP port) -> flow and (link, multiplexID) -> flow, and the expanded SRTP keys. Owned by one lcore; filled by
// flow_commands between bursts. Memory is reserved once and touched as flows appear; lookup is an array access.
// Private because the region can be written by the other side at any time, and what decides must not change under us.

#include <cstddef>
#include <cstdint>
#include <memory>

#include "dataplane/abi/fault.h"
#include "dataplane/abi/flow.h"
#include "dataplane/abi/link.h"
#include "dataplane/abi/multiplex_id.h"
#include "dataplane/abi/region.h"
#include "dataplane/policer.h"
#include "dataplane/region.h"
#include "dataplane/reserved_memory.h"
#include "dataplane/srtp_context.h"
#include "drivers/next_hop.h"

namespace sallyport::dataplane {

// Where the next packet to an address goes, remembered with the address it was found for.
struct HopMemory {
  uint32_t index = drivers::no_hop;
  uint64_t asked_ns = 0;
};

// Where a flow's packets go, resolved once and kept until something it was made from changes (egress.cc): headers with everything
// in place but lengths and checksums, and the sums that those need.
struct EgressMemo {
  uint64_t until_ns = 0;         // resolved again then, so that the next hop is known to be in use; 0: not resolved
  uint32_t epoch = 0;            // Worker::egress_epoch() when it was resolved
  uint32_t multiplex_id = 0;     // with verb_mux
  uint16_t udp_sum = 0;          // of addresses, protocol and ports, folded, in memory order
  uint16_t ip_sum = 0;           // IPv4: of the header without length and checksum
  uint16_t payload_limit = 0;    // bytes from the RTP header on, before seal, that the port's MTU takes
  uint8_t port_index = 0;        // of the node's ports
  bool is_v4 : 1 = false;
  bool stays_here : 1 = false;   // its destination is a relay port of this node: no port ever sees it
  bool is_tagged : 1 = false;    // its frames get a VLAN tag, which stands in front of egress_headers
};
static_assert(sizeof(EgressMemo) == 24);

inline constexpr size_t egress_header_room = 64;  // Ethernet, IPv6, UDP: 62

// An opaque relay reads two cache lines of this, and one of the region (abi::FlowMeter), a packet. The first line is for
// find_flow and rewrite, the second the headers to send; the rest is for set-up, latching and what is not there yet.
struct alignas(64) FlowEntry {
  uint32_t generation = 0;   // 0: free
  abi::Media media{};
  uint8_t verbs = 0;
  abi::Latch latch{};
  uint8_t held_candidate = 0;    // Latch::confirmed: what its packets are sent with
  uint64_t source_key = 0;       // Address::first_word() of the IPv4 source that is let in unasked, or source_key_of() its multiplexID; 0: ask admit()
  Policer policer;
  uint32_t interval_ns = 0;
  uint16_t max_packet_bytes = 0;
  uint16_t flags = 0;
  uint32_t ticks_per_ns_q32 = 0; // of the RTP clock
  uint16_t auth_failures_in_row = 0;  // mirrored in FlowState while it is not zero
  abi::Suite open_suite{};       // with verb_open; says which lines of the keys to fetch
  abi::Suite seal_suite{};
  EgressMemo egress;

  // Right-aligned: what is sent ends where the UDP payload begins. The first two bytes, which no headers reach: the tag's content.
  alignas(64) uint8_t egress_headers[egress_header_room] = {};

  alignas(64) abi::Address destination;
  uint32_t destination_flow = abi::no_flow;
  uint32_t first_sender = 0;      // the flows whose destination_flow is this one, a list: index + 1, 0 none
  uint32_t next_sender = 0;
  uint16_t egress_link = abi::no_link;
  uint16_t egress_slot = abi::no_slot;
  uint16_t egress_port = 0;
  uint8_t dscp = 0;
  uint8_t next_candidate = 0;
  HopMemory hop;

  alignas(64) abi::Address held;  // the latched source; mirrors FlowState::latched
  abi::Address expected_source;
  uint32_t flow_index = abi::no_flow;
  abi::Arrival arrival{};
  bool stays_here = false;
  uint16_t arrival_link = abi::no_link;
  uint32_t arrival_multiplex_id = 0;
  uint32_t rtcp_flow = abi::no_flow;
  uint32_t reverse_flow = abi::no_flow;

  uint64_t call_tag = 0;
  uint64_t added_ns = 0;
  uint64_t idle_report_ns = 0;
  uint64_t confirm_sent_ns = 0;  // C: when the last confirmation went out
  uint16_t local_slot = abi::no_slot;
  uint16_t local_port = 0;
  uint16_t idle_timeout_s = 0;
  uint8_t confirm_candidate = 0xff;
  bool confirm_waits = false;    // E has not answered yet

  // The stream that is served first when more comes than the flow may carry (flow_policer.h).
  uint32_t familiar_ssrc = 0;
  uint16_t familiar_sequence = 0;
  bool has_familiar = false;
  bool is_crowded = false;       // more came since learn_familiar()
  bool heard_familiar = false;   // ... and of it the familiar stream

  // After held, latch, expected_source or the arrival changed.
  void refresh_source_key();
  // No IPv4 source has this: its family is 4.
  static uint64_t source_key_of(uint32_t multiplex_id) { return uint64_t{multiplex_id} << 32 | 0xff; }
  bool is_captured() const { return (flags & abi::flow_capture) != 0; }
  bool is_opaque() const { return (verbs & (abi::verb_open | abi::verb_seal)) == 0; }
};

static_assert(offsetof(FlowEntry, egress_headers) == 64);

// What E remembers of a flow's tentative sources beside FlowState::candidates; touched only while they are being judged.
struct CandidateMemory {
  Policer policer[4];
  uint64_t since_ns[4] = {};
  uint64_t not_before_ns[4] = {};  // a word from C before this may still mean the slot's former holder
};

class FlowTable {
 public:
  // A port entry names a flow, or says that the port is a link's.
  static constexpr uint32_t no_entry = 0xffffffff;
  static constexpr uint32_t link_entry = 0x80000000;       // | rtcp << 16 | owner worker
  static constexpr uint32_t link_entry_rtcp = 0x00010000;
  static bool is_link_entry(uint32_t entry) { return entry != no_entry && (entry & link_entry) != 0; }

  static Outcome<std::unique_ptr<FlowTable>> create(const Geometry& geometry, uint32_t slots);

  FlowEntry& entry(uint32_t flow_index) { return entries_[flow_index]; }
  CandidateMemory& candidates(uint32_t flow_index) { return candidates_[flow_index]; }
  SrtpContext& open_context(uint32_t flow_index) { return contexts_[size_t{flow_index} * 2]; }
  SrtpContext& seal_context(uint32_t flow_index) { return contexts_[size_t{flow_index} * 2 + 1]; }
  uint32_t flow_capacity() const { return flow_capacity_; }

  // Stored inverted, so that fresh zero pages mean "none" everywhere.
  const uint32_t* port_place(uint16_t slot, uint16_t port) const { return &ports_[size_t{slot} * 65536 + port]; }
  uint32_t port_entry(uint16_t slot, uint16_t port) const { return ~*port_place(slot, port); }
  void set_port_entry(uint16_t slot, uint16_t port, uint32_t entry) { ports_[size_t{slot} * 65536 + port] = ~entry; }

  const uint32_t* arrival_place(uint16_t link, uint32_t id, abi::Media media) const { return &arrivals_[place(link, id, media)]; }
  uint32_t arrival_flow(uint16_t link, uint32_t id, abi::Media media) const { return ~arrivals_[place(link, id, media)]; }
  void set_arrival_flow(uint16_t link, uint32_t id, abi::Media media, uint32_t flow) { arrivals_[place(link, id, media)] = ~flow; }
  // By the ID a flow is sent with: so a confirmation finds the flow it is about.
  uint32_t egress_flow(uint16_t link, uint32_t id, abi::Media media) const { return ~egresses_[place(link, id, media)]; }
  void set_egress_flow(uint16_t link, uint32_t id, abi::Media media, uint32_t flow) { egresses_[place(link, id, media)] = ~flow; }

  uint32_t live_flows = 0;
  uint32_t opaque_flows = 0;  // of these, without verb_open or verb_seal
  uint32_t captured_flows = 0;  // of these, with flow_capture

 private:
  explicit FlowTable(const Geometry& geometry) : flow_capacity_(geometry.flow_capacity) {}
  static size_t place(uint16_t link, uint32_t id, abi::Media media) {
    return ((size_t{link} << abi::multiplex_index_bits) + abi::multiplex_index(id)) * 2 + (media == abi::Media::rtcp);
  }

  uint32_t flow_capacity_;
  ReservedMemory memory_[6];
  FlowEntry* entries_ = nullptr;
  CandidateMemory* candidates_ = nullptr;
  SrtpContext* contexts_ = nullptr;
  uint32_t* ports_ = nullptr;
  uint32_t* arrivals_ = nullptr;
  uint32_t* egresses_ = nullptr;
};

}  // namespace sallyport::dataplane
