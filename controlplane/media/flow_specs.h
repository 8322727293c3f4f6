// SPDX-License-Identifier: Apache-2.0
#pragma once
// The four flows of a stream (up and down, RTP and RTCP) as the dataplane is told them. Pure functions: what the SDP agreed goes in,
// specs come out. E's specs have neither open nor seal nor any key byte; that is the whole of E's promise, so it is visible here.

#include "controlplane/media/media_settings.h"
#include "controlplane/media/media_stream.h"
#include "dataplane/abi/flow.h"

namespace sallyport::media {

struct FlowPlace {
  uint64_t call_tag = 0;
  uint16_t link = abi::no_link;
  uint32_t max_packets_per_s = 0;
  uint16_t idle_timeout_s = 0;
  Marking marking;
  uint16_t capture_flags = 0;  // FlowFlag bits of abi/capture.h
};

// stream_tag: bits 31..16 m= line, 15..4 serial, 1..0 FlowRole.
uint32_t make_stream_tag(uint32_t line, uint32_t serial, FlowRole role);
FlowRole role_of(uint32_t stream_tag);
uint32_t line_of(uint32_t stream_tag);

// Whether enough is known for flows: on C the phone's address and the keys.
bool is_programmable(Role role, const Stream& stream);
// Precondition: is_programmable, and the lease has flows. The caller wipes the spec.
abi::FlowSpec flow_spec(Role role, const Stream& stream, uint32_t line, FlowRole flow, const FlowPlace& place);

}  // namespace sallyport::media
