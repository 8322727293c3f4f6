// SPDX-License-Identifier: Apache-2.0
#include "controlplane/media/line_rewriter.h"

#include <utility>

namespace sallyport::media {

// Warn codes: RFC 3261 20.43 (305 incompatible media format, 399 anything else).
Refusal refusal(MediaCounter counter, uint16_t status, uint16_t warn_code, std::string warning) {
  return {counter, status, warn_code, std::move(warning), status == 503};
}

Refusal clear_media_refusal() {
  return refusal(MediaCounter::refused_clear_media, 488, 305, "Media must be RTP/SAVP; clear RTP is not taken");
}

Refusal no_keys_refusal() {
  return refusal(MediaCounter::refused_no_keys, 488, 305, "SRTP keys (a=crypto, RFC 4568) are missing");
}

LineOutcome LeaseSource::check() const {
  if (pool == nullptr || !dataplane.is_connected()) {
    return refusal(MediaCounter::refused_no_dataplane, 503, 399, "Media relay is not running");
  }
  if (!link) return refusal(MediaCounter::refused_no_link, 503, 399, "No media link to the other node");
  return std::nullopt;
}

LineOutcome LeaseSource::lease(uint16_t face_slot, SharedLease& out) {
  if (auto refused = check()) return refused;
  MediaCounter counter = MediaCounter::refused_no_ports;
  auto lease = pool->lease(face_slot, dataplane, counter);
  if (!lease) return refusal(counter, 503, 399, "Media relay: " + lease.fault().cause);
  out = std::move(*lease);
  out->serial = next_serial++;
  std::erase_if(own, [](const auto& held) { return held.expired(); });
  own.push_back(out);
  return std::nullopt;
}

LineOutcome LeaseSource::lease_for(uint16_t face_slot, uint32_t multiplex_id, SharedLease& out) {
  for (const auto& held : own) {
    const SharedLease lease = held.lock();
    if (!lease || lease->multiplex_id != multiplex_id) continue;
    out = lease;
    return std::nullopt;
  }
  if (auto refused = check()) return refused;
  MediaCounter counter = MediaCounter::refused_no_ports;
  auto lease = pool->lease_for(face_slot, *link, multiplex_id, counter);
  if (!lease) return refusal(counter, 503, 399, "Media relay: " + lease.fault().cause);
  out = std::move(*lease);
  out->serial = next_serial++;
  std::erase_if(own, [](const auto& held) { return held.expired(); });
  own.push_back(out);
  return std::nullopt;
}

}  // namespace sallyport::media
