// SPDX-License-Identifier: Apache-2.0
#include "controlplane/media/flow_allocator.h"

#include <algorithm>

namespace sallyport::media {

FlowAllocator::FlowAllocator(uint32_t capacity, uint32_t workers, uint32_t unix_time_s)
    : workers_(workers == 0 ? 1 : workers),
      first_generation_(std::max(unix_time_s, 1u)),
      generations_(capacity, 0),
      taken_(capacity, false),
      free_(workers_) {
  for (uint32_t index = capacity; index-- > 0;) free_[index % workers_].push_back(index);
}

std::optional<FlowHandle> FlowAllocator::allot(uint32_t worker) {
  if (worker >= workers_) return std::nullopt;
  auto& free = free_[worker];
  // claim() leaves its index in the list: it is skipped here.
  while (!free.empty() && taken_[free.back()]) free.pop_back();
  if (free.empty()) return std::nullopt;
  const uint32_t index = free.back();
  free.pop_back();
  generations_[index] = std::max(generations_[index] + 1, first_generation_);
  taken_[index] = true;
  ++in_use_;
  return FlowHandle{index, generations_[index]};
}

bool FlowAllocator::claim(FlowHandle flow) {
  if (flow.index >= taken_.size() || taken_[flow.index] || flow.generation == 0) return false;
  taken_[flow.index] = true;
  generations_[flow.index] = std::max(generations_[flow.index], flow.generation);
  ++in_use_;
  return true;
}

void FlowAllocator::release(uint32_t index) {
  if (index >= taken_.size() || !taken_[index]) return;
  taken_[index] = false;
  --in_use_;
  free_[index % workers_].push_back(index);
}

}  // namespace sallyport::media
