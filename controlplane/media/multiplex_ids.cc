// SPDX-License-Identifier: Apache-2.0
#include "controlplane/media/multiplex_ids.h"

#include <openssl/rand.h>

#include <algorithm>

namespace sallyport::media {

MultiplexIds::MultiplexIds(uint32_t limit, std::function<uint64_t()> now_ms, uint32_t quarantine_ms)
    : quarantine_ms_(quarantine_ms), now_ms_(std::move(now_ms)) {
  limit = std::min(limit, abi::multiplex_index_limit - 1);
  for (uint32_t index = 1; index <= limit; ++index) free_.push_back({index, 0});
}

Outcome<uint32_t> MultiplexIds::take() {
  if (free_.empty() || free_.front().usable_at_ms > now_ms_())
    return Fault{FaultCode::exhausted, "multiplexIDs", "all are in use or rest after use", "raise [dataplane] flows or add a node"};
  const uint32_t index = free_.front().index;
  free_.pop_front();
  ++in_use_;
  uint32_t random_tag = 0;
  RAND_bytes(reinterpret_cast<unsigned char*>(&random_tag), sizeof random_tag);
  return abi::make_multiplex_id(random_tag & 0x3ff, index);
}

void MultiplexIds::give_back(uint32_t id) {
  free_.push_back({abi::multiplex_index(id), now_ms_() + quarantine_ms_});
  if (in_use_ > 0) --in_use_;
}

void MultiplexIds::reserve(uint32_t id) {
  const uint32_t index = abi::multiplex_index(id);
  const auto found = std::find_if(free_.begin(), free_.end(), [&](const Free& entry) { return entry.index == index; });
  if (found == free_.end()) return;
  free_.erase(found);
  ++in_use_;
}

}  // namespace sallyport::media
