// SPDX-License-Identifier: Apache-2.0
#pragma once
// MultiplexAllocator: E's multiplexIDs: index with index % workers == owner, under a random tag (dataplane/abi/multiplex_id.h).
// An index rests for a minute before it is used again, and then under another tag. On C it only keeps the IDs that E chose apart.
// One thread.

#include <cstdint>
#include <deque>
#include <optional>
#include <unordered_set>

namespace sallyport::media {

class MultiplexAllocator {
 public:
  MultiplexAllocator(uint32_t workers, uint64_t quarantine_ms);

  std::optional<uint32_t> allot(uint32_t worker, uint64_t now_ms);
  // An ID chosen elsewhere: by E (on C) or before a restart. false: index 0 or in use.
  bool claim(uint32_t id);
  void release(uint32_t id, uint64_t now_ms);
  // On C: E decides when an ID may come back, so it is free at once.
  void release_at_once(uint32_t id);

  uint32_t owner(uint32_t id) const;
  size_t in_use() const { return taken_.size() - resting_.size(); }

 private:
  uint32_t workers_;
  uint64_t quarantine_ms_;
  std::unordered_set<uint32_t> taken_;  // indices
  struct Resting {
    uint32_t index;
    uint64_t until_ms;
  };
  std::deque<Resting> resting_;
};

}  // namespace sallyport::media
