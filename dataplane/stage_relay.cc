// SPDX-License-Identifier: Apache-2.0
// relay: the express lane of opaque flows. A plain datagram of RTP, from the source that its flow is held to or with its flow's
// multiplexID from the link, whose headers are ready, is sent on here, in a pass for each thing that has to be fetched. Whatever else a
// packet is, or lacks, it is left untouched to the stages behind, which judge by the same rules and name what is wrong:
// unit-dataplane holds both ways against each other, packet by packet. What a packet touches: its first line, the port index, two lines of
// its flow and one of the region.

#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_prefetch.h>

#include <cstring>

#include "dataplane/egress.h"
#include "dataplane/latch.h"
#include "dataplane/pipeline.h"
#include "dataplane/plain_datagram.h"
#include "dataplane/reception.h"
#include "dataplane/worker.h"

namespace sallyport::dataplane::stage {

namespace {

constexpr uint32_t rtp_header_bytes = 12;
// A flow with any other flag is for the stages.
constexpr uint16_t harmless_flags = abi::flow_rtcp_mux | abi::flow_confirms;

struct Parcel {
  rte_mbuf* mbuf;
  uint8_t* frame;
  uint8_t* payload;         // the RTP header
  const uint32_t* place;    // in the port index, then in that of multiplexIDs
  uint64_t source_key;      // what FlowEntry::source_key must be
  uint32_t payload_bytes;
  uint32_t multiplex_id;    // it came with
  uint32_t flow_index;
  uint16_t slot;
  uint16_t port;
  uint8_t number;           // in the burst
  bool arrived_multiplexed;
};

class Lane {
 public:
  explicit Lane(Worker& worker) : worker_(worker), flows_(*worker.flows), burst_(worker.burst) {}

  void run() {
    enter();
    look_at_ports();
    if (has_multiplexed_) look_up_multiplexed();
    const uint32_t epoch = worker_.egress_epoch();
    for (uint32_t i = 0; i < count_; ++i) {
      if (!send_on(parcels_[i], epoch)) leave(parcels_[i]);
    }
    transmit();
    keep_left();
  }

 private:
  void leave(const Parcel& parcel) { left_ |= 1u << parcel.number; }

  void enter() {
    const Geometry& geometry = worker_.node.geometry;
    const auto relay_ports = static_cast<uint16_t>(geometry.relay_port_max - geometry.relay_port_min);
    const drivers::Port& port = *worker_.node.ports[burst_.port_index];
    const uint8_t* own_mac = port.has_kernel_neighbours() ? port.mac().data() : nullptr;
    for (uint32_t i = 0; i < burst_.count; ++i) {
      rte_mbuf* mbuf = burst_.mbufs[i];
      uint8_t* frame = rte_pktmbuf_mtod(mbuf, uint8_t*);
      Parcel& parcel = parcels_[count_];
      left_ |= 1u << i;
      if (!is_plain_datagram(*mbuf, frame) || (own_mac != nullptr && std::memcmp(frame + 6, own_mac, 6) == 0)) continue;
      uint32_t destination;
      std::memcpy(&destination, frame + plain_ip_at + 16, sizeof destination);
      parcel.slot = find_slot_v4(worker_.node.slots_v4, destination);
      parcel.port = load_be16(frame + plain_udp_at + 2);
      // Link ports may lie outside of the range.
      const bool is_relay_port = static_cast<uint16_t>(parcel.port - geometry.relay_port_min) <= relay_ports;
      if (parcel.slot == abi::no_slot || (!is_relay_port && parcel.port != worker_.node.link_port[0])) continue;
      parcel.place = flows_.port_place(parcel.slot, parcel.port);
      rte_prefetch0(parcel.place);
      parcel.mbuf = mbuf;
      parcel.frame = frame;
      parcel.payload = frame + plain_payload_at;
      parcel.payload_bytes = load_be16(frame + plain_udp_at + 4) - static_cast<uint32_t>(sizeof(rte_udp_hdr));
      parcel.source_key = plain_source_word(frame);
      parcel.number = static_cast<uint8_t>(i);
      parcel.arrived_multiplexed = false;
      left_ &= ~(1u << i);
      ++count_;
    }
  }

  void fetch(uint32_t flow_index) {
    const FlowEntry& flow = flows_.entry(flow_index);
    rte_prefetch0(&flow);
    rte_prefetch0(&flow.egress_headers);
    rte_prefetch0(&worker_.node.region->meter(flow_index));
  }

