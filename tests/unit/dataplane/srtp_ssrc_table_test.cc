// SPDX-License-Identifier: Apache-2.0
#include "dataplane/srtp_ssrc_table.h"

#include <gtest/gtest.h>

#include <cstring>
#include <random>
#include <set>

namespace sallyport::dataplane {
namespace {

SsrcView at_index(uint32_t roc, uint16_t highest_seq) {
  SsrcView view;
  view.is_known = view.has_rtp = true;
  view.roc = roc;
  view.highest_seq = highest_seq;
  return view;
}

TEST(SrtpSsrcTable, TheIndexIsTheOneNearestToTheHighest) {
  const struct {
    const char* sentence;
    uint32_t roc;
    uint16_t highest, sequence;
    uint32_t expected_roc;
  } rows[] = {
      {"next in line", 5, 100, 101, 5},
      {"a little late", 5, 100, 90, 5},
      {"half the space ahead", 5, 100, 32868, 5},
      {"more than half ahead is late, from before the wrap", 5, 100, 32869, 4},
      {"just wrapped", 5, 65535, 0, 6},
      {"late across the wrap", 6, 0, 65535, 5},
      {"half the space behind", 5, 40000, 7232, 5},
      {"more than half behind is ahead, after the wrap", 5, 40000, 7231, 6},
      {"nothing lies before the first rollover", 0, 100, 65000, 0},
  };
  for (const auto& row : rows) {
    uint64_t index = 0;
    EXPECT_TRUE(estimate_rtp_index(at_index(row.roc, row.highest), row.sequence, index));
    EXPECT_EQ(index, uint64_t{row.expected_roc} << 16 | row.sequence) << row.sentence;
  }
}

TEST(SrtpSsrcTable, AnUnknownSsrcBeginsWithRolloverZero) {
  uint64_t index = 0;
  EXPECT_TRUE(estimate_rtp_index(SsrcView{}, 60000, index));
  EXPECT_EQ(index, 60000u);
}

TEST(SrtpSsrcTable, TheIndexNeverPasses48Bits) {
  uint64_t index = 0;
  EXPECT_TRUE(estimate_rtp_index(at_index(UINT32_MAX, 65534), 65535, index));
  EXPECT_EQ(index, (uint64_t{1} << 48) - 1);
  EXPECT_FALSE(estimate_rtp_index(at_index(UINT32_MAX, 65535), 0, index));
}

TEST(SrtpSsrcTable, TheLeastRecentlyUsedGivesWay) {
  SrtpStreamState state{};
  for (uint32_t ssrc = 10; ssrc < 10 + kLiveSsrcs; ++ssrc) record_rtp(state, ssrc, 1);
  record_rtp(state, 10, 2);  // 11 is now the one used longest ago
  record_rtp(state, 99, 1);
  EXPECT_NE(peek_ssrc(state, 10).live, nullptr);
  EXPECT_NE(peek_ssrc(state, 99).live, nullptr);
  EXPECT_EQ(peek_ssrc(state, 11).live, nullptr);
  EXPECT_TRUE(peek_ssrc(state, 11).is_known);
}

TEST(SrtpSsrcTable, ARetiredSsrcKeepsBothIndices) {
  SrtpStreamState state{};
  record_rtp(state, 1, uint64_t{3} << 16 | 500);
  record_rtcp(state, 1, 77);
  for (uint32_t ssrc = 10; ssrc < 10 + kLiveSsrcs; ++ssrc) record_rtp(state, ssrc, 1);
  const SsrcView view = peek_ssrc(state, 1);
  EXPECT_EQ(view.live, nullptr);
  EXPECT_EQ(view.highest_rtp_index(), uint64_t{3} << 16 | 500);
  EXPECT_EQ(view.srtcp_index, 77u);
  EXPECT_EQ(judge_rtp_index(view, view.highest_rtp_index() - 1), SrtpVerdict::replay);
  EXPECT_EQ(judge_rtcp_index(view, 77), SrtpVerdict::replay);
  EXPECT_EQ(judge_rtcp_index(view, 78), SrtpVerdict::ok);

  record_rtcp(state, 1, 78);
  ASSERT_NE(peek_ssrc(state, 1).live, nullptr);
  EXPECT_EQ(judge_rtp_index(peek_ssrc(state, 1), view.highest_rtp_index() - 1), SrtpVerdict::replay);
}

TEST(SrtpSsrcTable, ManySsrcsKeepTheTableWhole) {
  SrtpStreamState state{};
  std::mt19937 random(3);
  for (int step = 0; step < 20000; ++step) {
    const uint32_t ssrc = random() % 40;
    record_rtcp(state, ssrc, static_cast<uint32_t>(step));
    ASSERT_NE(peek_ssrc(state, ssrc).live, nullptr);
    ASSERT_EQ(peek_ssrc(state, ssrc).srtcp_index, static_cast<uint32_t>(step));
    std::set<uint32_t> nibbles, ssrcs;
    for (int shift = 0; shift < 32; shift += 4) nibbles.insert(state.recency >> shift & 0xf);
    ASSERT_EQ(nibbles.size(), 8u) << std::hex << state.recency;
    ASSERT_LE(state.retired_count, kRetiredSsrcs);
    if (state.live_mask != 0xff) continue;
    for (const uint32_t live : state.ssrcs) ssrcs.insert(live);
    for (uint32_t at = 0; at < state.retired_count; ++at) ssrcs.insert(state.retired[at].ssrc);
    ASSERT_EQ(ssrcs.size(), kLiveSsrcs + state.retired_count) << "an SSRC stands in two places at step " << step;
  }
}

TEST(SrtpSsrcTable, ADamagedStateIsReadWithinItsBounds) {
  std::mt19937_64 random(11);
  for (int round = 0; round < 2000; ++round) {
    SrtpStreamState state;
    auto* bytes = reinterpret_cast<uint8_t*>(&state);
    for (size_t at = 0; at < sizeof state; ++at) bytes[at] = static_cast<uint8_t>(random());
    if (round % 2) state.live_mask = 0xff;
    for (int step = 0; step < 20; ++step) {
      const uint32_t ssrc = step % 3 ? static_cast<uint32_t>(random()) : state.ssrcs[random() % kLiveSsrcs];
      const SsrcView view = peek_ssrc(state, ssrc);
      uint64_t index = 0;
      if (estimate_rtp_index(view, static_cast<uint16_t>(random()), index) && judge_rtp_index(view, index) == SrtpVerdict::ok)
        record_rtp(state, ssrc, index);
      record_rtcp(state, ssrc, static_cast<uint32_t>(random() >> 33));
      ASSERT_NE(peek_ssrc(state, ssrc).live, nullptr);
    }
  }
}

}  // namespace
}  // namespace sallyport::dataplane
