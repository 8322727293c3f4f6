// SPDX-License-Identifier: Apache-2.0
#include "dataplane/reception.h"

#include "dataplane/rtp_bytes.h"

namespace sallyport::dataplane {

namespace {

// RFC 3550 A.1
constexpr uint16_t max_dropout = 3000;
constexpr uint16_t max_misorder = 100;
constexpr uint32_t restart_known = 0x10000;

uint32_t transit_of(const uint8_t* rtp, uint64_t now_ns, uint32_t ticks_per_ns_q32) {
  const auto arrival = static_cast<uint32_t>((static_cast<unsigned __int128>(now_ns) * ticks_per_ns_q32) >> 32);
  return arrival - load_be32(rtp + 4);
}

void start_source(abi::ReceptionState& reception, uint32_t ssrc, uint16_t seq, uint32_t transit) {
  const int64_t lost = reception.received != 0 ? lost_packets(reception) : 0;
  const uint64_t lost_before = reception.lost_before + (lost > 0 ? static_cast<uint64_t>(lost) : 0);
  reception = abi::ReceptionState{};
  reception.ssrc = ssrc;
  reception.base_extended_seq = seq;
  reception.highest_extended_seq = seq;
  reception.received = 1;
  reception.last_transit = transit;
  reception.lost_before = lost_before;
}

}  // namespace

int64_t lost_packets(const abi::ReceptionState& reception) {
  const uint32_t expected = reception.highest_extended_seq - reception.base_extended_seq + 1;
  return static_cast<int64_t>(expected) - static_cast<int64_t>(reception.received);
}

void note_reception(abi::ReceptionState& reception, const uint8_t* rtp, uint64_t now_ns, uint32_t ticks_per_ns_q32) {
  const uint16_t seq = load_be16(rtp + 2);
  const uint32_t ssrc = load_be32(rtp + 8);
  const uint32_t transit = transit_of(rtp, now_ns, ticks_per_ns_q32);
  if (reception.received == 0 || ssrc != reception.ssrc) return start_source(reception, ssrc, seq, transit);

  const uint16_t ahead = static_cast<uint16_t>(seq - static_cast<uint16_t>(reception.highest_extended_seq));
  if (ahead < max_dropout) {
    reception.highest_extended_seq += ahead;
    reception.restart_seq = 0;
  } else if (ahead <= 65536 - max_misorder) {
    // A very large jump: believed when the next number follows it (the sender restarted without a new SSRC).
    if (reception.restart_seq != (restart_known | seq)) {
      reception.restart_seq = restart_known | static_cast<uint16_t>(seq + 1);
      return;
    }
    return start_source(reception, ssrc, seq, transit);
  }
  ++reception.received;
  const int32_t difference = static_cast<int32_t>(transit - reception.last_transit);
  const uint32_t magnitude = difference < 0 ? 0u - static_cast<uint32_t>(difference) : static_cast<uint32_t>(difference);
  reception.last_transit = transit;
  reception.jitter_q4 += magnitude - ((reception.jitter_q4 + 8) >> 4);
}

}  // namespace sallyport::dataplane
