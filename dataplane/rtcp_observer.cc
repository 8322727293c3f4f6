// SPDX-License-Identifier: Apache-2.0
#include "dataplane/rtcp_observer.h"

#include "dataplane/rtp_bytes.h"
#include "dataplane/worker.h"

namespace sallyport::dataplane {

namespace {

constexpr uint8_t sender_report = 200, receiver_report = 201;
constexpr size_t report_header_bytes = 8, sender_info_bytes = 20, block_bytes = 24;
constexpr uint32_t most_packets = 16;  // of one compound; real ones have two or three
constexpr uint64_t longest_round_trip_ns = 60'000'000'000;

// RFC 3550 6.4.1, one report block.
struct ReportBlock {
  uint32_t ssrc = 0;
  uint8_t fraction_lost = 0;
  int32_t lost = 0;
  uint32_t highest_seq = 0;
  uint32_t jitter = 0;
  uint32_t last_report = 0;   // LSR
  uint32_t held = 0;          // DLSR, 65536ths of a second
};

ReportBlock read_block(const uint8_t* bytes) {
  ReportBlock block;
  block.ssrc = load_be32(bytes);
  block.fraction_lost = bytes[4];
  // 24 bits with a sign.
  block.lost = static_cast<int32_t>(load_be32(bytes + 4) << 8) >> 8;
  block.highest_seq = load_be32(bytes + 8);
  block.jitter = load_be32(bytes + 12);
  block.last_report = load_be32(bytes + 16);
  block.held = load_be32(bytes + 20);
  return block;
}

const abi::SenderReportMark* find_mark(const abi::RtcpObservation* reverse, const ReportBlock& block) {
  if (reverse == nullptr || block.last_report == 0) return nullptr;
  for (const abi::SenderReportMark& mark : reverse->sender_reports)
    if (mark.ntp_middle == block.last_report && mark.ssrc == block.ssrc) return &mark;
  return nullptr;
}

void mark_sender_report(abi::RtcpObservation& own, const uint8_t* report, uint64_t now_ns) {
  // Middle 32 bits of the NTP timestamp, as LSR has them.
  own.sender_reports[own.next_mark & 3] = {load_be32(report + 4), load_be32(report + 10), now_ns};
  own.next_mark = (own.next_mark + 1) & 3;
}

void take_block(abi::RtcpObservation& own, const ReportBlock& block, uint64_t now_ns) {
  if (own.reported_ns == 0 || own.reported_ssrc != block.ssrc) {
    own.first_lost = block.lost;
    own.first_highest_seq = block.highest_seq;
  }
  own.reported_ssrc = block.ssrc;
  own.fraction_lost = block.fraction_lost;
  own.reported_lost = block.lost;
  own.reported_highest_seq = block.highest_seq;
  own.reported_jitter = block.jitter;
  own.reported_ns = now_ns;
}

bool take_round_trip(abi::RtcpObservation& own, const ReportBlock& block, const abi::SenderReportMark& mark, uint64_t now_ns) {
  const uint64_t held_ns = (uint64_t{block.held} * 1'000'000'000u) >> 16;
  const uint64_t away_ns = now_ns - mark.passed_ns;
  // Rounding of DLSR and the drift of two clocks may make it look negative (RFC 3550 6.4.1).
  const uint64_t round_trip_ns = away_ns > held_ns ? away_ns - held_ns : 0;
  if (round_trip_ns > longest_round_trip_ns) return false;
  own.round_trip_ns = round_trip_ns;
  ++own.round_trips;
  return true;
}

// Of several sources the one whose sender report passed here counts, else the first.
bool take_blocks(abi::RtcpObservation& own, const abi::RtcpObservation* reverse, const uint8_t* blocks, uint32_t count, uint64_t now_ns) {
  ReportBlock chosen;
  const abi::SenderReportMark* mark = nullptr;
  for (uint32_t i = 0; i < count && mark == nullptr; ++i) {
    const ReportBlock block = read_block(blocks + i * block_bytes);
    mark = find_mark(reverse, block);
    if (i == 0 || mark != nullptr) chosen = block;
  }
  if (count == 0) return false;
  take_block(own, chosen, now_ns);
  return mark != nullptr && take_round_trip(own, chosen, *mark, now_ns);
}

}  // namespace

RtcpFinding note_rtcp(abi::RtcpObservation& own, const abi::RtcpObservation* reverse, std::span<const uint8_t> compound, uint64_t now_ns) {
  ++own.compounds;
  const auto malformed = [&own] { return ++own.malformed, RtcpFinding::malformed; };
  RtcpFinding finding = RtcpFinding::nothing;
  for (uint32_t packets = 0; !compound.empty(); ++packets) {
    if (packets == most_packets || compound.size() < 4 || compound[0] >> 6 != 2) return malformed();
    const size_t bytes = 4u * (load_be16(compound.data() + 2) + 1u);
    if (bytes > compound.size()) return malformed();
    const uint8_t type = compound[1];
    if (type == sender_report || type == receiver_report) {
      const uint32_t count = compound[0] & 0x1f;
      const size_t blocks_at = report_header_bytes + (type == sender_report ? sender_info_bytes : 0);
      if (blocks_at + count * block_bytes > bytes) return malformed();
      if (type == sender_report) mark_sender_report(own, compound.data(), now_ns);
      if (take_blocks(own, reverse, compound.data() + blocks_at, count, now_ns)) finding = RtcpFinding::round_trip;
    }
    compound = compound.subspan(bytes);
  }
  return finding;
}

void observe_rtcp(Worker& worker, const Packet& packet) {
  const FlowEntry& flow = *packet.flow;
  abi::RtcpObservation& own = worker.state_of(packet).rtcp;
  const abi::RtcpObservation* reverse = nullptr;
  if (flow.reverse_flow != abi::no_flow) {
    const FlowEntry& other = worker.flows->entry(flow.reverse_flow);
    // The index may have gone to another call meanwhile.
    if (other.generation != 0 && other.media == abi::Media::rtcp && other.call_tag == flow.call_tag) reverse = &worker.record(flow.reverse_flow).state.rtcp;
  }
  abi::WorkerCounters& counters = worker.area->counters;
  ++counters.rtcp_compounds;
  const RtcpFinding finding = note_rtcp(own, reverse, {packet.payload, packet.payload_bytes}, worker.now_ns);
  if (finding == RtcpFinding::malformed) ++counters.rtcp_malformed;
  if (finding != RtcpFinding::round_trip) return;
  ++counters.rtcp_round_trips;
  counters.rtcp_round_trip_ns += own.round_trip_ns;
}

}  // namespace sallyport::dataplane
