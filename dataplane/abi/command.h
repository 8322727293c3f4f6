// SPDX-License-Identifier: Apache-2.0
#pragma once
// Commands from the control plane to one worker, completions and events back. Each worker has one ring of each kind.
// A worker bounds-checks everything in a command; what does not hold is answered with a status, never obeyed in part.

#include <cstdint>

#include "dataplane/abi/flow.h"
#include "dataplane/abi/link.h"

namespace sallyport::abi {

enum class CommandType : uint8_t { none = 0, add_flow = 1, modify_flow = 2, remove_flow = 3, add_link = 4, remove_link = 5 };

// modify_flow replaces the spec and keeps counters, latch, ROC and replay state, save what these bits say.
enum ModifyFlag : uint8_t {
  modify_reset_latch = 1,   // learn the peer's address anew (re-INVITE with a new address)
  modify_reset_open = 2,    // new key on the open side: forget ROC and replay state of that side
  modify_reset_seal = 4,
};

struct Command {
  uint64_t id = 0;               // chosen by the control plane, repeated in the completion
  CommandType type = CommandType::none;
  uint8_t modify_flags = 0;      // ModifyFlag bits
  uint16_t link = no_link;       // remove_link
  uint32_t flow_index = no_flow; // remove_flow; must agree with flow.flow_index otherwise
  uint32_t generation = 0;       // remove_flow, modify_flow: of the flow meant; a stale one is refused
  uint32_t reserved = 0;
  FlowSpec flow;                 // add_flow, modify_flow
  LinkSpec link_spec;            // add_link (again with the same slot and a new generation: replace)
};

enum class CommandStatus : uint8_t {
  done = 0,
  bad_type = 1,
  bad_index = 2,         // out of bounds, or not this worker's
  stale_generation = 3,
  in_use = 4,            // index, port or multiplexID belongs to another flow
  bad_port = 5,          // port outside the relay range or its slot unknown
  bad_link = 6,
  bad_suite = 7,
  bad_reference = 8,     // rtcp_flow, reverse_flow or destination_flow is out of bounds or not this worker's
  no_memory = 9,
};

struct Completion {
  uint64_t id = 0;
  CommandStatus status = CommandStatus::done;
  uint8_t reserved[3] = {};
  uint32_t flow_index = no_flow;
};

enum class EventType : uint8_t {
  none = 0,
  first_packet = 1,       // the flow carried its first packet; address = its source
  candidate_source = 2,   // E: a tentative source appeared
  latched = 3,            // the flow is now held to address
  latch_moved = 4,        // ... and was held to another before
  auth_failing = 5,       // value = failures in a row (raised at 50, then at every doubling)
  flow_idle = 6,          // value = seconds since the last packet
  link_up = 7,            // link; value = 0 RTP port, 1 RTCP port
  link_down = 8,
  events_lost = 9,        // value = events that found the ring full
};

struct Event {
  EventType type = EventType::none;
  uint8_t reserved = 0;
  uint16_t link = no_link;
  uint32_t flow_index = no_flow;
  uint32_t generation = 0;
  uint32_t value = 0;
  uint64_t call_tag = 0;
  uint64_t time_ns = 0;   // CLOCK_MONOTONIC
  Address address;
  uint32_t reserved2 = 0;
};
static_assert(sizeof(Event) == 56);

}  // namespace sallyport::abi
