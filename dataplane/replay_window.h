// SPDX-License-Identifier: Apache-2.0
#pragma once
// ReplayWindow: which of the last kBits indices below and at the highest one were seen (RFC 3711 3.3.2).
// Plain words for shared memory: all zero means nothing seen. The highest index is kept by the owner, who passes it in.
// Check before authentication, commit after it. One lcore; no failure.

#include <cstddef>
#include <cstdint>

namespace sallyport::dataplane {

template <size_t Words>
struct ReplayWindow {
  static constexpr uint64_t kBits = Words * 64;

  uint64_t words[Words];  // bit n of words[0] is the index `highest - n`

  // age = highest - index, for an index at or below the highest.
  bool is_too_old(uint64_t age) const { return age >= kBits; }
  bool is_seen(uint64_t age) const { return (words[age / 64] >> (age % 64)) & 1; }
  void mark(uint64_t age) { words[age / 64] |= uint64_t{1} << (age % 64); }
  // All at and below the highest counts as seen: for a stream whose window was not kept.
  void mark_all() {
    for (uint64_t& word : words) word = ~uint64_t{0};
  }

  // The highest index moves up by `step` (at least 1) and is seen.
  void advance(uint64_t step) {
    shift(step);
    words[0] |= 1;
  }

 private:
  void shift(uint64_t step) {
    // Nearly every step is one.
    if (step < 64) [[likely]] {
      for (size_t at = Words - 1; at > 0; --at) words[at] = words[at] << step | words[at - 1] >> 1 >> (63 - step);
      words[0] <<= step;
      return;
    }
    const uint64_t whole = step / 64;
    const unsigned part = step % 64;
    for (size_t at = Words; at-- > 0;) {
      const uint64_t high = step < kBits && at >= whole ? words[at - whole] : 0;
      const uint64_t low = step < kBits && at >= whole + 1 ? words[at - whole - 1] : 0;
      words[at] = part == 0 ? high : (high << part) | (low >> (64 - part));
    }
  }
};

}  // namespace sallyport::dataplane
