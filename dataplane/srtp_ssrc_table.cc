// SPDX-License-Identifier: Apache-2.0
#include "dataplane/srtp_ssrc_table.h"

#include <algorithm>

namespace sallyport::dataplane {
namespace {

constexpr uint32_t kNone = ~uint32_t{0};
constexpr uint32_t kFreshRecency = 0x76543210;
constexpr uint32_t kHalfSequence = 0x8000;

// The state lies in the shared region, where the other side may write at any time: what was checked must be what is used, and a compiler is
// free to load a plain field twice.
template <class Value>
Value read_once(const Value& value) {
  return *const_cast<const volatile Value*>(&value);
}

uint32_t find_live(const SrtpStreamState& state, uint32_t ssrc) {
  const uint32_t recent = state.recency & 7;
  if (state.ssrcs[recent] == ssrc && (state.live_mask >> recent & 1)) return recent;
  for (uint32_t slot = 0; slot < kLiveSsrcs; ++slot)
    if (state.ssrcs[slot] == ssrc && (state.live_mask >> slot & 1)) return slot;
  return kNone;
}

uint32_t count_retired(const SrtpStreamState& state) { return std::min<uint32_t>(read_once(state.retired_count), kRetiredSsrcs); }

uint32_t find_retired(const SrtpStreamState& state, uint32_t ssrc) {
  for (uint32_t at = 0; at < count_retired(state); ++at)
    if (state.retired[at].ssrc == ssrc) return at;
  return kNone;
}

// Moves the slot to the lowest nibble. A word that is no permutation (the zero of a fresh state) starts afresh.
void touch(SrtpStreamState& state, uint32_t slot) {
  if ((state.recency & 0xf) == slot && state.recency != 0) return;
  for (int attempt = 0; attempt < 2; ++attempt) {
    uint32_t below = 0;
    for (uint32_t shift = 0; shift < 32; shift += 4) {
      if ((state.recency >> shift & 0xf) == slot && state.recency != 0) {
        const uint32_t above = shift == 28 ? 0 : state.recency >> (shift + 4) << (shift + 4);
        state.recency = above | below << 4 | slot;
        return;
      }
      below |= state.recency & (0xfu << shift);
    }
    state.recency = kFreshRecency;
  }
}

SrtpRetiredSsrc retire(const SrtpStreamState& state, uint32_t slot) {
  const SrtpSsrcState& entry = state.live[slot];
  return {state.ssrcs[slot], entry.roc, entry.highest_seq, entry.has_rtp, entry.has_rtcp, entry.srtcp_index};
}

void restore(SrtpSsrcState& entry, const SrtpRetiredSsrc& retired) {
  entry = {};
  entry.roc = retired.roc;
  entry.highest_seq = retired.highest_seq;
  entry.has_rtp = retired.has_rtp;
  entry.has_rtcp = retired.has_rtcp;
  entry.srtcp_index = retired.srtcp_index;
  entry.rtp_window.mark_all();
  entry.rtcp_window.mark_all();
}

// Where the entry that gives way is remembered: in the place of the one that returns, else behind, else over the oldest.
SrtpRetiredSsrc& retired_place(SrtpStreamState& state, uint32_t returning) {
  if (returning != kNone) return state.retired[returning];
  const uint32_t count = count_retired(state);
  if (count < kRetiredSsrcs) {
    state.retired_count = static_cast<uint8_t>(count + 1);
    return state.retired[count];
  }
  const uint32_t place = read_once(state.retired_next) % kRetiredSsrcs;
  state.retired_next = static_cast<uint8_t>((place + 1) % kRetiredSsrcs);
  return state.retired[place];
}

}  // namespace

SsrcView peek_ssrc(const SrtpStreamState& state, uint32_t ssrc) {
  if (const uint32_t slot = find_live(state, ssrc); slot != kNone) {
    const SrtpSsrcState& entry = state.live[slot];
    return {&entry, true, entry.has_rtp != 0, entry.has_rtcp != 0, entry.highest_seq, entry.roc, entry.srtcp_index};
  }
  if (const uint32_t at = find_retired(state, ssrc); at != kNone) {
    const SrtpRetiredSsrc& entry = state.retired[at];
    return {nullptr, true, entry.has_rtp != 0, entry.has_rtcp != 0, entry.highest_seq, entry.roc, entry.srtcp_index};
  }
  return {};
}

bool estimate_rtp_index(const SsrcView& view, uint16_t sequence, uint64_t& index) {
  uint64_t roc = view.roc;
  if (!view.has_rtp) {
    roc = 0;
  } else if (view.highest_seq < kHalfSequence) {
    if (sequence > view.highest_seq + kHalfSequence && roc > 0) --roc;
  } else if (sequence < view.highest_seq - kHalfSequence) {
    ++roc;
  }
  if (roc > UINT32_MAX) return false;
  index = roc << 16 | sequence;
  return true;
}

SrtpVerdict judge_rtp_index(const SsrcView& view, uint64_t index) {
  if (!view.has_rtp || index > view.highest_rtp_index()) return SrtpVerdict::ok;
  const uint64_t age = view.highest_rtp_index() - index;
  if (age >= ReplayWindow<4>::kBits) return SrtpVerdict::too_old;
  return !view.live || view.live->rtp_window.is_seen(age) ? SrtpVerdict::replay : SrtpVerdict::ok;
}

SrtpVerdict judge_rtcp_index(const SsrcView& view, uint32_t index) {
  if (!view.has_rtcp || index > view.srtcp_index) return SrtpVerdict::ok;
  const uint64_t age = view.srtcp_index - index;
  if (age >= ReplayWindow<2>::kBits) return SrtpVerdict::too_old;
  return !view.live || view.live->rtcp_window.is_seen(age) ? SrtpVerdict::replay : SrtpVerdict::ok;
}

bool has_place_for(const SrtpStreamState& state, const SsrcView& view) {
  return view.is_known || state.live_mask != 0xff || count_retired(state) < kRetiredSsrcs;
}

SrtpSsrcState& enter_ssrc(SrtpStreamState& state, uint32_t ssrc) {
  uint32_t slot = find_live(state, ssrc);
  if (slot == kNone) {
    const uint32_t returning = find_retired(state, ssrc);
    const SrtpRetiredSsrc kept = returning == kNone ? SrtpRetiredSsrc{} : state.retired[returning];
    if (state.live_mask == 0xff) {
      slot = state.recency >> 28 & 7;
      retired_place(state, returning) = retire(state, slot);
    } else {
      slot = static_cast<uint32_t>(__builtin_ctz(~static_cast<uint32_t>(state.live_mask)));
    }
    restore(state.live[slot], kept);
    state.ssrcs[slot] = ssrc;
    state.live_mask = static_cast<uint8_t>(state.live_mask | 1u << slot);
  }
  touch(state, slot);
  return state.live[slot];
}

bool record_rtp(SrtpStreamState& state, uint32_t ssrc, uint64_t index) {
  SrtpSsrcState& entry = enter_ssrc(state, ssrc);
  const uint64_t highest = uint64_t{read_once(entry.roc)} << 16 | read_once(entry.highest_seq);
  const bool is_newest = !entry.has_rtp || index > highest;
  if (!is_newest) {
    if (highest - index < ReplayWindow<4>::kBits) entry.rtp_window.mark(highest - index);
  } else {
    if (entry.has_rtp)
      entry.rtp_window.advance(index - highest);
    else
      entry.rtp_window = {{1, 0, 0, 0}};
    entry.roc = static_cast<uint32_t>(index >> 16);
    entry.highest_seq = static_cast<uint16_t>(index);
    entry.has_rtp = 1;
  }
  ++state.srtp_packets;
  return is_newest;
}

SrtpVerdict settle_rtp_index(SrtpStreamState& state, uint32_t ssrc, uint64_t index, bool& is_newest) {
  const uint32_t recent = state.recency & 7;
  SrtpSsrcState& entry = state.live[recent];
  const bool is_recent = state.recency != 0 && state.ssrcs[recent] == ssrc && (state.live_mask >> recent & 1) && entry.has_rtp;
  if (!is_recent) [[unlikely]] {
    const SrtpVerdict verdict = judge_rtp_index(peek_ssrc(state, ssrc), index);
    is_newest = verdict == SrtpVerdict::ok && record_rtp(state, ssrc, index);
    return verdict;
  }
  const uint64_t highest = uint64_t{read_once(entry.roc)} << 16 | read_once(entry.highest_seq);
  is_newest = index > highest;
  if (is_newest) [[likely]] {
    entry.rtp_window.advance(index - highest);
    entry.roc = static_cast<uint32_t>(index >> 16);
    entry.highest_seq = static_cast<uint16_t>(index);
  } else {
    const uint64_t age = highest - index;
    if (entry.rtp_window.is_too_old(age)) return SrtpVerdict::too_old;
    if (entry.rtp_window.is_seen(age)) return SrtpVerdict::replay;
    entry.rtp_window.mark(age);
  }
  ++state.srtp_packets;
  return SrtpVerdict::ok;
}

bool record_rtcp(SrtpStreamState& state, uint32_t ssrc, uint32_t index) {
  SrtpSsrcState& entry = enter_ssrc(state, ssrc);
  const uint32_t highest = read_once(entry.srtcp_index);
  const bool is_newest = !entry.has_rtcp || index > highest;
  if (!is_newest) {
    if (highest - index < ReplayWindow<2>::kBits) entry.rtcp_window.mark(highest - index);
  } else {
    if (entry.has_rtcp)
      entry.rtcp_window.advance(index - highest);
    else
      entry.rtcp_window = {{1, 0}};
    entry.srtcp_index = index;
    entry.has_rtcp = 1;
  }
  ++state.srtcp_packets;
  return is_newest;
}

}  // namespace sallyport::dataplane