  void look_at_ports() {
    for (uint32_t i = 0; i < count_; ++i) {
      Parcel& parcel = parcels_[i];
      parcel.flow_index = ~*parcel.place;
      if (parcel.flow_index < flows_.flow_capacity()) [[likely]] {
        fetch(parcel.flow_index);
      } else if (FlowTable::is_link_entry(parcel.flow_index)) {
        look_at_link(parcel);
      }
    }
  }

  // Its flow index stays out of bounds when it is not for here.
  void look_at_link(Parcel& parcel) {
    if ((parcel.flow_index & FlowTable::link_entry_rtcp) != 0 || parcel.payload_bytes < sizeof parcel.multiplex_id) return;
    const uint32_t id = load_be32(parcel.payload);
    if (id == abi::control_multiplex_id || worker_.owner_of_id(id) != worker_.id) return;
    const Link* link = link_of(parcel);
    if (link == nullptr) return;
    parcel.multiplex_id = id;
    parcel.source_key = FlowEntry::source_key_of(abi::without_candidate(id));
    parcel.arrived_multiplexed = true;
    parcel.payload += sizeof id;
    parcel.payload_bytes -= static_cast<uint32_t>(sizeof id);
    parcel.place = flows_.arrival_place(link->index, id, abi::Media::rtp);
    rte_prefetch0(parcel.place);
    has_multiplexed_ = true;
  }

  // Packets of a link come in runs: the answer for one holds for the next from the same source to the same port.
  const Link* link_of(const Parcel& parcel) {
    const uint64_t arrival = uint64_t{parcel.slot} << 16 | parcel.port;
    if (known_link_ != nullptr && parcel.source_key == known_source_ && arrival == known_arrival_) return known_link_;
    abi::Address source;
    std::memcpy(&source, &parcel.source_key, sizeof parcel.source_key);
    known_source_ = parcel.source_key;
    known_arrival_ = arrival;
    return known_link_ = worker_.links.find_by_source(parcel.slot, parcel.port, kind_of(abi::Media::rtp), source);
  }

  void look_up_multiplexed() {
    for (uint32_t i = 0; i < count_; ++i) {
      Parcel& parcel = parcels_[i];
      if (!parcel.arrived_multiplexed) continue;
      parcel.flow_index = ~*parcel.place;
      if (parcel.flow_index < flows_.flow_capacity()) fetch(parcel.flow_index);
    }
  }

  // What find_flow and rewrite ask of a packet, and nothing changed until all of it is answered.
  bool is_for_here(const Parcel& parcel, FlowEntry& flow, const abi::FlowMeter& meter, uint32_t epoch) {
    const bool is_rtp = (parcel.payload[0] >> 6) == 2 && static_cast<uint8_t>(parcel.payload[1] - 192) > 31;
    const bool is_opaque = flow.media == abi::Media::rtp && (flow.verbs & (abi::verb_open | abi::verb_seal)) == 0 &&
                           (flow.flags & ~harmless_flags) == 0;
    const bool is_known = flow.generation != 0 && flow.source_key == parcel.source_key && meter.last_packet_ns != 0;
    if (!(is_rtp & is_opaque & is_known)) return false;
    if (flow.egress.epoch != epoch || worker_.now_ns >= flow.egress.until_ns) [[unlikely]] {
      if (resolve_egress(worker_, flow, epoch) != abi::DropReason::count) return false;
    }
    const bool fits = parcel.payload_bytes >= rtp_header_bytes && parcel.payload_bytes <= flow.max_packet_bytes &&
                      parcel.payload_bytes <= flow.egress.payload_limit && !flow.egress.stays_here &&
                      parcel.payload - static_cast<uint8_t*>(parcel.mbuf->buf_addr) >= static_cast<ptrdiff_t>(headroom_needed);
    return fits && flow.policer.take(worker_.now_ns, flow.interval_ns, flow_tolerance_ns);
  }

