// SPDX-License-Identifier: Apache-2.0
#pragma once
// FlowIndices: which records of the region's flow table are free. index % workers names the owner, so a taker asks for an index
// of a given worker. The generation grows with every use of an index, which lets the dataplane refuse stale commands. One thread.

#include <cstdint>
#include <deque>
#include <vector>

#include "dataplane/abi/fault.h"

namespace sallyport::media {

struct FlowHandle {
  uint32_t index = 0xffffffff;
  uint32_t generation = 0;
  bool is_set() const { return generation != 0; }
};

class FlowIndices {
 public:
  // Forgets everything: for the region of a new dataplane.
  void reset(uint32_t capacity, uint32_t workers);
  Outcome<FlowHandle> take(uint32_t worker);
  void give_back(FlowHandle handle);
  // A flow that runs already: its index is not free, its generation is the latest.
  void reserve(FlowHandle handle);
  uint32_t workers() const { return static_cast<uint32_t>(free_.size()); }
  size_t in_use() const { return in_use_; }

 private:
  std::vector<std::deque<uint32_t>> free_;  // by worker
  std::vector<uint32_t> generations_;
  size_t in_use_ = 0;
};

}  // namespace sallyport::media
