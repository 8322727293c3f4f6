// SPDX-License-Identifier: Apache-2.0
#pragma once
// QualityCensus: how many streams do how well, by leg and direction, of the calls that run: numbers with finite labels for /metrics. Plain
// value; counting a call costs a look at each of its flows, so the caller bounds how many.

#include <cstdint>
#include <string_view>

#include "controlplane/media/stream_quality.h"

namespace sallyport::node {

inline constexpr std::string_view census_legs[] = {"outside", "inside"};
inline constexpr std::string_view census_directions[] = {"from_phone", "to_phone"};
inline constexpr std::string_view census_qualities[] = {"good", "fair", "poor", "unknown"};
inline constexpr std::string_view census_limits[] = {"loss", "jitter", "round_trip", "mos"};

struct QualityCensus {
  // By the order of the names above.
  std::uint64_t audio[2][2][4] = {};
  std::uint64_t beyond_limit[2][2][4] = {};

  void count(const media::SessionSnapshot& call, bool is_e);

 private:
  void count(const media::DirectionQuality& quality, bool is_audio, std::size_t leg, std::size_t direction);
};

}  // namespace sallyport::node
