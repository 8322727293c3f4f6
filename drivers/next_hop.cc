// SPDX-License-Identifier: Apache-2.0
#include "drivers/next_hop.h"

namespace sallyport::drivers {

namespace {
constexpr uint32_t probe_limit = 16;
// Workers note use once in a while only: a store for every packet would bounce the line between lcores.
constexpr uint64_t use_note_ns = 1'000'000'000;
}  // namespace

NextHopTable::NextHopTable(uint32_t capacity_log2)
    : mask_((1u << capacity_log2) - 1), entries_(std::make_unique<Entry[]>(size_t{1} << capacity_log2)) {}

uint32_t NextHopTable::hash(const HopKey& key) {
  uint64_t low, high;
  std::memcpy(&low, key.ip, 8);
  std::memcpy(&high, key.ip + 8, 8);
  // Two rounds, so that every bit of the key reaches the bits that are used.
  uint64_t mixed = (low ^ (high * 0x9e3779b97f4a7c15ull) ^ (uint64_t{key.slot} << 40)) * 0xd6e8feb86659fd93ull;
  mixed = (mixed ^ (mixed >> 32)) * 0xd6e8feb86659fd93ull;
  return static_cast<uint32_t>(mixed >> 32);
}

uint32_t NextHopTable::find(const HopKey& key, uint32_t hint) const {
  if (hint <= mask_ && entries_[hint].key == key) return hint;
  const uint32_t start = hash(key);
  for (uint32_t step = 0; step < probe_limit; ++step) {
    const uint32_t at = (start + step) & mask_;
    // The key may be half written here; read() compares it again under the sequence counter.
    if (entries_[at].state != HopState::empty && entries_[at].key == key) return at;
  }
  return no_hop;
}

bool NextHopTable::read(uint32_t index, const HopKey& key, uint64_t now_ns, HopLink& out) {
  if (index > mask_) return false;
  Entry& entry = entries_[index];
  const uint32_t before = entry.sequence.load(std::memory_order_acquire);
  if (before & 1) return false;
  out = entry.link;
  const bool usable = entry.state == HopState::usable && entry.key == key;
  std::atomic_thread_fence(std::memory_order_acquire);
  if (entry.sequence.load(std::memory_order_relaxed) != before || !usable) return false;
  if (now_ns - entry.last_used_ns.load(std::memory_order_relaxed) > use_note_ns) {
    entry.last_used_ns.store(now_ns, std::memory_order_relaxed);
  }
  return true;
}

uint32_t NextHopTable::insert(const HopKey& key, uint64_t now_ns) {
  const uint32_t known = find(key, no_hop);
  if (known != no_hop) return known;
  const uint32_t start = hash(key);
  uint32_t chosen = start & mask_;
  for (uint32_t step = 0; step < probe_limit; ++step) {
    const uint32_t at = (start + step) & mask_;
    if (entries_[at].state == HopState::empty) {
      chosen = at;
      break;
    }
    if (last_used_ns(at) < last_used_ns(chosen)) chosen = at;
  }
  Entry& entry = entries_[chosen];
  const bool was_usable = entry.state == HopState::usable;
  const uint32_t sequence = entry.sequence.load(std::memory_order_relaxed);
  entry.sequence.store(sequence + 1, std::memory_order_relaxed);
  std::atomic_thread_fence(std::memory_order_release);
  entry.key = key;
  entry.state = HopState::pending;
  entry.link = HopLink{};
  entry.last_used_ns.store(now_ns, std::memory_order_relaxed);
  entry.sequence.store(sequence + 2, std::memory_order_release);
  if (was_usable) version_.fetch_add(1, std::memory_order_release);
  return chosen;
}

void NextHopTable::set(uint32_t index, HopState state, const HopLink& link) {
  if (index > mask_) return;
  Entry& entry = entries_[index];
  const bool was_usable = entry.state == HopState::usable;
  if (was_usable && state == HopState::usable && std::memcmp(&entry.link, &link, sizeof link) == 0) return;
  const uint32_t sequence = entry.sequence.load(std::memory_order_relaxed);
  entry.sequence.store(sequence + 1, std::memory_order_relaxed);
  std::atomic_thread_fence(std::memory_order_release);
  entry.state = state;
  entry.link = link;
  entry.sequence.store(sequence + 2, std::memory_order_release);
  if (was_usable) version_.fetch_add(1, std::memory_order_release);
}

}  // namespace sallyport::drivers
