// SPDX-License-Identifier: Apache-2.0
#pragma once
// Policer: packets per second with a tolerance, as one time stamp (the virtual scheduling of ITU-T I.371's GCRA).
// One lcore; eight bytes; a dozen cycles.

#include <cstdint>

namespace sallyport::dataplane {

class Policer {
 public:
  // interval_ns is the time a packet stands for; tolerance_ns how far a burst may run ahead.
  bool take(uint64_t now_ns, uint64_t interval_ns, uint64_t tolerance_ns) {
    const uint64_t due = due_ns_ > now_ns ? due_ns_ : now_ns;
    if (due - now_ns > tolerance_ns) return false;
    due_ns_ = due + interval_ns;
    return true;
  }
  void reset() { due_ns_ = 0; }

 private:
  uint64_t due_ns_ = 0;
};

constexpr uint64_t interval_of_rate(uint32_t packets_per_s) { return 1'000'000'000ull / packets_per_s; }

}  // namespace sallyport::dataplane
