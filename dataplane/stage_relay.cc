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
#include "dataplane/flow_policer.h"
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
  const uint32_t* place;  // in the port index, then in that of multiplexIDs
  uint64_t source_key;    // what FlowEntry::source_key must be
  uint32_t flow_index;
  uint32_t multiplexed_bytes;  // 4 when a multiplexID stands before the RTP header
};

class Lane {
 public:
  explicit Lane(Worker& worker)
      : worker_(worker), flows_(*worker.flows), burst_(worker.burst), meters_(&worker.node.region->meter(0)), now_ns_(worker.now_ns),
        epoch_(worker.egress_epoch()), flow_capacity_(worker.flows->flow_capacity()) {}

  void run() {
    enter();
    look_at_ports();
    if (has_multiplexed_) look_up_multiplexed();
    for (uint32_t i = 0; i < count_; ++i) {
      if (!send_on(parcels_[i])) left_ |= 1u << numbers_[i];
    }
    transmit();
    keep_left();
  }

 private:
  void enter() {
    const Geometry& geometry = worker_.node.geometry;
    const uint16_t first_port = geometry.relay_port_min, link_port = worker_.node.link_port[0];
    const auto relay_ports = static_cast<uint16_t>(geometry.relay_port_max - first_port);
    const drivers::Port& port = *worker_.node.ports[burst_.port_index];
    const uint8_t* own_mac = port.has_kernel_neighbours() ? port.mac().data() : nullptr;
    uint32_t last_destination = 0;
    uint16_t slot = abi::no_slot;
    for (uint32_t i = 0; i < burst_.count; ++i) {
      rte_mbuf* mbuf = burst_.mbufs[i];
      uint8_t* frame = rte_pktmbuf_mtod(mbuf, uint8_t*);
      left_ |= 1u << i;
      if (!is_plain_datagram(*mbuf, frame) || (own_mac != nullptr && std::memcmp(frame + 6, own_mac, 6) == 0)) continue;
      uint32_t destination;
      std::memcpy(&destination, frame + plain_ip_at + 16, sizeof destination);
      if (destination != last_destination) slot = find_slot_v4(worker_.node.slots_v4, last_destination = destination);
      const uint16_t local_port = load_be16(frame + plain_udp_at + 2);
      // Link ports may lie outside of the range.
      const bool is_ours = static_cast<uint16_t>(local_port - first_port) <= relay_ports || local_port == link_port;
      if (slot == abi::no_slot || !is_ours) continue;
      const uint32_t* place = flows_.port_place(slot, local_port);
      rte_prefetch0(place);
      parcels_[count_] = {mbuf, frame, place, plain_source_word(frame), FlowTable::no_entry, 0};
      numbers_[count_++] = static_cast<uint8_t>(i);
      left_ ^= 1u << i;
    }
  }

  void fetch(uint32_t flow_index) {
    const FlowEntry& flow = flows_.entry(flow_index);
    rte_prefetch0(&flow);
    rte_prefetch0(&flow.egress_headers);
    rte_prefetch0(&meters_[flow_index]);
  }

  void look_at_ports() {
    for (uint32_t i = 0; i < count_; ++i) {
      Parcel& parcel = parcels_[i];
      const uint32_t entry = ~*parcel.place;
      if (entry < flow_capacity_) [[likely]] {
        parcel.flow_index = entry;
        fetch(entry);
      } else if (FlowTable::is_link_entry(entry) && (entry & FlowTable::link_entry_rtcp) == 0) {
        look_at_link(parcel);
      }
    }
  }

  // The flow index stays out of bounds when the packet is not for here.
  void look_at_link(Parcel& parcel) {
    if (load_be16(parcel.frame + plain_udp_at + 4) < sizeof(rte_udp_hdr) + multiplexed_bytes) return;
    const uint32_t id = load_be32(parcel.frame + plain_payload_at);
    if (id == abi::control_multiplex_id || worker_.owner_of_id(id) != worker_.id) return;
    const Link* link = link_of(parcel);
    if (link == nullptr) return;
    parcel.source_key = FlowEntry::source_key_of(abi::without_candidate(id));
    parcel.multiplexed_bytes = multiplexed_bytes;
    parcel.place = flows_.arrival_place(link->index, id, abi::Media::rtp);
    rte_prefetch0(parcel.place);
    has_multiplexed_ = true;
  }

