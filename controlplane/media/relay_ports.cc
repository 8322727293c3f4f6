// SPDX-License-Identifier: Apache-2.0
#include "controlplane/media/relay_ports.h"

#include <algorithm>
#include <random>

namespace sallyport::media {

RelayPorts::RelayPorts(uint16_t first, uint16_t last, std::function<uint64_t()> now_ms, uint32_t quarantine_ms)
    : quarantine_ms_(quarantine_ms), now_ms_(std::move(now_ms)) {
  for (uint32_t port = (first + 1u) & ~1u; port + 1 <= last; port += 2) free_.push_back({static_cast<uint16_t>(port), 0});
  std::shuffle(free_.begin(), free_.end(), std::mt19937(std::random_device{}()));
  capacity_ = free_.size();
}

Outcome<uint16_t> RelayPorts::take() {
  if (free_.empty() || free_.front().usable_at_ms > now_ms_())
    return Fault{FaultCode::exhausted, "relay ports", "all " + std::to_string(capacity_) + " pairs are in use or rest after use", "widen [media] port_min to port_max or add a node"};
  const uint16_t port = free_.front().port;
  free_.pop_front();
  ++in_use_;
  return port;
}

void RelayPorts::give_back(uint16_t even_port) {
  free_.push_back({even_port, now_ms_() + quarantine_ms_});
  if (in_use_ > 0) --in_use_;
}

void RelayPorts::reserve(uint16_t even_port) {
  const auto found = std::find_if(free_.begin(), free_.end(), [&](const Free& entry) { return entry.port == even_port; });
  if (found == free_.end()) return;
  free_.erase(found);
  ++in_use_;
}

}  // namespace sallyport::media
