// SPDX-License-Identifier: Apache-2.0
#pragma once
// RelayPorts: the even/odd UDP port pairs of one address slot. A freed pair rests for quarantine_ms, so that late packets of the
// old call never reach a new one; the order is random at the start. (port >> 1) % workers names the worker that owns a pair.
// One thread. Cost: O(1). Exhaustion is a Fault, answered with 503 and an alarm.

#include <cstdint>
#include <deque>
#include <functional>

#include "dataplane/abi/fault.h"

namespace sallyport::media {

class RelayPorts {
 public:
  RelayPorts(uint16_t first, uint16_t last, std::function<uint64_t()> now_ms, uint32_t quarantine_ms = 10'000);

  // The even port of a free pair.
  Outcome<uint16_t> take();
  void give_back(uint16_t even_port);
  // Taken by a flow found in the region at the start.
  void reserve(uint16_t even_port);
  size_t in_use() const { return in_use_; }
  size_t capacity() const { return capacity_; }

 private:
  struct Free {
    uint16_t port;
    uint64_t usable_at_ms;
  };
  const uint32_t quarantine_ms_;
  std::function<uint64_t()> now_ms_;
  std::deque<Free> free_;
  size_t capacity_ = 0, in_use_ = 0;
};

}  // namespace sallyport::media
