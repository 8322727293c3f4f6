// SPDX-License-Identifier: Apache-2.0
#pragma once
// CallRecord: what a restarted control plane needs to take a call over: names, allotted ports and IDs, flows. It never holds a key: C reads
// its keys back from the region, E has none. One line of JSON in the journal.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "controlplane/media/flow_allocator.h"
#include "dataplane/abi/address.h"

namespace sallyport::media {

// Flows of a stream, in this order everywhere. "up" is from the face (client, phone) to the traversal leg.
enum class FlowRole : uint8_t { up_rtp, up_rtcp, down_rtp, down_rtcp, count };
inline constexpr size_t flows_per_stream = static_cast<size_t>(FlowRole::count);

struct StreamRecord {
  uint32_t line = 0;             // number of the m= line
  uint32_t serial = 0;           // tells streams apart that followed each other on one line
  std::string kind;              // "audio"
  std::string codec;
  std::string face_protocol;     // "RTP/SAVP", as the face was told
  std::string link_protocol;
  uint16_t relay_port = 0;       // RTP; RTCP is the next
  uint32_t multiplex_id = 0;
  uint32_t clock_rate_hz = 8000;
  bool rtcp_mux = false;         // on the face
  uint32_t link_crypto_tag = 0;  // C
  uint32_t face_crypto_tag = 0;  // C with SRTP inside
  abi::Address face_rtp, face_rtcp;  // as the face's SDP said
  bool face_matches_signalling = false;  // E
  bool held_by_face = false, held_by_link = false;
  FlowHandle flows[flows_per_stream];
};

struct CallRecord {
  uint64_t call_tag = 0;
  std::string call_id, from_tag, branch;
  std::string peer;              // whose media link
  uint16_t link = 0xffff;
  std::string face;              // slot name
  std::string correlation;
  bool began_at_face = true;     // where the initial INVITE came from
  std::string from, to;          // addresses of record
  uint64_t started_unix_s = 0;
  std::vector<StreamRecord> streams;
  uint32_t lines = 0;            // m= lines of the last description
};

std::string format_record(const CallRecord& record);
std::optional<CallRecord> parse_record(std::string_view json);

}  // namespace sallyport::media