  // False when it is for the stages.
  bool send_on(const Parcel& parcel, uint32_t epoch) {
    if (parcel.flow_index >= flows_.flow_capacity()) return false;
    FlowEntry& flow = flows_.entry(parcel.flow_index);
    abi::FlowMeter& meter = worker_.node.region->meter(parcel.flow_index);
    if (!is_for_here(parcel, flow, meter, epoch)) return false;
    meter.last_packet_ns = worker_.now_ns;
    note_reception(meter.reception, parcel.payload, arrival_ticks(worker_.now_ns, flow.ticks_per_ns_q32));
    uint64_t sum = unknown_sum;
    uint16_t checksum;
    std::memcpy(&checksum, parcel.frame + plain_udp_at + 6, sizeof checksum);
    if (checksum != 0) [[likely]] {
      sum = carried_payload_sum(parcel.frame + plain_ip_at + 12, true, parcel.frame + plain_udp_at);
      if (parcel.arrived_multiplexed) sum += static_cast<uint32_t>(~__builtin_bswap32(parcel.multiplex_id));
    }
    UdpPayload udp{parcel.payload, parcel.payload_bytes};
    if (flow.verbs & abi::verb_mux) {
      const uint32_t id = flow.egress.multiplex_id | (flow.latch == abi::Latch::confirmed ? flow.held_candidate : 0);
      udp = {parcel.payload - sizeof id, parcel.payload_bytes + static_cast<uint32_t>(sizeof id)};
      store_be32(udp.at, id);
      if (checksum != 0) sum += __builtin_bswap32(id);
    }
    copy_headers(flow, udp.at);
    finish_headers(worker_, flow.egress, *parcel.mbuf, udp, sum);
    ++meter.packets;
    meter.bytes += udp.bytes;
    ports_ |= 1u << flow.egress.port_index;
    outgoing_[outgoing_count_++] = {parcel.mbuf, &meter, parcel.flow_index, udp.bytes, flow.egress.port_index};
    return true;
  }

  void transmit() {
    for (uint32_t ports = ports_; ports != 0; ports &= ports - 1) send_by(static_cast<uint8_t>(__builtin_ctz(ports)));
  }

  void send_by(uint8_t port_index) {
    rte_mbuf* mbufs[burst_size];
    const Outgoing* sources[burst_size];
    uint16_t count = 0;
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < outgoing_count_; ++i) {
      if (outgoing_[i].port_index != port_index) continue;
      bytes += outgoing_[i].mbuf->pkt_len;
      sources[count] = &outgoing_[i];
      mbufs[count++] = outgoing_[i].mbuf;
    }
    const uint16_t sent = rte_eth_tx_burst(worker_.node.ports[port_index]->id(), static_cast<uint16_t>(worker_.id), mbufs, count);
    for (uint16_t i = sent; i < count; ++i) {
      bytes -= mbufs[i]->pkt_len;
      take_back(*sources[i]);
    }
    worker_.area->counters.packets_out += sent;
    worker_.area->counters.bytes_out += bytes;
  }

  struct Outgoing {
    rte_mbuf* mbuf;
    abi::FlowMeter* meter;
    uint32_t flow_index;
    uint32_t udp_bytes;
    uint8_t port_index;
  };

  void take_back(const Outgoing& unsent) {
    --unsent.meter->packets;
    unsent.meter->bytes -= unsent.udp_bytes;
    ++worker_.area->counters.drops[static_cast<size_t>(abi::DropReason::port_full)];
    abi::FlowState& state = worker_.record(unsent.flow_index).state;
    ++state.dropped;
    state.last_drop = static_cast<uint8_t>(abi::DropReason::port_full);
    rte_pktmbuf_free(unsent.mbuf);
  }

  // In the order they came.
  void keep_left() {
    uint32_t kept = 0;
    for (uint32_t left = left_; left != 0; left &= left - 1) burst_.mbufs[kept++] = burst_.mbufs[__builtin_ctz(left)];
    burst_.count = kept;
    burst_.passing = kept;
    burst_.owned = kept;
  }

  Worker& worker_;
  FlowTable& flows_;
  Burst& burst_;
  uint32_t count_ = 0;
  uint32_t left_ = 0;  // bit i: packet i is for the stages
  uint32_t outgoing_count_ = 0;
  uint32_t ports_ = 0;
  bool has_multiplexed_ = false;
  const Link* known_link_ = nullptr;
  uint64_t known_source_ = 0;
  uint64_t known_arrival_ = 0;
  Parcel parcels_[burst_size];
  Outgoing outgoing_[burst_size];
};

}  // namespace

void relay(Worker& worker) {
  // What was handed over has been looked at elsewhere; and a node without opaque flows, as C is mostly, need not look.
  if (worker.burst.was_handed_over || !worker.has_express_lane || worker.flows->opaque_flows == 0) return;
  Lane(worker).run();
}

}  // namespace sallyport::dataplane::stage
