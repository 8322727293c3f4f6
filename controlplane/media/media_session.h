// SPDX-License-Identifier: Apache-2.0
#pragma once
// MediaSession: the anchor of one call on one node. The SIP proxy hands it every SDP body that passes and forwards what it gives back; it
// keeps the offer/answer state, ports, multiplexIDs and (C) keys, and programs the flows when an answer passes. One session for each
// initial INVITE forwarded: call control that forks to two clients makes two; a fork further on makes branches of one. Made by
// MediaPlane::open(); on the plane's thread. rewrite() never blocks. Destroying or release() removes the flows and wipes keys.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "controlplane/media/call_record.h"
#include "controlplane/media/region_map.h"
#include "dataplane/abi/address.h"
#include "dataplane/abi/command.h"

namespace sallyport::media {

// The face looks to clients on E, to call control on C; the other side is the traversal leg.
enum class Side : uint8_t { face, traversal };

struct SessionStart {
  std::string call_id;
  std::string from_tag;          // of the initial INVITE
  std::string correlation;       // id that logs of both nodes share; may be empty
  std::string peer;              // traversal peer, as named to MediaLinks
  std::string face;              // address slot name; empty: the first of the settings
  Side began = Side::face;       // where the initial INVITE came from
  std::string from, to;          // addresses of record, for people
};

struct SdpMessage {
  Side from = Side::face;
  std::string_view sdp;
  std::string_view method;       // as in CSeq: INVITE, UPDATE, PRACK, ACK
  uint16_t status = 0;           // 0: a request
  Side request_from = Side::face;  // who sent the request; with cseq it names the transaction (an ACK has its INVITE's number)
  uint32_t cseq = 0;
  std::string_view branch;       // the dialog: tag of the callee of the initial INVITE; empty before one is known
  abi::Address source;           // face side: where the message came from (E sends media there unasked only if the SDP agrees)
};

struct SdpResult {
  uint16_t status = 0;           // 0: forward `sdp`; else what the offerer is answered with (a failed answer ends the attempt)
  uint16_t warn_code = 0;        // RFC 3261 20.43: 304, 305, 399 ...
  std::string warning;           // text of the Warning header, without quotes
  std::string sdp;               // on C it may hold keys: wipe it after sending
  uint32_t streams_refused = 0;  // m= lines set to port 0 by us
  bool ok() const { return status == 0; }
};

struct FlowSnapshot {
  FlowRole role = FlowRole::up_rtp;
  FlowHandle flow;
  FlowCounters counters;         // zero when the flow is not live
  bool live = false;
  uint64_t lost = 0;
  double jitter_ms = 0;
  abi::RtcpObservation rtcp;     // of RTCP roles, on C: what the party that sends it told
};

struct StreamSnapshot {
  uint32_t line = 0;
  std::string kind;
  std::string codec;             // first of the last answer, "opus/48000/2"
  uint32_t clock_rate_hz = 8000;
  bool held = false;
  uint32_t multiplex_id = 0;
  std::string link_suite;        // C: "AEAD_AES_256_GCM"; E: "SRTP (opaque)"
  std::string face_suite;        // C: "RTP" or a suite; E: "SRTP (opaque)"
  bool rtcp_mux = false;         // on the face
  abi::Address local_rtp;        // relay address and port on the face; RTCP is the next
  abi::Address face_rtp, face_rtcp;  // where the face's media is sent before its source is known; unset: nowhere
  abi::Address link_local_rtp, link_local_rtcp;  // this node's end of the media link
  abi::Address link_peer_rtp, link_peer_rtcp;    // the other end; unset: it has not been heard
  std::vector<FlowSnapshot> flows;
};

struct SessionSnapshot {
  uint64_t call_tag = 0;
  SessionStart start;
  std::string branch;            // the dialog whose media runs
  uint64_t started_unix_s = 0;
  bool confirmed = false;
  std::vector<StreamSnapshot> streams;
};

class SessionState;
class MediaPlane;
class PlaneState;

class MediaSession {
 public:
  ~MediaSession();
  MediaSession(const MediaSession&) = delete;

  uint64_t call_tag() const;
  const SessionStart& start() const;

  // Whether it is an offer or an answer follows from method, status and the transaction (RFC 3261 13.2.1, RFC 3262 5, RFC 3311).
  // On a refusal nothing has changed.
  SdpResult rewrite(const SdpMessage& message);

  // The final response to any request of the dialog passed, with or without SDP: 2xx settles what the offer changed, anything else
  // rolls it back (RFC 6141). A 2xx to the initial INVITE drops the other branches. A CANCELled INVITE counts as its 487.
  void on_final(Side request_from, uint32_t cseq, std::string_view method, std::string_view branch, uint16_t status);
  // BYE on a branch, or an early dialog that ended. true: no dialog is left and the session may go.
  bool end_branch(std::string_view branch);

  void release();
  bool is_released() const;
  SessionSnapshot snapshot() const;
  // Of any of its flows, CLOCK_MONOTONIC; 0: none yet.
  uint64_t last_packet_ns() const;
  bool is_held() const;

 private:
  friend class MediaPlane;
  friend class PlaneState;
  explicit MediaSession(std::unique_ptr<SessionState> state);
  std::unique_ptr<SessionState> state_;
};

}  // namespace sallyport::media