  // Packets of a link come in runs: the answer for one holds for the next from the same source to the same place.
  const Link* link_of(const Parcel& parcel) {
    if (known_link_ != nullptr && parcel.source_key == known_source_ && parcel.place == known_place_) return known_link_;
    abi::Address source;
    std::memcpy(static_cast<void*>(&source), &parcel.source_key, sizeof parcel.source_key);
    uint32_t destination;
    std::memcpy(&destination, parcel.frame + plain_ip_at + 16, sizeof destination);
    known_source_ = parcel.source_key;
    known_place_ = parcel.place;
    return known_link_ = worker_.links.find_by_source(find_slot_v4(worker_.node.slots_v4, destination), load_be16(parcel.frame + plain_udp_at + 2),
                                                      kind_of(abi::Media::rtp), source);
  }

  void look_up_multiplexed() {
    for (uint32_t i = 0; i < count_; ++i) {
      Parcel& parcel = parcels_[i];
      if (parcel.multiplexed_bytes == 0) continue;
      parcel.flow_index = ~*parcel.place;
      if (parcel.flow_index < flow_capacity_) fetch(parcel.flow_index);
    }
  }

  // What find_flow and rewrite ask of a packet, and nothing changed until all of it is answered.
  bool is_for_here(const Parcel& parcel, const UdpPayload& rtp, FlowEntry& flow, const abi::FlowMeter& meter) {
    const bool is_rtp = rtp.bytes >= rtp_header_bytes && (rtp.at[0] >> 6) == 2 && static_cast<uint8_t>(rtp.at[1] - 192) > 31;
    const bool is_opaque = (flow.media == abi::Media::rtp) & flow.is_opaque() & ((flow.flags & ~harmless_flags) == 0);
    const bool is_known = (flow.generation != 0) & (flow.source_key == parcel.source_key) & (meter.last_packet_ns != 0);
    if (!(is_rtp && is_opaque & is_known)) return false;
    if (flow.egress.epoch != epoch_ || now_ns_ >= flow.egress.until_ns) [[unlikely]] {
      if (resolve_egress(worker_, flow, epoch_) != abi::DropReason::count) return false;
    }
    const bool has_headroom = rtp.at - static_cast<uint8_t*>(parcel.mbuf->buf_addr) >= static_cast<ptrdiff_t>(headroom_needed);
    const bool fits = (rtp.bytes <= flow.max_packet_bytes) & (rtp.bytes <= flow.egress.payload_limit);
    if (!(fits & has_headroom & !flow.egress.stays_here & !flow.egress.is_tagged)) return false;
    return flow.policer.take(now_ns_, flow.interval_ns, crowd_tolerance_ns);
  }

  // False when it is for the stages.
  bool send_on(const Parcel& parcel) {
    if (parcel.flow_index >= flow_capacity_) return false;
    FlowEntry& flow = flows_.entry(parcel.flow_index);
    abi::FlowMeter& meter = meters_[parcel.flow_index];
    const uint8_t* udp_header = parcel.frame + plain_udp_at;
    UdpPayload payload{parcel.frame + plain_payload_at + parcel.multiplexed_bytes,
                       load_be16(udp_header + 4) - static_cast<uint32_t>(sizeof(rte_udp_hdr)) - parcel.multiplexed_bytes};
    if (!is_for_here(parcel, payload, flow, meter)) return false;
    meter.last_packet_ns = now_ns_;
    note_reception(meter.reception, payload.at, arrival_ticks(now_ns_, flow.ticks_per_ns_q32));
    // The multiplexID was payload, and will be.
    uint64_t sum = unknown_sum;
    uint16_t checksum;
    std::memcpy(&checksum, udp_header + 6, sizeof checksum);
    if (checksum != 0) [[likely]] {
      sum = carried_payload_sum(udp_header - 8, true, udp_header);
      if (parcel.multiplexed_bytes != 0) sum += static_cast<uint32_t>(~__builtin_bswap32(load_be32(payload.at - multiplexed_bytes)));
    }
    if (flow.verbs & abi::verb_mux) {
      const uint32_t id = flow.egress.multiplex_id | (flow.latch == abi::Latch::confirmed ? flow.held_candidate : 0);
      payload = {payload.at - multiplexed_bytes, payload.bytes + multiplexed_bytes};
      store_be32(payload.at, id);
      if (checksum != 0) sum += __builtin_bswap32(id);
    }
    copy_headers(flow, payload.at);
    finish_headers(worker_, flow.egress, *parcel.mbuf, payload, sum);
    ++meter.packets;
    meter.bytes += payload.bytes;
    ports_ |= 1u << flow.egress.port_index;
    outgoing_[outgoing_count_] = parcel.mbuf;
    origins_[outgoing_count_++] = {parcel.flow_index, static_cast<uint16_t>(payload.bytes), flow.egress.port_index};
    return true;
  }

