// SPDX-License-Identifier: Apache-2.0
#include "dataplane/capture.h"

#include <rte_ip.h>
#include <rte_mbuf.h>
#include <rte_udp.h>

#include <algorithm>
#include <cstring>

#include "dataplane/checksum.h"
#include "dataplane/egress.h"
#include "dataplane/rtp_bytes.h"
#include "dataplane/worker.h"

namespace sallyport::dataplane {

namespace {

using abi::CapturedFrame;
using abi::CapturePoint;

constexpr uint64_t copy_interval_ns = interval_of_rate(20'000);
constexpr uint64_t copy_tolerance_ns = 50'000'000;
constexpr uint32_t rtp_header_bytes = 12;
constexpr uint32_t rtcp_header_bytes = 8;

// Between the leg and us, a clear payload: of what comes, or of what goes.
bool comes_clear(const FlowEntry& flow) { return (flow.verbs & (abi::verb_open | abi::verb_seal)) == abi::verb_seal; }
bool goes_clear(const FlowEntry& flow) { return (flow.verbs & (abi::verb_open | abi::verb_seal)) == abi::verb_open; }

CapturedFrame* begin(Worker& worker, const Packet& packet, CapturePoint point) {
  CapturedFrame* frame = nullptr;
  if (worker.capture_policer.take(worker.now_ns, copy_interval_ns, copy_tolerance_ns)) frame = worker.area->capture.frames.place();
  if (frame == nullptr) {
    ++worker.area->counters.captures_lost;
    return nullptr;
  }
  frame->time_ns = worker.now_ns;
  frame->call_tag = packet.flow->call_tag;
  frame->stream_tag = worker.record(packet.flow_index).spec.stream_tag;
  frame->point = point;
  return frame;
}

void finish(Worker& worker) {
  worker.area->capture.frames.publish();
  ++worker.area->counters.captured;
}

// The frame as it stands in the mbuf; of a clear one no more than the header of the RTP or RTCP packet.
void copy_frame(Worker& worker, const Packet& packet, CapturePoint point, bool is_clear) {
  CapturedFrame* copy = begin(worker, packet, point);
  if (copy == nullptr) return;
  const uint8_t* frame = rte_pktmbuf_mtod(packet.mbuf, const uint8_t*);
  uint32_t kept = std::min<uint32_t>(packet.mbuf->data_len, abi::capture_frame_bytes);
  if (is_clear) {
    const uint32_t header = packet.media == abi::Media::rtp ? rtp_header_bytes : rtcp_header_bytes;
    kept = std::min(kept, static_cast<uint32_t>(packet.payload - frame) + header);
  }
  copy->frame_bytes = packet.mbuf->pkt_len;
  copy->kept_bytes = static_cast<uint16_t>(kept);
  std::memcpy(copy->frame, frame, kept);
  finish(worker);
}

// The headers it is sent with and the clear packet behind them, without multiplexID, so that it reads as RTP.
void copy_clear(Worker& worker, const Packet& packet) {
  CapturedFrame* copy = begin(worker, packet, CapturePoint::clear);
  if (copy == nullptr) return;
  const bool is_v4 = packet.flow->egress.is_v4;
  const uint32_t headers = is_v4 ? headers_v4 : headers_v6;
  const uint32_t kept = std::min<uint32_t>(packet.payload_bytes, abi::capture_frame_bytes - headers);
  std::memcpy(copy->frame, packet.flow->egress_headers + egress_header_room - headers, headers);
  std::memcpy(copy->frame + headers, packet.payload, kept);
  copy->frame_bytes = headers + packet.payload_bytes;
  copy->kept_bytes = static_cast<uint16_t>(headers + kept);
  // Lengths and checksums were of another payload, or open yet. A UDP checksum of zero says that there is none.
  uint8_t* udp = copy->frame + headers - udp_header_bytes;
  const uint32_t datagram_bytes = packet.payload_bytes + udp_header_bytes;
  store_be16(udp + 4, static_cast<uint16_t>(datagram_bytes));
  std::memset(udp + 6, 0, 2);
  if (is_v4) {
    auto* ip = reinterpret_cast<rte_ipv4_hdr*>(udp - sizeof(rte_ipv4_hdr));
    ip->total_length = __builtin_bswap16(static_cast<uint16_t>(datagram_bytes + sizeof *ip));
    ip->hdr_checksum = 0;
    ip->hdr_checksum = static_cast<uint16_t>(~checksum_fold(checksum_add(0, reinterpret_cast<const uint8_t*>(ip), sizeof *ip)));
  } else {
    auto* ip = reinterpret_cast<rte_ipv6_hdr*>(udp - sizeof(rte_ipv6_hdr));
    ip->payload_len = __builtin_bswap16(static_cast<uint16_t>(datagram_bytes));
  }
  finish(worker);
}

// Packets on their way whose flow has exactly these capture flags.
template <class Copy>
void each_captured(Worker& worker, uint16_t flags, Copy copy) {
  if (!is_capture_wanted(worker)) return;
  for (uint32_t i = 0; i < worker.burst.count; ++i) {
    const Packet& packet = worker.burst.packets[i];
    if (packet.verdict != Verdict::pass || packet.flow == nullptr) continue;
    if ((packet.flow->flags & (abi::flow_capture | abi::flow_capture_clear)) == flags) copy(packet);
  }
}

}  // namespace

bool is_capture_wanted(const Worker& worker) {
  const uint64_t until_ns = worker.area->capture.until_ns.load(std::memory_order_relaxed);
  return worker.now_ns < until_ns && until_ns - worker.now_ns <= abi::capture_lease_limit_ns;
}

void capture_received(Worker& worker) {
  each_captured(worker, abi::flow_capture, [&](const Packet& packet) { copy_frame(worker, packet, CapturePoint::received, comes_clear(*packet.flow)); });
}

void capture_clear(Worker& worker) {
  each_captured(worker, abi::flow_capture | abi::flow_capture_clear, [&](const Packet& packet) { copy_clear(worker, packet); });
}

void capture_sent(Worker& worker) {
  each_captured(worker, abi::flow_capture, [&](const Packet& packet) { copy_frame(worker, packet, CapturePoint::sent, goes_clear(*packet.flow)); });
}

void end_capture(Worker& worker, FlowEntry& flow) {
  constexpr uint16_t capture_flags = abi::flow_capture | abi::flow_capture_clear;
  worker.flows->captured_flows -= flow.is_captured();
  flow.flags &= static_cast<uint16_t>(~capture_flags);
  worker.record(flow.flow_index).spec.flags &= static_cast<uint16_t>(~capture_flags);
}

}  // namespace sallyport::dataplane
