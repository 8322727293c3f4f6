// SPDX-License-Identifier: Apache-2.0
#pragma once
// Latching: which sources a flow takes packets from, and when it moves to another. Owner lcore only.
// admit() judges a packet before authentication and changes nothing but candidate slots; hold_to() moves the latch, and is
// reached only from a word of C (confirm), from an authenticated packet (authenticated) or from signalling's own address.

#include <cstdint>

#include "dataplane/abi/drop_reason.h"
#include "dataplane/flow_table.h"
#include "dataplane/packet.h"

namespace sallyport::dataplane {

class Worker;

// abi::DropReason::count when the packet may go on.
abi::DropReason admit(Worker& worker, Packet& packet);

// A packet's tag verified. `is_newest`: it advanced the highest index of its source, so it is no replay from elsewhere.
void note_authenticated(Worker& worker, Packet& packet, bool is_newest);

// E: C says which candidate is genuine. True when the flow is now held to it (again or anew).
bool confirm_candidate(Worker& worker, FlowEntry& flow, uint32_t candidate);

// What was resolved for flows that send to this one's source holds no longer.
void invalidate_senders(Worker& worker, const FlowEntry& flow);
void hold_to(Worker& worker, FlowEntry& flow, const abi::Address& source);
void forget_latch(Worker& worker, FlowEntry& flow);

}  // namespace sallyport::dataplane
