// SPDX-License-Identifier: Apache-2.0
#include "controlplane/media/stream_quality.h"

#include <algorithm>
#include <cstdio>

#include "controlplane/media/voice_quality.h"

namespace sallyport::media {
namespace {

constexpr uint64_t fewest_packets = 25;  // half a second of speech: fewer say nothing

const FlowSnapshot& flow_of(const StreamSnapshot& stream, FlowRole role) {
  static const FlowSnapshot none;
  const auto found = std::find_if(stream.flows.begin(), stream.flows.end(), [role](const FlowSnapshot& flow) { return flow.role == role; });
  return found == stream.flows.end() ? none : *found;
}

std::optional<double> round_trip_ms(const FlowSnapshot& rtcp) {
  if (rtcp.rtcp.round_trips == 0) return std::nullopt;
  return static_cast<double>(rtcp.rtcp.round_trip_ns) / 1e6;
}

// What came in, and how far the party is that sent it.
DirectionQuality arriving(const FlowSnapshot& rtp, const FlowSnapshot& rtcp) {
  DirectionQuality quality;
  quality.round_trip_ms = round_trip_ms(rtcp);
  // A paused flow takes packets and sends none on.
  const uint64_t received = std::max<uint64_t>(rtp.counters.packets, rtp.counters.reception.received);
  if (received < fewest_packets) return quality;
  quality.source = QualitySource::measured;
  quality.lost = rtp.lost;
  quality.loss_percent = 100.0 * static_cast<double>(rtp.lost) / static_cast<double>(rtp.lost + received);
  quality.jitter_ms = rtp.jitter_ms;
  return quality;
}

// RFC 3550 A.3, between the first and the newest report; of a single one its fraction is all there is.
double reported_loss_percent(const abi::RtcpObservation& rtcp) {
  const uint32_t expected = rtcp.reported_highest_seq - rtcp.first_highest_seq;
  if (expected == 0 || expected > INT32_MAX) return 100.0 * rtcp.fraction_lost / 256;
  const double lost = static_cast<double>(rtcp.reported_lost) - rtcp.first_lost;
  return std::clamp(100.0 * lost / expected, 0.0, 100.0);
}

// What the party at the end of the leg says of what it gets. before: how the same stream came here.
DirectionQuality leaving(const FlowSnapshot& rtcp_back, const DirectionQuality& before, uint32_t clock_rate_hz) {
  DirectionQuality quality;
  quality.round_trip_ms = round_trip_ms(rtcp_back);
  const abi::RtcpObservation& rtcp = rtcp_back.rtcp;
  if (rtcp.reported_ns == 0) return quality;
  quality.source = QualitySource::reported;
  quality.jitter_ms = clock_rate_hz == 0 ? 0 : 1000.0 * rtcp.reported_jitter / clock_rate_hz;
  const double reported = reported_loss_percent(rtcp) / 100, earlier = before.loss_percent / 100;
  quality.loss_percent = earlier >= 1 ? 0 : std::clamp(100 * (reported - earlier) / (1 - earlier), 0.0, 100.0);
  return quality;
}

void estimate(DirectionQuality& quality, const StreamSnapshot& stream) {
  if (stream.kind != "audio" || quality.source == QualitySource::unknown) return;
  quality.mos = estimated_mos({quality.loss_percent, quality.jitter_ms, quality.round_trip_ms}, stream.codec);
}

std::string number(double value, const char* format) {
  char text[48];
  std::snprintf(text, sizeof text, format, value);
  return text;
}

// How far beyond its limit a direction is, 1 at the limit; and by what.
struct Badness {
  double degree = 0;
  std::string reason;

  void consider(double other, std::string why) {
    if (other > degree) *this = {other, std::move(why)};
  }
};

Badness badness_of(const DirectionQuality& quality, const QualityLimits& limits) {
  Badness bad;
  bad.consider(quality.loss_percent / limits.loss_percent, number(quality.loss_percent, "%.1f %% lost"));
  bad.consider(quality.jitter_ms / limits.jitter_ms, number(quality.jitter_ms, "jitter of %.0f ms"));
  if (quality.round_trip_ms) bad.consider(*quality.round_trip_ms / limits.round_trip_ms, number(*quality.round_trip_ms, "round trip of %.0f ms"));
  // A codec may be below the limit by itself; what the network adds is told first.
  if (bad.degree < 1 && quality.mos && *quality.mos < limits.mos) bad.consider(limits.mos / *quality.mos, number(*quality.mos, "estimated MOS %.1f"));
  return bad;
}

}  // namespace

const char* name_of(QualitySource source) {
  static constexpr const char* names[] = {"", "measured", "reported"};
  return names[static_cast<size_t>(source)];
}

StreamQuality quality_of(const StreamSnapshot& stream) {
  const FlowSnapshot& face_rtcp = flow_of(stream, FlowRole::up_rtcp);
  const FlowSnapshot& link_rtcp = flow_of(stream, FlowRole::down_rtcp);
  StreamQuality quality;
  quality.face.from = arriving(flow_of(stream, FlowRole::up_rtp), face_rtcp);
  quality.link.from = arriving(flow_of(stream, FlowRole::down_rtp), link_rtcp);
  quality.face.to = leaving(face_rtcp, quality.link.from, stream.clock_rate_hz);
  quality.link.to = leaving(link_rtcp, quality.face.from, stream.clock_rate_hz);
  for (DirectionQuality* each : {&quality.face.from, &quality.face.to, &quality.link.from, &quality.link.to}) estimate(*each, stream);
  return quality;
}

CallQuality quality_of(const SessionSnapshot& session, bool is_e, const QualityLimits& limits) {
  CallQuality call;
  double worst = 1;
  for (const StreamSnapshot& stream : session.streams) {
    const StreamQuality quality = quality_of(stream);
    const struct {
      const DirectionQuality& direction;
      bool is_outside;
      const char* where;
    } directions[] = {{quality.face.from, is_e, "from the phone"},
                      {quality.face.to, is_e, "to the phone"},
                      {quality.link.from, !is_e, "from the phone"},
                      {quality.link.to, !is_e, "to the phone"}};
    for (const auto& [direction, is_outside, where] : directions) {
      if (direction.mos && (!call.mos || *direction.mos < *call.mos)) call.mos = direction.mos;
      Badness bad = badness_of(direction, limits);
      if (bad.degree <= worst) continue;
      worst = bad.degree;
      const std::string kind = stream.kind == "audio" ? "" : stream.kind + " of the ";
      call.worst = kind + (is_outside ? "outside leg, " : "inside leg, ") + where + ": " + bad.reason;
    }
  }
  return call;
}

}  // namespace sallyport::media
