// SPDX-License-Identifier: Apache-2.0
#pragma once
// How well a stream does on each leg and in each direction, from what one node knows of it. The node cuts the call in two: the face's
// leg and the one behind the media link. What arrives is measured here; what leaves is known by the RTCP that comes back, less what had
// been lost before it came here. Where RTCP passes sealed (E) nothing is known of what leaves, nor of round trips. Pure; any thread.

#include <cstdint>
#include <optional>
#include <string>

#include "controlplane/media/media_session.h"

namespace sallyport::media {

enum class QualitySource : uint8_t { unknown, measured, reported };
const char* name_of(QualitySource source);  // "", "measured", "reported"

struct DirectionQuality {
  QualitySource source = QualitySource::unknown;
  uint64_t lost = 0;                    // measured: packets missing since the stream began
  double loss_percent = 0;
  double jitter_ms = 0;
  std::optional<double> round_trip_ms;  // of the leg, both ways
  std::optional<double> mos;            // of audio whose loss is known
};

// from: towards this node; to: away from it.
struct LegQuality {
  DirectionQuality from, to;
};

struct StreamQuality {
  LegQuality face, link;
};

StreamQuality quality_of(const StreamSnapshot& stream);

// Above these a direction is bad. MOS 3.6: below it G.107 Annex B has many users dissatisfied; 150 ms one way is G.114's limit.
struct QualityLimits {
  double loss_percent = 1;
  double jitter_ms = 30;
  double round_trip_ms = 300;
  double mos = 3.6;
};

struct CallQuality {
  std::optional<double> mos;  // lowest of its directions
  std::string worst;          // "outside leg, from the phone: 4.1 % lost"; empty: none is bad
};

// is_e: the face looks outside.
CallQuality quality_of(const SessionSnapshot& session, bool is_e, const QualityLimits& limits = {});

}  // namespace sallyport::media
