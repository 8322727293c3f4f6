// SPDX-License-Identifier: Apache-2.0
#pragma once
// What passing RTCP tells of a call where it is in clear: round trip, loss and jitter as the far end has them (RFC 3550 6.4.1, A.3).
// A sender report is marked when it passes; the report block of the other direction that names it (LSR) closes the circle: the time
// between, less what the receiver held it (DLSR), is the way from here to that receiver and back. Owner lcore only; reads within the
// datagram; any content is safe, and RTCP that cannot be understood passes like any other. No allocation; a few hundred cycles.

#include <cstdint>
#include <span>

#include "dataplane/abi/flow.h"

namespace sallyport::dataplane {

class Worker;
struct Packet;

enum class RtcpFinding : uint8_t { nothing, round_trip, malformed };

// One compound packet that `own`'s flow carries. reverse: of the RTCP flow of the other direction, nullptr when there is none.
RtcpFinding note_rtcp(abi::RtcpObservation& own, const abi::RtcpObservation* reverse, std::span<const uint8_t> compound, uint64_t now_ns);

// Precondition: the packet is RTCP, authenticated where its flow has a key, not sealed yet.
void observe_rtcp(Worker& worker, const Packet& packet);

}  // namespace sallyport::dataplane
