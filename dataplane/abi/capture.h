// SPDX-License-Identifier: Apache-2.0
#pragma once
// Copies of packets for `sallyport capture`: of flows with flow_capture, one ring a worker. The worker writes, the control plane reads and
// wipes what it has read. Nothing is copied after until_ns, which the control plane puts off again and again while somebody listens; a worker
// that finds it past takes the flags from its flows. So a capture ends by itself whoever dies. A full ring loses copies, never packets.

#include <atomic>
#include <cstdint>

#include "dataplane/abi/ring.h"

namespace sallyport::abi {

inline constexpr uint32_t capture_ring_capacity = 512;
inline constexpr uint32_t capture_frame_bytes = 1600;  // what is longer is cut
inline constexpr uint64_t capture_lease_limit_ns = 10'000'000'000;  // until_ns further ahead than this is not believed

// Where on its way the packet was copied.
enum class CapturePoint : uint8_t {
  received = 1,  // as it came
  clear = 2,     // between opening and sealing, behind the headers it is sent with; only with flow_capture_clear
  sent = 3,      // as it goes
};

struct CapturedFrame {
  uint64_t time_ns = 0;         // CLOCK_MONOTONIC
  uint64_t call_tag = 0;        // of the flow
  uint32_t stream_tag = 0;      // likewise
  uint32_t frame_bytes = 0;     // on the wire
  uint16_t kept_bytes = 0;      // <= capture_frame_bytes
  CapturePoint point = CapturePoint::received;
  uint8_t reserved[5] = {};
  uint8_t frame[capture_frame_bytes] = {};  // from the Ethernet header on
};
static_assert(sizeof(CapturedFrame) == 32 + capture_frame_bytes);

struct alignas(64) CaptureArea {
  std::atomic<uint64_t> until_ns;  // CLOCK_MONOTONIC; control plane writes
  SpscRing<CapturedFrame, capture_ring_capacity> frames;
};

}  // namespace sallyport::abi