  void transmit() {
    for (uint32_t ports = ports_; ports != 0; ports &= ports - 1) {
      const auto port_index = static_cast<uint8_t>(__builtin_ctz(ports));
      if ((ports_ & (ports_ - 1)) == 0) {
        send_by(port_index, outgoing_, origins_, outgoing_count_);
        continue;
      }
      rte_mbuf* mbufs[burst_size];
      Origin origins[burst_size];
      uint32_t count = 0;
      for (uint32_t i = 0; i < outgoing_count_; ++i) {
        if (origins_[i].port_index != port_index) continue;
        origins[count] = origins_[i];
        mbufs[count++] = outgoing_[i];
      }
      send_by(port_index, mbufs, origins, count);
    }
  }

  // Which flow a packet was counted for.
  struct Origin {
    uint32_t flow_index;
    uint16_t udp_bytes;
    uint8_t port_index;
  };

  void send_by(uint8_t port_index, rte_mbuf** mbufs, const Origin* origins, uint32_t count) {
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < count; ++i) bytes += mbufs[i]->pkt_len;
    const uint16_t sent =
        rte_eth_tx_burst(worker_.node.ports[port_index]->id(), static_cast<uint16_t>(worker_.id), mbufs, static_cast<uint16_t>(count));
    for (uint32_t i = sent; i < count; ++i) {
      bytes -= mbufs[i]->pkt_len;
      take_back(mbufs[i], origins[i]);
    }
    worker_.area->counters.packets_out += sent;
    worker_.area->counters.bytes_out += bytes;
  }

  void take_back(rte_mbuf* mbuf, const Origin& origin) {
    --meters_[origin.flow_index].packets;
    meters_[origin.flow_index].bytes -= origin.udp_bytes;
    ++worker_.area->counters.drops[static_cast<size_t>(abi::DropReason::port_full)];
    abi::FlowState& state = worker_.record(origin.flow_index).state;
    ++state.dropped;
    state.last_drop = static_cast<uint8_t>(abi::DropReason::port_full);
    rte_pktmbuf_free(mbuf);
  }

  // In the order they came.
  void keep_left() {
    uint32_t kept = 0;
    for (uint32_t left = left_; left != 0; left &= left - 1) burst_.mbufs[kept++] = burst_.mbufs[__builtin_ctz(left)];
    burst_.count = kept;
    burst_.passing = kept;
    burst_.owned = kept;
  }

  static constexpr uint32_t multiplexed_bytes = 4;

  Worker& worker_;
  FlowTable& flows_;
  Burst& burst_;
  abi::FlowMeter* const meters_;
  const uint64_t now_ns_;
  const uint32_t epoch_;
  const uint32_t flow_capacity_;
  uint32_t count_ = 0;
  uint32_t left_ = 0;  // bit i: packet i is for the stages
  uint32_t outgoing_count_ = 0;
  uint32_t ports_ = 0;
  bool has_multiplexed_ = false;
  const Link* known_link_ = nullptr;
  uint64_t known_source_ = 0;
  const uint32_t* known_place_ = nullptr;
  Parcel parcels_[burst_size];
  uint8_t numbers_[burst_size];  // in the burst
  rte_mbuf* outgoing_[burst_size];
  Origin origins_[burst_size];
};

}  // namespace

void relay(Worker& worker) {
  // What was handed over has been looked at elsewhere; and a node without opaque flows, as C is mostly, need not look.
  if (worker.burst.was_handed_over || !worker.has_express_lane || worker.flows->opaque_flows == 0) return;
  Lane(worker).run();
}

}  // namespace sallyport::dataplane::stage
