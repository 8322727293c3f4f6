// SPDX-License-Identifier: Apache-2.0
#pragma once
// SrtpStreamState: ROC, replay windows and SRTCP indices of one direction of one stream, for up to eight SSRCs at a time.
// Plain and fixed-width: it lives in the shared region so that a restarted dataplane goes on where the old one stopped.
// All zero is a valid empty state; zero it again with every new master key. Holds no secrets. One lcore writes it.
// Any content is safe to read: slots and counts are masked, so a damaged region costs its own streams only.

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "dataplane/replay_window.h"

namespace sallyport::dataplane {

inline constexpr uint32_t kLiveSsrcs = 8;
inline constexpr uint32_t kRetiredSsrcs = 24;

struct SrtpSsrcState {
  uint32_t roc;           // rollover counter belonging to highest_seq
  uint16_t highest_seq;   // s_l of RFC 3711
  uint8_t has_rtp;        // roc, highest_seq and rtp_window are valid
  uint8_t has_rtcp;       // srtcp_index and rtcp_window are valid
  uint32_t srtcp_index;   // highest received, or last sent
  uint32_t reserved;
  ReplayWindow<4> rtp_window;   // 256 packets
  ReplayWindow<2> rtcp_window;  // 128 packets
};
static_assert(sizeof(SrtpSsrcState) == 64 && std::is_trivially_copyable_v<SrtpSsrcState>);

// What is remembered of an SSRC that lost its place: enough that neither a replay nor a second use of keystream is possible.
struct SrtpRetiredSsrc {
  uint32_t ssrc;
  uint32_t roc;
  uint16_t highest_seq;
  uint8_t has_rtp;
  uint8_t has_rtcp;
  uint32_t srtcp_index;
};
static_assert(sizeof(SrtpRetiredSsrc) == 16);

struct alignas(64) SrtpStreamState {
  uint32_t ssrcs[kLiveSsrcs];
  uint32_t recency;        // eight nibbles, the slot used last in the lowest
  uint8_t live_mask;       // which slots are taken
  uint8_t retired_count;   // entries of `retired` in use
  uint8_t retired_next;    // where the next one goes once all are in use
  uint8_t reserved;
  uint64_t srtp_packets;   // opened or sealed under this master key
  uint64_t srtcp_packets;
  uint64_t reserved_words;
  SrtpSsrcState live[kLiveSsrcs];
  SrtpRetiredSsrc retired[kRetiredSsrcs];
};
static_assert(sizeof(SrtpStreamState) == 64 + kLiveSsrcs * 64 + kRetiredSsrcs * 16);
static_assert(std::is_trivially_copyable_v<SrtpStreamState> && std::is_standard_layout_v<SrtpStreamState>);

}  // namespace sallyport::dataplane
