// SPDX-License-Identifier: Apache-2.0
#include "controlplane/media/flow_indices.h"

#include <algorithm>

namespace sallyport::media {

void FlowIndices::reset(uint32_t capacity, uint32_t workers) {
  free_.assign(std::max(workers, 1u), {});
  generations_.assign(capacity, 0);
  in_use_ = 0;
  for (uint32_t index = 0; index < capacity; ++index) free_[index % free_.size()].push_back(index);
}

Outcome<FlowHandle> FlowIndices::take(uint32_t worker) {
  if (free_.empty() || free_[worker % free_.size()].empty())
    return Fault{FaultCode::exhausted, "flow table", "is full", "raise [dataplane] flows"};
  auto& list = free_[worker % free_.size()];
  const uint32_t index = list.front();
  list.pop_front();
  ++in_use_;
  if (++generations_[index] == 0) generations_[index] = 1;
  return FlowHandle{index, generations_[index]};
}

void FlowIndices::give_back(FlowHandle handle) {
  if (handle.index >= generations_.size() || generations_[handle.index] != handle.generation) return;
  free_[handle.index % free_.size()].push_back(handle.index);
  if (in_use_ > 0) --in_use_;
}

void FlowIndices::reserve(FlowHandle handle) {
  if (handle.index >= generations_.size()) return;
  auto& list = free_[handle.index % free_.size()];
  const auto found = std::find(list.begin(), list.end(), handle.index);
  if (found != list.end()) {
    list.erase(found);
    ++in_use_;
  }
  generations_[handle.index] = handle.generation;
}

}  // namespace sallyport::media
