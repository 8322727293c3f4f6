// SPDX-License-Identifier: Apache-2.0
#pragma once
// The SSRC table and index arithmetic over SrtpStreamState: who is known, which index a packet has, whether it was seen.
// peek and judge read only, so they serve before authentication; enter and record change state, so they come after it.
// One lcore; bounded work; safe on any content of the state.

#include <cstdint>

#include "dataplane/srtp_stream_state.h"
#include "dataplane/srtp_verdict.h"

namespace sallyport::dataplane {

// RFC 3711 9.2: packets one master key may protect.
inline constexpr uint64_t kMaxSrtpPackets = uint64_t{1} << 48;
inline constexpr uint64_t kMaxSrtcpPackets = uint64_t{1} << 31;

// What is known of an SSRC, wherever it is kept. A retired one has no window: all at or below its highest counts as seen.
struct SsrcView {
  const SrtpSsrcState* live = nullptr;  // null when retired or unknown
  bool is_known = false;
  bool has_rtp = false;
  bool has_rtcp = false;
  uint16_t highest_seq = 0;
  uint32_t roc = 0;
  uint32_t srtcp_index = 0;

  uint64_t highest_rtp_index() const { return uint64_t{roc} << 16 | highest_seq; }
};

SsrcView peek_ssrc(const SrtpStreamState& state, uint32_t ssrc);

// RFC 3711 3.3.1 and appendix A: the 48-bit index nearest to the highest one. False when it would pass 2^48.
// At ROC 0 nothing lies below, so a number far ahead is taken as far ahead.
bool estimate_rtp_index(const SsrcView& view, uint16_t sequence, uint64_t& index);

// ok, replay or too_old.
SrtpVerdict judge_rtp_index(const SsrcView& view, uint64_t index);
SrtpVerdict judge_rtcp_index(const SsrcView& view, uint32_t index);

// Whether a table that must forget nothing (seal) can take this SSRC.
bool has_place_for(const SrtpStreamState& state, const SsrcView& view);

// The live entry of an SSRC, entered at the cost of the one least recently used when all slots are taken.
SrtpSsrcState& enter_ssrc(SrtpStreamState& state, uint32_t ssrc);

// True when the index is the highest of its SSRC now.
bool record_rtp(SrtpStreamState& state, uint32_t ssrc, uint64_t index);
bool record_rtcp(SrtpStreamState& state, uint32_t ssrc, uint32_t index);

// Judges and, when it is `ok`, records. In one look at the table when the SSRC is the one used last, as nearly always.
SrtpVerdict settle_rtp_index(SrtpStreamState& state, uint32_t ssrc, uint64_t index, bool& is_newest);

}  // namespace sallyport::dataplane
