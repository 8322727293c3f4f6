// SPDX-License-Identifier: Apache-2.0
#pragma once
// MultiplexIds: the multiplexIDs that E allots (dataplane/abi/multiplex_id.h): a dense index with ten random bits above it, never
// used again within a minute (H.460.19 receivers would take late packets for the new stream's). One thread.

#include <cstdint>
#include <deque>
#include <functional>

#include "dataplane/abi/fault.h"
#include "dataplane/abi/multiplex_id.h"

namespace sallyport::media {

class MultiplexIds {
 public:
  // `limit` indices, from 1 to limit; at most abi::multiplex_index_limit - 1.
  MultiplexIds(uint32_t limit, std::function<uint64_t()> now_ms, uint32_t quarantine_ms = 60'000);

  Outcome<uint32_t> take();
  void give_back(uint32_t id);
  void reserve(uint32_t id);  // carried by a flow found in the region at the start
  size_t in_use() const { return in_use_; }

 private:
  struct Free {
    uint32_t index;
    uint64_t usable_at_ms;
  };
  const uint32_t quarantine_ms_;
  std::function<uint64_t()> now_ms_;
  std::deque<Free> free_;
  size_t in_use_ = 0;
};

}  // namespace sallyport::media
