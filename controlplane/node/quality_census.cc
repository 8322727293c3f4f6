// SPDX-License-Identifier: Apache-2.0
#include "controlplane/node/quality_census.h"

namespace sallyport::node {
namespace {

constexpr double good_mos = 4.03;  // G.107 Annex B: below it some users are dissatisfied
constexpr media::QualityLimits limits;

std::size_t class_of(const media::DirectionQuality& quality) {
  if (!quality.mos) return 3;
  return *quality.mos >= good_mos ? 0 : *quality.mos >= limits.mos ? 1 : 2;
}

}  // namespace

void QualityCensus::count(const media::DirectionQuality& quality, bool is_audio, std::size_t leg, std::size_t direction) {
  if (is_audio) ++audio[leg][direction][class_of(quality)];
  auto& beyond = beyond_limit[leg][direction];
  beyond[0] += quality.loss_percent > limits.loss_percent;
  beyond[1] += quality.jitter_ms > limits.jitter_ms;
  beyond[2] += quality.round_trip_ms.value_or(0) > limits.round_trip_ms;
  beyond[3] += quality.mos.value_or(limits.mos) < limits.mos;
}

void QualityCensus::count(const media::SessionSnapshot& call, bool is_e) {
  const std::size_t face = is_e ? 0 : 1, link = 1 - face;
  for (const media::StreamSnapshot& stream : call.streams) {
    const media::StreamQuality quality = media::quality_of(stream);
    const bool is_audio = stream.kind == "audio";
    count(quality.face.from, is_audio, face, 0);
    count(quality.face.to, is_audio, face, 1);
    count(quality.link.from, is_audio, link, 0);
    count(quality.link.to, is_audio, link, 1);
  }
}

}  // namespace sallyport::node
