// SPDX-License-Identifier: Apache-2.0
#pragma once
// FlowAllocator: flow indices with index % workers == owner, and their generations, which grow with every use, also across a
// restart of the control plane (they start from the clock). One thread; O(1).

#include <cstdint>
#include <optional>
#include <vector>

namespace sallyport::media {

struct FlowHandle {
  uint32_t index = 0xffffffff;
  uint32_t generation = 0;
};

class FlowAllocator {
 public:
  // unix_time_s is where generations start.
  FlowAllocator(uint32_t capacity, uint32_t workers, uint32_t unix_time_s);

  std::optional<FlowHandle> allot(uint32_t worker);
  bool claim(FlowHandle flow);
  void release(uint32_t index);
  uint32_t in_use() const { return in_use_; }

 private:
  uint32_t workers_;
  uint32_t first_generation_;
  std::vector<uint32_t> generations_;  // last used
  std::vector<bool> taken_;
  std::vector<std::vector<uint32_t>> free_;  // per worker, last in first out
  uint32_t in_use_ = 0;
};

}  // namespace sallyport::media
