// SPDX-License-Identifier: Apache-2.0
// rewrite: the packet is believed now; count it, and put its flow's headers (and multiplexID) before it. What seal will still
// change gets its lengths and checksums there.

#include <rte_mbuf.h>

#include "dataplane/capture.h"
#include "dataplane/checksum.h"
#include "dataplane/egress.h"
#include "dataplane/pipeline.h"
#include "dataplane/reception.h"
#include "dataplane/rtcp_observer.h"
#include "dataplane/worker.h"

namespace sallyport::dataplane::stage {

namespace {

using abi::DropReason;

void note_arrival(Worker& worker, Packet& packet) {
  abi::FlowMeter& meter = *packet.meter;
  const FlowEntry& flow = *packet.flow;
  // What comes from a source that nobody vouches for must not colour the statistics of the genuine one.
  if (packet.is_tentative && flow.held.is_set()) return;
  if (meter.last_packet_ns == 0) {
    worker.state_of(packet).first_packet_ns = worker.now_ns;
    worker.post_flow_event(abi::EventType::first_packet, flow, packet.source, 0);
  }
  meter.last_packet_ns = worker.now_ns;
  if (packet.media == abi::Media::rtp) note_reception(meter.reception, packet.payload, arrival_ticks(worker.now_ns, flow.ticks_per_ns_q32));
}

bool has_headroom(const Packet& packet) {
  return packet.payload - static_cast<uint8_t*>(packet.mbuf->buf_addr) >= static_cast<ptrdiff_t>(headroom_needed);
}

// Reads the headers that place_headers overwrites.
uint64_t payload_sum_of(const FlowEntry& flow, const Packet& packet) {
  if (!packet.carries_checksum) return unknown_sum;
  uint64_t sum = carried_payload_sum(packet.addresses, packet.source.family == 4, packet.udp);
  // The multiplexID was payload, and will be.
  if (packet.arrived_multiplexed) sum += static_cast<uint32_t>(~__builtin_bswap32(packet.multiplex_id));
  if (flow.verbs & abi::verb_mux) sum += __builtin_bswap32(multiplex_id_of(flow, packet));
  return sum;
}

void rewrite_one(Worker& worker, Packet& packet, uint32_t epoch) {
  FlowEntry& flow = *packet.flow;
  note_arrival(worker, packet);
  if (flow.flags & abi::flow_paused) return worker.drop(packet, DropReason::paused);
  if (packet.media == abi::Media::rtcp && !flow.is_opaque()) [[unlikely]] observe_rtcp(worker, packet);
  if (flow.egress.epoch != epoch || worker.now_ns >= flow.egress.until_ns) [[unlikely]] {
    const DropReason reason = resolve_egress(worker, flow, epoch);
    if (reason != DropReason::count) return worker.drop(packet, reason);
  }
  if (packet.payload_bytes > flow.egress.payload_limit) return worker.drop(packet, DropReason::above_mtu);
  if (!has_headroom(packet)) return worker.drop(packet, DropReason::no_room);
  const uint64_t payload_sum = payload_sum_of(flow, packet);
  const UdpPayload udp = place_headers(flow, packet);
  if ((flow.verbs & abi::verb_seal) == 0) finish_frame(worker, flow, *packet.mbuf, udp, payload_sum);
  packet.egress_port_index = flow.egress.port_index;
  packet.stays_here = flow.egress.stays_here;
  worker.burst.has_own |= packet.stays_here;
  worker.burst.egress_ports |= 1u << packet.egress_port_index;
}

}  // namespace

void rewrite(Worker& worker) {
  const uint32_t epoch = worker.egress_epoch();
  for (uint32_t i = 0; i < worker.burst.count; ++i) {
    Packet& packet = worker.burst.packets[i];
    if (packet.verdict == Verdict::pass) rewrite_one(worker, packet, epoch);
  }
  if (worker.flows->captured_flows != 0) [[unlikely]] capture_clear(worker);
}

}  // namespace sallyport::dataplane::stage
