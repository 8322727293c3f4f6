// SPDX-License-Identifier: Apache-2.0
#include "dataplane/reception.h"

namespace sallyport::dataplane {

namespace {

// RFC 3550 A.1
constexpr uint16_t max_misorder = 100;
constexpr uint32_t restart_known = 0x10000;

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

void note_irregular(abi::ReceptionState& reception, uint32_t ssrc, uint16_t seq, uint32_t transit) {
  if (reception.received == 0 || ssrc != reception.ssrc) return start_source(reception, ssrc, seq, transit);
  const auto ahead = static_cast<uint16_t>(seq - static_cast<uint16_t>(reception.highest_extended_seq));
  // Late, or seen before: counted, and no step forward.
  if (ahead > 65536 - max_misorder) {
    const uint32_t restart_seq = reception.restart_seq;
    note_in_order(reception, 0, transit);
    reception.restart_seq = restart_seq;
    return;
  }
  // A very large jump: believed when the next number follows it (the sender restarted without a new SSRC).
  if (reception.restart_seq != (restart_known | seq)) {
    reception.restart_seq = restart_known | static_cast<uint16_t>(seq + 1);
    return;
  }
  start_source(reception, ssrc, seq, transit);
}

}  // namespace sallyport::dataplane
