// SPDX-License-Identifier: Apache-2.0
#pragma once
// Estimated voice quality of one direction of a leg: the E-model of ITU-T G.107 with its default parameters, delay and loss put in, and
// the codec's impairment and loss robustness of ITU-T G.113. An estimate of what the network does to speech, not of what was said or
// heard: echo, level and noise are the defaults. Pure functions; any thread.

#include <optional>
#include <string>
#include <string_view>

namespace sallyport::media {

// What a codec adds. Values that G.113 does not give on the narrowband scale are assumed, and say so.
struct CodecImpairment {
  std::string_view name;         // as in a=rtpmap, without rate: "PCMU"
  double equipment = 0;          // Ie
  double robustness = 4.3;       // Bpl, for random loss
  double own_delay_ms = 20;      // a frame of 20 ms and the look-ahead
  bool is_assumed = false;
  std::string_view source;       // "G.113", or why the value was chosen
};

// codec: "opus/48000/2" as the answer's first payload type has it. An unknown one gets the last row, which is assumed.
const CodecImpairment& codec_impairment(std::string_view codec);

struct VoicePath {
  double one_way_ms = 0;         // from mouth to ear: network, jitter buffer, codec
  double loss_percent = 0;
};

// G.107 7: transmission rating, about 93.2 for an untouched path; not below 0.
double transmission_rating(const VoicePath& path, const CodecImpairment& codec);
// G.107 Annex B: 1 to 4.5.
double mos_of_rating(double rating);

// What is known of one direction; without a round trip the network's delay counts as none.
struct VoiceMeasurement {
  double loss_percent = 0;
  double jitter_ms = 0;
  std::optional<double> round_trip_ms;
};
// One way is half a round trip; the receiver's jitter buffer is taken to hold twice the jitter.
VoicePath voice_path(const VoiceMeasurement& measured, const CodecImpairment& codec);
double estimated_mos(const VoiceMeasurement& measured, std::string_view codec);

}  // namespace sallyport::media
