// SPDX-License-Identifier: Apache-2.0
#include "controlplane/media/port_allocator.h"

#include <random>

namespace sallyport::media {

PortAllocator::PortAllocator(uint16_t first, uint16_t last, uint32_t workers, uint64_t quarantine_ms, uint32_t seed)
    : first_(static_cast<uint16_t>(first + first % 2)), workers_(workers == 0 ? 1 : workers), quarantine_ms_(quarantine_ms) {
  const uint32_t pairs = last > first_ ? (uint32_t{last} - first_ + 1) / 2 : 0;
  taken_.assign(pairs, false);
  std::mt19937 random(seed);
  for (uint32_t worker = 0; worker < workers_; ++worker) next_.push_back(pairs == 0 ? 0 : random() % pairs);
}

std::optional<uint16_t> PortAllocator::allot(uint32_t worker, uint64_t now_ms) {
  end_quarantine(now_ms);
  if (taken_.empty() || worker >= workers_) return std::nullopt;
  uint32_t pair = next_[worker];
  for (uint32_t tried = 0; tried < taken_.size(); ++tried, pair = (pair + 1) % static_cast<uint32_t>(taken_.size())) {
    const auto port = static_cast<uint16_t>(first_ + 2 * pair);
    if (taken_[pair] || owner(port) != worker) continue;
    taken_[pair] = true;
    ++in_use_;
    next_[worker] = (pair + 1) % static_cast<uint32_t>(taken_.size());
    return port;
  }
  return std::nullopt;
}

bool PortAllocator::claim(uint16_t rtp_port) {
  if (rtp_port < first_ || rtp_port % 2 != 0) return false;
  const uint32_t pair = (uint32_t{rtp_port} - first_) / 2;
  if (pair >= taken_.size() || taken_[pair]) return false;
  taken_[pair] = true;
  ++in_use_;
  return true;
}

void PortAllocator::release(uint16_t rtp_port, uint64_t now_ms) {
  const uint32_t pair = (uint32_t{rtp_port} - first_) / 2;
  if (rtp_port < first_ || pair >= taken_.size() || !taken_[pair]) return;
  --in_use_;
  resting_.push_back({pair, now_ms + quarantine_ms_});
}

void PortAllocator::end_quarantine(uint64_t now_ms) {
  while (!resting_.empty() && resting_.front().until_ms <= now_ms) {
    taken_[resting_.front().pair] = false;
    resting_.pop_front();
  }
}

}  // namespace sallyport::media
