// SPDX-License-Identifier: Apache-2.0
#pragma once
// The shared region: one sealed memfd a node, made by the dataplane (size sealed, so neither side can truncate it under the
// other), handed to the control plane over a Unix SOCK_SEQPACKET socket with SCM_RIGHTS. Offsets and indices, never pointers.
// Layout: RegionHeader | WorkerArea[worker_count] | LinkRecord[max_links] | FlowMeter[flow_capacity] | FlowRecord[flow_capacity]. Each side keeps its own
// copy of the geometry it checked at the start and never reads an offset twice.

#include <atomic>
#include <cstdint>

#include "dataplane/abi/capture.h"
#include "dataplane/abi/command.h"
#include "dataplane/abi/flow.h"
#include "dataplane/abi/link.h"
#include "dataplane/abi/multiplex_id.h"
#include "dataplane/abi/ring.h"

namespace sallyport::abi {

inline constexpr uint64_t region_magic = 0x54524f50594c4c53;  // "SLLYPORT", little endian
inline constexpr uint32_t abi_version = 3;
inline constexpr uint32_t max_workers = 16;
inline constexpr uint32_t max_address_slots = 16;
inline constexpr uint32_t command_ring_capacity = 4096;
inline constexpr uint32_t event_ring_capacity = 4096;

inline constexpr uint32_t stage_capacity = 16;
// Names of the stages, in the order of a packet's life; counters, traces, tests and benchmarks use the same.
enum class Stage : uint8_t { receive, relay, parse, find_flow, control, open, rewrite, seal, transmit, count };
inline constexpr const char* stage_names[] = {"receive", "relay", "parse", "find_flow", "control", "open", "rewrite", "seal", "transmit"};

// A local address of the node, from its configuration; the slot is its index here.
struct AddressSlot {
  char name[24] = {};          // as in [[address]] name, zero-terminated
  Address address;             // port 0
  uint16_t port_id = 0;        // DPDK port
  uint16_t mtu = 1500;
  uint8_t mac[6] = {};
  uint8_t in_use = 0;
  uint8_t reserved = 0;
};

struct WorkerCounters {
  uint64_t packets_in = 0;
  uint64_t bytes_in = 0;
  uint64_t packets_out = 0;
  uint64_t bytes_out = 0;
  uint64_t polls = 0;
  uint64_t empty_polls = 0;
  uint64_t sleeps = 0;
  uint64_t handed_over = 0;        // packets that arrived at the wrong worker
  uint64_t commands = 0;
  uint64_t commands_refused = 0;
  uint64_t events_lost = 0;
  uint64_t captured = 0;           // copies of packets for `sallyport capture`
  uint64_t captures_lost = 0;      // copies that found the ring full, or came faster than copies may
  uint64_t rtcp_compounds = 0;     // RTCP in clear that was looked at
  uint64_t rtcp_malformed = 0;
  uint64_t rtcp_round_trips = 0;   // measured
  uint64_t rtcp_round_trip_ns = 0; // their sum
  uint64_t to_kernel = 0;          // packets given to exception ports
  uint64_t from_kernel = 0;        // packets of the kernel's sent by ports; in packets_out, too
  uint64_t stage_packets[stage_capacity] = {};
  uint64_t stage_cycles[stage_capacity] = {};  // TSC, extrapolated from one burst of seventeen
  uint64_t drops[drop_reason_capacity] = {};   // indexed by DropReason
};

struct alignas(64) WorkerArea {
  SpscRing<Command, command_ring_capacity> commands;       // control plane writes
  SpscRing<Completion, command_ring_capacity> completions; // worker writes
  SpscRing<Event, event_ring_capacity> events;             // worker writes
  alignas(64) WorkerCounters counters;
  alignas(64) std::atomic<uint64_t> heartbeat_ns;          // CLOCK_MONOTONIC, at least ten times a second
  std::atomic<uint32_t> asleep;                            // non-zero: wake it by the command eventfd
  CaptureArea capture;
};

struct RegionHeader {
  uint64_t magic = 0;
  uint32_t version = 0;
  uint32_t header_bytes = 0;
  uint64_t region_bytes = 0;
  uint64_t epoch = 0;              // random, anew at each start of a dataplane, adopted region or not
  uint32_t worker_count = 0;
  uint32_t flow_capacity = 0;
  uint64_t workers_offset = 0;
  uint64_t links_offset = 0;
  uint64_t meters_offset = 0;
  uint64_t flows_offset = 0;
  uint16_t relay_port_min = 0;     // 36002; first port of the media range, even
  uint16_t relay_port_max = 0;     // 59999
  uint32_t reserved = 0;
  uint64_t tsc_hz = 0;
  uint32_t dataplane_pid = 0;
  char crypto[32] = {};            // engine in force: "AVX512", "AVX2", "SSE"
  char profile[16] = {};           // port profile in force: "packet", "xdp", ...
  char steering[24] = {};          // "rte_flow", "rss", "hand-over"
  AddressSlot slots[max_address_slots];
};

// Messages of the socket. The control plane connects and says hello; region_offered means that it passes the memfd of a
// dataplane that died, for adoption. The answer passes three descriptors: region, wake (control plane writes: eventfd that
// wakes sleeping workers) and notify (dataplane writes: completions or events wait).
struct Hello {
  uint64_t magic = region_magic;
  uint32_t version = abi_version;
  uint32_t region_offered = 0;
};
struct Welcome {
  uint64_t magic = region_magic;
  uint32_t version = abi_version;
  uint32_t adopted = 0;            // the offered region was taken over
  uint64_t epoch = 0;
  uint64_t region_bytes = 0;
};

}  // namespace sallyport::abi
