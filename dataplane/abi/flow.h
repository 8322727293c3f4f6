// SPDX-License-Identifier: Apache-2.0
#pragma once
// A flow: one direction of one stream, RTP or RTCP: where its packets arrive, what must hold for them, how they are
// transformed, where they go. FlowSpec is written by the control plane (in a command) and copied into the region by the
// owning worker; FlowState and FlowMeter are written by that worker only and read by anyone. Fixed width, no pointers. Keys in a spec
// are wiped by the worker on removal. E never has open or seal verbs, so its region never holds a media key.

#include <cstdint>

#include "dataplane/abi/address.h"
#include "dataplane/abi/drop_reason.h"

namespace sallyport::abi {

inline constexpr uint32_t no_flow = 0xffffffff;
inline constexpr uint16_t no_link = 0xffff;
inline constexpr uint16_t no_slot = 0xffff;

// RFC 4568 6.2, RFC 6188, RFC 7714 14.1; values are ours.
enum class Suite : uint8_t {
  none = 0,
  aes_cm_128_hmac_sha1_80 = 1,
  aes_cm_128_hmac_sha1_32 = 2,
  aes_256_cm_hmac_sha1_80 = 3,
  aead_aes_128_gcm = 4,
  aead_aes_256_gcm = 5,
};

// Master key and salt as SDES carries them (RFC 4568 6.1): key bytes, then salt bytes (14 for CM, 12 for GCM).
struct KeyMaterial {
  Suite suite = Suite::none;
  uint8_t mki_length = 0;  // bytes of MKI before the tag (RFC 3711 3.1); skipped on open, never sent
  uint8_t reserved[6] = {};
  uint8_t key[32] = {};
  uint8_t salt[16] = {};
};
static_assert(sizeof(KeyMaterial) == 56);

enum class Arrival : uint8_t { port = 1, multiplex = 2 };
enum class Media : uint8_t { rtp = 1, rtcp = 2 };

// Verbs of the one table; a flow with none is an opaque relay. demux is implied by Arrival::multiplex.
enum Verb : uint8_t { verb_open = 1, verb_seal = 2, verb_mux = 4 };

// How the flow learns its peer's address, and what it accepts.
enum class Latch : uint8_t {
  none = 0,           // multiplex arrival: the link's authenticated source is the only one taken
  exact = 1,          // source must equal expected_source
  expected_ip = 2,    // source address must equal expected_source's; the port is learnt from the first packet
  confirmed = 3,      // keyless: forward from up to four tentative sources, hold to the one that C confirms
  authenticated = 4,  // learn from a packet whose tag verifies and which is newer than any seen
};

enum FlowFlag : uint16_t {
  flow_rtcp_mux = 1,   // RTCP arrives on this port too and belongs to rtcp_flow (RFC 5761)
  flow_paused = 2,     // take, authenticate and count, but do not send on
  flow_confirms = 4,   // C: tell E by a control datagram which candidate source authenticated
  flow_capture = 8,    // copy its packets into the worker's CaptureArea while that is wanted (abi/capture.h)
  flow_capture_clear = 16,  // with flow_capture, and only with verb_open or verb_seal: where their payload is clear, and only there
};

struct FlowSpec {
  uint32_t flow_index = no_flow;  // flow_index % worker_count names the owner
  uint32_t generation = 0;        // never 0 for a live flow; grows with every new use of the index
  uint64_t call_tag = 0;          // opaque to the dataplane: lets a restarted control plane find its calls
  uint32_t stream_tag = 0;        // opaque likewise: stream number, leg and direction

  Arrival arrival = Arrival::port;
  Media media = Media::rtp;
  uint8_t verbs = 0;              // Verb bits
  Latch latch = Latch::none;
  uint16_t flags = 0;             // FlowFlag bits
  uint8_t dscp = 46;              // of what is sent; EF for audio (RFC 4594)
  uint8_t reserved0 = 0;

  uint16_t local_slot = no_slot;  // Arrival::port: local address slot and UDP port
  uint16_t local_port = 0;
  uint16_t arrival_link = no_link;      // Arrival::multiplex
  uint16_t egress_link = no_link;       // verb_mux
  uint32_t arrival_multiplex_id = 0;    // two low bits zero; see multiplex_id.h
  uint32_t egress_multiplex_id = 0;
  uint32_t rtcp_flow = no_flow;         // with flow_rtcp_mux

  uint16_t egress_slot = no_slot;       // without verb_mux: source address slot and UDP port of what is sent
  uint16_t egress_port = 0;
  uint32_t destination_flow = no_flow;  // send to the source that this (reverse) flow has latched ...
  Address destination;                  // ... or, until it has latched and where set, here
  Address expected_source;              // Latch::exact, expected_ip

