// SPDX-License-Identifier: Apache-2.0
#pragma once
// Reception statistics of one stream: extended sequence numbers, loss and jitter (RFC 3550 A.1, A.3, A.8).
// Works on sealed RTP too, since the header is in clear. Called by the owner after a packet is believed. Any content is safe.

#include <cstdint>

#include "dataplane/abi/flow.h"

namespace sallyport::dataplane {

// Ticks of an RTP clock a nanosecond, times 2^32: a multiplication a packet instead of a division. Off by less than 0.002 %, and only
// differences of neighbouring packets count.
constexpr uint32_t ticks_per_ns_q32(uint32_t clock_rate_hz) {
  const uint64_t ticks = ((uint64_t{clock_rate_hz} << 32) + 500'000'000u) / 1'000'000'000u;
  return ticks > UINT32_MAX ? UINT32_MAX : static_cast<uint32_t>(ticks);
}

// rtp: at least the twelve bytes of the fixed header.
void note_reception(abi::ReceptionState& reception, const uint8_t* rtp, uint64_t now_ns, uint32_t ticks_per_ns_q32);
// Packets missing from the source heard last; negative when duplicates came (A.3).
int64_t lost_packets(const abi::ReceptionState& reception);

}  // namespace sallyport::dataplane
