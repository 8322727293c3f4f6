// SPDX-License-Identifier: Apache-2.0
#pragma once
// SpscRing: single-producer single-consumer ring of fixed-size plain entries, placed in the shared region.
// One process writes, the other reads; neither trusts the other's indices beyond a mask, so a hostile index loses or repeats
// entries but never leaves the array. Cost: one release store and, when the cached index runs out, one acquire load.

#include <atomic>
#include <cstdint>
#include <cstring>
#include <type_traits>

namespace sallyport::abi {

template <class Entry, uint32_t Capacity>
struct SpscRing {
  static_assert((Capacity & (Capacity - 1)) == 0);
  static_assert(std::is_trivially_copyable_v<Entry>);

  alignas(64) std::atomic<uint32_t> head;  // written by the producer
  alignas(64) std::atomic<uint32_t> tail;  // written by the consumer
  alignas(64) Entry entries[Capacity];

  bool push(const Entry& entry) {
    const uint32_t at = head.load(std::memory_order_relaxed);
    if (at - tail.load(std::memory_order_acquire) >= Capacity) return false;
    std::memcpy(&entries[at & (Capacity - 1)], &entry, sizeof entry);
    head.store(at + 1, std::memory_order_release);
    return true;
  }

  // Producer side, for large entries: the place of the next one, to be filled there and then published; nullptr when the ring is full.
  Entry* place() {
    const uint32_t at = head.load(std::memory_order_relaxed);
    return at - tail.load(std::memory_order_acquire) >= Capacity ? nullptr : &entries[at & (Capacity - 1)];
  }
  void publish() { head.store(head.load(std::memory_order_relaxed) + 1, std::memory_order_release); }

  bool pop(Entry& entry) {
    const uint32_t at = tail.load(std::memory_order_relaxed);
    if (!copy_out(at, entry)) return false;
    tail.store(at + 1, std::memory_order_release);
    return true;
  }

  // Consumer side: take an entry and leave no copy of it (commands carry keys).
  bool pop_and_wipe(Entry& entry) {
    const uint32_t at = tail.load(std::memory_order_relaxed);
    if (!copy_out(at, entry)) return false;
    explicit_bzero(&entries[at & (Capacity - 1)], sizeof entry);
    tail.store(at + 1, std::memory_order_release);
    return true;
  }

  uint32_t size() const {
    const uint32_t waiting = head.load(std::memory_order_acquire) - tail.load(std::memory_order_acquire);
    return waiting > Capacity ? 0 : waiting;
  }

 private:
  bool copy_out(uint32_t at, Entry& entry) {
    const uint32_t waiting = head.load(std::memory_order_acquire) - at;
    if (waiting == 0) return false;
    // A producer that wrote nonsense into head must not make us run for four billion entries.
    if (waiting > Capacity) {
      tail.store(head.load(std::memory_order_relaxed), std::memory_order_release);
      return false;
    }
    std::memcpy(&entry, &entries[at & (Capacity - 1)], sizeof entry);
    return true;
  }
};

}  // namespace sallyport::abi
