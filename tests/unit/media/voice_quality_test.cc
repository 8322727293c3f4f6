// SPDX-License-Identifier: Apache-2.0
// Against what is published: G.107's default rating, its Annex B, and the curve that Cole and Rosenbluth drew from the model ("Voice over
// IP performance monitoring", 2001).
#include "controlplane/media/voice_quality.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace sallyport::media {
namespace {

CodecImpairment with(double equipment, double robustness) {
  CodecImpairment codec;
  codec.equipment = equipment;
  codec.robustness = robustness;
  return codec;
}

TEST(VoiceQuality, DefaultValuesGiveTheRatingOfG107) {
  const double rating = transmission_rating({}, with(0, 4.3));
  EXPECT_NEAR(rating, 93.2, 0.05);
  EXPECT_NEAR(mos_of_rating(rating), 4.41, 0.005);
}

TEST(VoiceQuality, RatingsBecomeTheMosOfAnnexB) {
  const struct {
    double rating, mos;
  } rows[] = {{90, 4.34}, {80, 4.03}, {70, 3.60}, {60, 3.10}, {50, 2.58}};  // G.107 table B.1, lower limits
  for (const auto& row : rows) EXPECT_NEAR(mos_of_rating(row.rating), row.mos, 0.01) << row.rating;
  EXPECT_EQ(mos_of_rating(-5), 1);
  EXPECT_EQ(mos_of_rating(120), 4.5);
  for (double rating = 0; rating <= 100; rating += 0.5) EXPECT_GE(mos_of_rating(rating), 1);
}

TEST(VoiceQuality, DelayCostsWhatThePublishedCurveSays) {
  for (const double delay_ms : {20.0, 50.0, 100.0, 150.0, 177.3, 200.0, 250.0, 300.0}) {
    const double published = 93.2 - 0.024 * delay_ms - 0.11 * std::max(delay_ms - 177.3, 0.0);
    EXPECT_NEAR(transmission_rating({delay_ms, 0}, with(0, 4.3)), published, 1.0) << delay_ms;
  }
}

// G.107 7.5: Ie,eff = Ie + (95 - Ie) Ppl / (Ppl + Bpl), with the Ie and Bpl of G.113.
TEST(VoiceQuality, LossCostsWhatTheCodecOfG113LetsItCost) {
  const double untouched = transmission_rating({}, codec_impairment("PCMU/8000"));
  EXPECT_NEAR(untouched - transmission_rating({0, 5}, codec_impairment("PCMU/8000")), 95 * 5 / 30.1, 1e-9);
  EXPECT_NEAR(untouched - transmission_rating({}, codec_impairment("G729/8000")), 11, 1e-9);
  EXPECT_NEAR(untouched - transmission_rating({0, 2}, codec_impairment("G729/8000")), 11 + 84 * 2 / 21.0, 1e-9);
  EXPECT_EQ(transmission_rating({2000, 100}, codec_impairment("nothing/8000")), 0);
}

TEST(VoiceQuality, CodecIsFoundByItsNameInTheSdpAndAnUnknownOneIsAssumed) {
  EXPECT_EQ(codec_impairment("PCMA/8000").equipment, 0);
  EXPECT_EQ(codec_impairment("g729/8000").equipment, 11);
  EXPECT_FALSE(codec_impairment("PCMU/8000").is_assumed);
  for (const char* codec : {"opus/48000/2", "G722/8000", "speex/16000", "payload type 97", ""}) {
    EXPECT_TRUE(codec_impairment(codec).is_assumed) << codec;
    EXPECT_TRUE(codec_impairment(codec).source.starts_with("assumed")) << codec;
  }
  EXPECT_EQ(codec_impairment("opus/48000/2").robustness, 20);
  EXPECT_EQ(codec_impairment("speex/16000").robustness, 4.3) << "the default of G.107";
}

TEST(VoiceQuality, HalfARoundTripAndTheJitterBufferAreTheWayThere) {
  const VoicePath path = voice_path({.loss_percent = 1, .jitter_ms = 10, .round_trip_ms = 80}, codec_impairment("PCMU/8000"));
  EXPECT_EQ(path.one_way_ms, 40 + 20 + 20);
  EXPECT_EQ(path.loss_percent, 1);
  EXPECT_EQ(voice_path({.jitter_ms = 10}, codec_impairment("PCMU/8000")).one_way_ms, 20 + 20);
  EXPECT_GT(estimated_mos({.round_trip_ms = 20}, "PCMU/8000"), estimated_mos({.round_trip_ms = 600}, "PCMU/8000") + 0.5);
}

}  // namespace
}  // namespace sallyport::media
