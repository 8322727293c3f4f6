// SPDX-License-Identifier: Apache-2.0
#pragma once
// The packet rate of a flow, and who is served first when more comes than it may carry. Whoever forges a phone's address is not told from
// it by that address, and E has no key; but from outside of the path nobody knows the SSRC and sequence number at which the phone is. So
// the last fifth of what a burst may run ahead is for the stream that was heard before. Owner lcore only; changes nothing but the flow's
// policer and what is remembered of that stream. RTCP is not told apart: it is rare, and has no sequence number in the clear.

#include <cstdint>

#include "dataplane/flow_table.h"
#include "dataplane/packet.h"

namespace sallyport::dataplane {

inline constexpr uint64_t flow_tolerance_ns = 250'000'000;   // how far a burst may run ahead of the flow's rate
inline constexpr uint64_t crowd_tolerance_ns = 200'000'000;  // ... of packets that could be anybody's

// From its SSRC and sequence number: of the stream that was heard before, and newer than what was. RTP only.
bool is_familiar(const FlowEntry& flow, const Packet& packet);

// Out of line: more comes than the flow may carry.
bool is_within_rate_of_familiar(FlowEntry& flow, const Packet& packet, uint64_t now_ns);

// Precondition: the flow is found, and the payload holds the header of its medium.
inline bool is_within_rate(FlowEntry& flow, const Packet& packet, uint64_t now_ns) {
  if (flow.policer.take(now_ns, flow.interval_ns, crowd_tolerance_ns)) [[likely]] return true;
  return is_within_rate_of_familiar(flow, packet, now_ns);
}

// About once a second while packets come: `heard` is what of the flow's stream went on, on C behind its tag.
void learn_familiar(FlowEntry& flow, const abi::ReceptionState& heard);

}  // namespace sallyport::dataplane
