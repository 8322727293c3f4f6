// SPDX-License-Identifier: Apache-2.0
#pragma once
// Stream: what has been agreed, or is proposed, for one m= line: allotted resources, what each side said, and on C the keys. A value: a
// proposal is a copy, and rolling back is taking the older copy again. Resources and keys are shared between copies.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "controlplane/media/media_pool.h"
#include "controlplane/media/stream_keys.h"
#include "dataplane/abi/address.h"

namespace sallyport::media {

struct Stream {
  std::string kind;            // "audio"
  std::string codec;           // first of the last answer, "opus/48000/2"
  SharedLease lease;           // C, call towards the client: none before E has named its ID in the answer
  std::string face_protocol, link_protocol;  // "RTP/AVP", "RTP/SAVP"
  uint32_t clock_rate_hz = 8000;
  bool face_offered_mux = false;  // the face's own SDP offered rtcp-mux: its answer gets it
  bool rtcp_mux = false;          // agreed with the face (RFC 5761)
  abi::Address face_rtp, face_rtcp;  // unset as long as the face held by 0.0.0.0 from the start
  bool face_matches_signalling = false;  // E: the address is where the client's signalling comes from
  bool held_by_face = false, held_by_link = false;
  SrtpLeg link_leg, face_leg;  // C; face_leg only with SRTP inside
  std::vector<TaggedKey> link_offered, face_offered;  // C: what the answer may choose from; shortened by it
};

// By m= line; nullopt: port 0, refused, or not for us.
using Streams = std::vector<std::optional<Stream>>;

}  // namespace sallyport::media
