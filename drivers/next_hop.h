// SPDX-License-Identifier: Apache-2.0
#pragma once
// NextHopTable: (egress address slot, destination IP) -> link-layer addresses, shared by all workers.
// One thread writes (the resolver), any lcore reads without a lock: each entry has a sequence counter, odd while it changes.
// Entries are found by open addressing within sixteen places; a full neighbourhood recycles the entry unused the longest.
// find() costs one cache line when the caller remembers the index. No allocation after construction.

#include <atomic>
#include <cstdint>
#include <cstring>
#include <memory>

#include "dataplane/abi/address.h"

namespace sallyport::drivers {

inline constexpr uint32_t no_hop = 0xffffffff;

enum class HopState : uint8_t { empty = 0, pending = 1, usable = 2, unreachable = 3 };

struct HopKey {
  uint16_t slot = 0;
  uint8_t family = 0;
  uint8_t ip[16] = {};
  bool operator==(const HopKey& other) const {
    return slot == other.slot && family == other.family && std::memcmp(ip, other.ip, sizeof ip) == 0;
  }
};

// What a worker needs to send: copied out whole, or not at all.
struct HopLink {
  uint8_t destination_mac[6];
  uint8_t source_mac[6];
};

class NextHopTable {
 public:
  explicit NextHopTable(uint32_t capacity_log2 = 16);

  // Any lcore, a few packets ahead of read().
  void prefetch(uint32_t index) const {
    if (index <= mask_) __builtin_prefetch(&entries_[index]);
  }
  // Any lcore. Moves whenever something that read() answered before holds no longer: what was built from it is built anew.
  uint32_t version() const { return version_.load(std::memory_order_acquire); }
  // Any lcore. The index of the key's entry, or no_hop. `hint` is tried first.
  uint32_t find(const HopKey& key, uint32_t hint) const;
  // Any lcore. True when the entry still belongs to the key and is usable.
  bool read(uint32_t index, const HopKey& key, uint64_t now_ns, HopLink& out);

  // Resolver only.
  uint32_t insert(const HopKey& key, uint64_t now_ns);
  void set(uint32_t index, HopState state, const HopLink& link);
  HopState state(uint32_t index) const { return entries_[index].state; }
  const HopKey& key(uint32_t index) const { return entries_[index].key; }
  uint64_t last_used_ns(uint32_t index) const { return entries_[index].last_used_ns.load(std::memory_order_relaxed); }
  // A worker may have noted its use since the resolver looked at the clock, so that it was used later than now.
  bool is_used_within(uint32_t index, uint64_t now_ns, uint64_t span_ns) const { return last_used_ns(index) + span_ns > now_ns; }
  uint32_t capacity() const { return mask_ + 1; }

 private:
  struct alignas(64) Entry {
    std::atomic<uint32_t> sequence{0};
    HopState state = HopState::empty;
    HopLink link{};
    HopKey key{};
    std::atomic<uint64_t> last_used_ns{0};
  };
  static uint32_t hash(const HopKey& key);

  uint32_t mask_;
  std::atomic<uint32_t> version_{0};
  std::unique_ptr<Entry[]> entries_;
};

}  // namespace sallyport::drivers
