// SPDX-License-Identifier: Apache-2.0
#pragma once
// RegionMap: the shared region as the control plane sees it: descriptor, mapping and the geometry checked once at the start
// (seals, size, magic, version, offsets); nothing is read twice from the header. Reads of records that a worker writes
// meanwhile are copies, checked by generation. Move-only; keeps the memory alive as long as it lives, dead dataplane or not.

#include <cstdint>
#include <optional>
#include <vector>

#include "dataplane/abi/fault.h"
#include "dataplane/abi/region.h"

namespace sallyport::media {

// FlowMeter and FlowState without the SRTP state, which nobody but the dataplane reads.
struct FlowCounters {
  uint64_t packets = 0, bytes = 0, dropped = 0;
  uint64_t first_packet_ns = 0, last_packet_ns = 0;
  abi::Address latched;
  uint8_t last_drop = 0;
  uint16_t auth_failures_in_row = 0;
  uint64_t latch_moves = 0;
  abi::ReceptionState reception;

  // RFC 3550 A.3: expected minus received of the source heard last, on top of what earlier ones lost; duplicates never make it negative.
  uint64_t lost() const;
  double jitter_ms(uint32_t clock_rate_hz) const;
};

struct LiveFlow {
  uint32_t flow_index = abi::no_flow;
  uint32_t generation = 0;
  uint64_t call_tag = 0;
  uint32_t stream_tag = 0;
};

class RegionMap {
 public:
  // Takes over the descriptor, also on failure. expected_bytes: as the Welcome said.
  static Outcome<RegionMap> map(int fd, uint64_t expected_bytes);
  RegionMap(RegionMap&& other) noexcept;
  RegionMap& operator=(RegionMap&& other) noexcept;
  ~RegionMap();

  int fd() const { return fd_; }
  uint64_t epoch() const { return header_.epoch; }
  uint32_t worker_count() const { return header_.worker_count; }
  uint32_t flow_capacity() const { return header_.flow_capacity; }
  // The header as it was when it was checked: crypto engine, profile, slots ...
  const abi::RegionHeader& header() const { return header_; }
  std::optional<uint16_t> slot(const char* name) const;
  bool same_geometry(const RegionMap& other) const;

  abi::WorkerArea& worker(uint32_t index) { return workers_[index]; }
  abi::WorkerCounters counters(uint32_t worker) const;
  uint64_t heartbeat_ns(uint32_t worker) const;

  std::vector<LiveFlow> live_flows() const;
  // 0: not live.
  uint32_t live_generation(uint32_t flow_index) const;
  // nullopt when that generation is no longer live. On C the spec holds keys: the caller wipes it.
  std::optional<abi::FlowSpec> flow_spec(uint32_t flow_index, uint32_t generation) const;
  std::optional<FlowCounters> flow_counters(uint32_t flow_index, uint32_t generation) const;
  // What RTCP told on its way through; of a flow that is opaque here it holds nothing.
  std::optional<abi::RtcpObservation> rtcp_observation(uint32_t flow_index, uint32_t generation) const;
  abi::LinkState link_state(uint16_t link) const;
  // generation 0: not live. Holds the link's control key.
  abi::LinkSpec link_spec(uint16_t link) const;

 private:
  RegionMap() = default;
  void unmap();

  int fd_ = -1;
  void* memory_ = nullptr;
  uint64_t bytes_ = 0;
  abi::RegionHeader header_;
  abi::WorkerArea* workers_ = nullptr;
  const abi::LinkRecord* links_ = nullptr;
  const abi::FlowMeter* meters_ = nullptr;
  const abi::FlowRecord* flows_ = nullptr;
};

// Overwrites a spec's or command's keys.
void wipe(abi::FlowSpec& spec);
void wipe(abi::Command& command);

}  // namespace sallyport::media
