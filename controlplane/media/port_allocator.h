// SPDX-License-Identifier: Apache-2.0
#pragma once
// PortAllocator: relay port pairs (even RTP, odd RTCP) of one local address. (port >> 1) % workers names the owner.
// A pair that is given back rests before it is used again, so that late packets of a dead call never reach a new one.
// One thread; constant memory, one bit scan an allotment.

#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

namespace sallyport::media {

class PortAllocator {
 public:
  // first even, last odd or even; both inclusive. seed: random start, so that ports cannot be foretold from the order of calls.
  PortAllocator(uint16_t first, uint16_t last, uint32_t workers, uint64_t quarantine_ms, uint32_t seed);

  // The RTP port of a pair that this worker owns; nullopt: exhausted.
  std::optional<uint16_t> allot(uint32_t worker, uint64_t now_ms);
  // A pair in use already (adopted call, the media link itself). false: outside the range or taken.
  bool claim(uint16_t rtp_port);
  void release(uint16_t rtp_port, uint64_t now_ms);

  uint32_t owner(uint16_t rtp_port) const { return (rtp_port >> 1) % workers_; }
  uint32_t in_use() const { return in_use_; }
  uint32_t capacity() const { return static_cast<uint32_t>(taken_.size()); }

 private:
  void end_quarantine(uint64_t now_ms);

  uint16_t first_;
  uint32_t workers_;
  uint64_t quarantine_ms_;
  std::vector<bool> taken_;  // by pair
  std::vector<uint32_t> next_;  // per worker: pair to try first
  struct Resting {
    uint32_t pair;
    uint64_t until_ms;
  };
  std::deque<Resting> resting_;
  uint32_t in_use_ = 0;
};

}  // namespace sallyport::media
