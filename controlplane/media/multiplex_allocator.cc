// SPDX-License-Identifier: Apache-2.0
#include "controlplane/media/multiplex_allocator.h"

#include <openssl/rand.h>

#include <cstdlib>

#include "dataplane/abi/multiplex_id.h"

namespace sallyport::media {
namespace {

constexpr int attempts = 256;

uint32_t random_word() {
  uint32_t word = 0;
  if (RAND_bytes(reinterpret_cast<unsigned char*>(&word), sizeof word) != 1) std::abort();
  return word;
}

}  // namespace

MultiplexAllocator::MultiplexAllocator(uint32_t workers, uint64_t quarantine_ms)
    : workers_(workers == 0 ? 1 : workers), quarantine_ms_(quarantine_ms) {}

std::optional<uint32_t> MultiplexAllocator::allot(uint32_t worker, uint64_t now_ms) {
  while (!resting_.empty() && resting_.front().until_ms <= now_ms) {
    taken_.erase(resting_.front().index);
    resting_.pop_front();
  }
  // Half full at most: a random try then hits a free index after two attempts on average.
  if (worker >= workers_ || taken_.size() >= abi::multiplex_index_limit / 2) return std::nullopt;
  for (int attempt = 0; attempt < attempts; ++attempt) {
    const uint32_t random = random_word() % (abi::multiplex_index_limit / workers_);
    const uint32_t index = random * workers_ + worker;
    if (index == 0 || index >= abi::multiplex_index_limit || !taken_.insert(index).second) continue;
    return abi::make_multiplex_id(random_word() & 0x3ff, index);
  }
  return std::nullopt;
}

bool MultiplexAllocator::claim(uint32_t id) {
  return abi::multiplex_index(id) != 0 && taken_.insert(abi::multiplex_index(id)).second;
}

void MultiplexAllocator::release(uint32_t id, uint64_t now_ms) {
  resting_.push_back({abi::multiplex_index(id), now_ms + quarantine_ms_});
}

void MultiplexAllocator::release_at_once(uint32_t id) { taken_.erase(abi::multiplex_index(id)); }

uint32_t MultiplexAllocator::owner(uint32_t id) const { return abi::multiplex_index(id) % workers_; }

}  // namespace sallyport::media
