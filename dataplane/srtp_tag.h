// SPDX-License-Identifier: Apache-2.0
#pragma once
// Authentication tags of the three lengths there are: 4 and 10 bytes of HMAC-SHA1, 16 of GCM.
// Each length has its own fixed-size loads: a copy or comparison of variable length costs more than the rest of the step.

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace sallyport::dataplane {

template <class Word>
uint64_t tag_word_difference(const uint8_t* one, const uint8_t* other) {
  Word left, right;
  std::memcpy(&left, one, sizeof left);
  std::memcpy(&right, other, sizeof right);
  return static_cast<uint64_t>(left ^ right);
}

// In constant time for one length: how many bytes of a forged tag are right must not show in how long this takes.
inline bool tags_differ(const uint8_t* one, const uint8_t* other, size_t length_bytes) {
  if (length_bytes == 4) return tag_word_difference<uint32_t>(one, other) != 0;
  uint64_t difference = tag_word_difference<uint64_t>(one, other);
  if (length_bytes == 10)
    difference |= tag_word_difference<uint16_t>(one + 8, other + 8);
  else
    difference |= tag_word_difference<uint64_t>(one + 8, other + 8);
  return difference != 0;
}

inline void copy_tag(uint8_t* to, const uint8_t* from, size_t length_bytes) {
  if (length_bytes == 4)
    std::memcpy(to, from, 4);
  else if (length_bytes == 10)
    std::memcpy(to, from, 10);
  else
    std::memcpy(to, from, 16);
}

}  // namespace sallyport::dataplane
