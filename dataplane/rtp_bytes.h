// SPDX-License-Identifier: Apache-2.0
#pragma once
// Network byte order for the fields of media packets, at any alignment. The caller has checked the bounds.

#include <bit>
#include <cstdint>
#include <cstring>

namespace sallyport::dataplane {

static_assert(std::endian::native == std::endian::little, "the packet path is written for x86-64");

inline uint16_t load_be16(const uint8_t* bytes) {
  uint16_t value;
  std::memcpy(&value, bytes, sizeof value);
  return __builtin_bswap16(value);
}

inline uint32_t load_be32(const uint8_t* bytes) {
  uint32_t value;
  std::memcpy(&value, bytes, sizeof value);
  return __builtin_bswap32(value);
}

inline void store_be16(uint8_t* bytes, uint16_t value) {
  value = __builtin_bswap16(value);
  std::memcpy(bytes, &value, sizeof value);
}

inline void store_be32(uint8_t* bytes, uint32_t value) {
  value = __builtin_bswap32(value);
  std::memcpy(bytes, &value, sizeof value);
}

}  // namespace sallyport::dataplane