  uint32_t max_packets_per_s = 0;       // 0: the worker's default
  uint32_t clock_rate_hz = 8000;        // of the RTP timestamp, for jitter (RFC 3550 6.4.1)
  uint16_t max_packet_bytes = 0;        // UDP payload; 0: the port's MTU decides
  uint16_t idle_timeout_s = 0;          // raise Event flow_idle after so long without a packet; 0 never
  uint32_t reverse_flow = no_flow;      // Media::rtcp in clear here: the RTCP of the other direction, for round trips

  KeyMaterial open_key;  // verb_open: what the sender seals with
  KeyMaterial seal_key;  // verb_seal: what the receiver opens with
};
static_assert(sizeof(FlowSpec) == 224);

// ROC, replay windows and SRTCP indices of one direction; the fields stand in dataplane/srtp_stream_state.h, which alone reads
// and writes them. All zero is empty. No secrets; it lives here so that a restarted dataplane goes on where the old one stopped.
struct alignas(64) SrtpStreamState {
  uint8_t opaque[960];
};

// RFC 3550 A.1, A.3, A.8 for the source heard last; over clear or sealed RTP alike, since the header is never encrypted.
struct ReceptionState {
  uint32_t ssrc = 0;
  uint32_t base_extended_seq = 0;
  uint32_t highest_extended_seq = 0;
  uint32_t received = 0;
  uint32_t jitter_q4 = 0;        // timestamp units times 16
  uint32_t last_transit = 0;
  uint64_t lost_before = 0;      // loss of the sources heard earlier on this flow
  uint32_t restart_seq = 0;      // after a jump: the sequence number that would prove a restart, plus 65536; 0 none (A.1)
  uint32_t reserved = 0;
};

struct CandidateSource {
  Address address;
  uint32_t packets = 0;
  uint64_t last_ns = 0;
};

// What changes with every packet of a flow: one cache line, in an array of its own, so that a worker with many flows touches
// one line and few pages for each packet. Written by the owner only.
struct alignas(64) FlowMeter {
  uint64_t packets = 0;          // sent on
  uint64_t bytes = 0;            // UDP payload sent on
  uint64_t last_packet_ns = 0;   // CLOCK_MONOTONIC; 0: none yet
  ReceptionState reception;
};
static_assert(sizeof(FlowMeter) == 64);

// A sender report on its way through: what a report block of the other direction says of it comes back as LSR.
struct SenderReportMark {
  uint32_t ssrc = 0;
  uint32_t ntp_middle = 0;       // middle 32 bits of its NTP timestamp; 0: no mark
  uint64_t passed_ns = 0;        // CLOCK_MONOTONIC
};

// What an RTCP flow told where this node sees it in clear (verb_open or verb_seal): of the party that sends it, how the stream arrives
// there (RFC 3550 6.4.1), and how far away it is. Never of an opaque relay.
struct alignas(64) RtcpObservation {
  SenderReportMark sender_reports[4];  // the newest that this flow carried
  uint32_t compounds = 0;        // looked at
  uint32_t malformed = 0;        // of these, not to be understood; passed on all the same
  uint64_t round_trip_ns = 0;    // newest: from here to that party and back, less the time it held the report
  uint32_t round_trips = 0;      // how often it was measured; 0: round_trip_ns says nothing
  uint32_t reported_ssrc = 0;    // of the stream that is reported on
  uint64_t reported_ns = 0;      // CLOCK_MONOTONIC of the newest report block; 0: none yet
  int32_t reported_lost = 0;     // packets since the receiver's beginning; negative when duplicates came
  uint32_t reported_highest_seq = 0;   // extended
  uint32_t reported_jitter = 0;  // timestamp units
  int32_t first_lost = 0;        // the same two of the first block of this source: loss since then is their difference
  uint32_t first_highest_seq = 0;
  uint8_t fraction_lost = 0;     // of the newest block, in 256ths
  uint8_t next_mark = 0;
  uint8_t reserved[6] = {};
};
static_assert(sizeof(RtcpObservation) == 128);

struct FlowState {
  uint64_t dropped = 0;          // of any reason; last_drop says which came last
  uint64_t first_packet_ns = 0;  // CLOCK_MONOTONIC
  Address latched;               // the source this flow is held to, once known
  uint8_t last_drop = 0;         // DropReason
  uint8_t confirmed_candidate = 0xff;  // index into candidates; 0xff none
  uint16_t auth_failures_in_row = 0;
  uint64_t latch_moves = 0;
  CandidateSource candidates[4];
  ReceptionState reception;
  SrtpStreamState open_state;
  SrtpStreamState seal_state;
  RtcpObservation rtcp;
};

struct alignas(64) FlowRecord {
  uint32_t generation_live = 0;  // written last on add, zeroed first on removal: non-zero means spec and state are valid
  uint32_t reserved = 0;
  FlowSpec spec;
  FlowState state;
};

}  // namespace sallyport::abi
