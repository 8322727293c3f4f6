// SPDX-License-Identifier: Apache-2.0
#pragma once
// Reception statistics of one stream: extended sequence numbers, loss and jitter (RFC 3550 A.1, A.3, A.8).
// Works on sealed RTP too, since the header is in clear. Called by the owner after a packet is believed. Any content is safe.

#include <cstdint>

#include "dataplane/abi/flow.h"
#include "dataplane/rtp_bytes.h"

namespace sallyport::dataplane {

inline constexpr uint16_t max_dropout = 3000;  // RFC 3550 A.1

// Ticks of an RTP clock a nanosecond, times 2^32: a multiplication a packet instead of a division. Off by less than 0.002 %, and only
// differences of neighbouring packets count.
constexpr uint32_t ticks_per_ns_q32(uint32_t clock_rate_hz) {
  const uint64_t ticks = ((uint64_t{clock_rate_hz} << 32) + 500'000'000u) / 1'000'000'000u;
  return ticks > UINT32_MAX ? UINT32_MAX : static_cast<uint32_t>(ticks);
}

inline uint32_t arrival_ticks(uint64_t now_ns, uint32_t ticks_per_ns_q32) {
  return static_cast<uint32_t>((static_cast<unsigned __int128>(now_ns) * ticks_per_ns_q32) >> 32);
}

// What is not the next few packets of the source heard last: a new source, a restart, a late or wild sequence number.
void note_irregular(abi::ReceptionState& reception, uint32_t ssrc, uint16_t seq, uint32_t transit);

inline void note_in_order(abi::ReceptionState& reception, uint16_t ahead, uint32_t transit) {
  reception.highest_extended_seq += ahead;
  reception.restart_seq = 0;
  ++reception.received;
  const auto difference = static_cast<int32_t>(transit - reception.last_transit);
  const uint32_t magnitude = difference < 0 ? 0u - static_cast<uint32_t>(difference) : static_cast<uint32_t>(difference);
  reception.last_transit = transit;
  reception.jitter_q4 += magnitude - ((reception.jitter_q4 + 8) >> 4);
}

// rtp: at least the twelve bytes of the fixed header. arrival_ticks: of the RTP clock.
inline void note_reception(abi::ReceptionState& reception, const uint8_t* rtp, uint32_t arrival_ticks) {
  const uint16_t seq = load_be16(rtp + 2);
  const uint32_t ssrc = load_be32(rtp + 8);
  const uint32_t transit = arrival_ticks - load_be32(rtp + 4);
  const auto ahead = static_cast<uint16_t>(seq - static_cast<uint16_t>(reception.highest_extended_seq));
  if (ssrc == reception.ssrc && ahead < max_dropout && reception.received != 0) [[likely]] {
    return note_in_order(reception, ahead, transit);
  }
  note_irregular(reception, ssrc, seq, transit);
}

// Packets missing from the source heard last; negative when duplicates came (A.3).
int64_t lost_packets(const abi::ReceptionState& reception);

}  // namespace sallyport::dataplane
