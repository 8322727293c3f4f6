// SPDX-License-Identifier: Apache-2.0
#pragma once
// The Internet checksum (RFC 1071) over whole eight-byte words: a third of the cost of summing 16 bits at a time.
// Sums are in memory order, so no byte is swapped. Any lcore; reads only within what is given.

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace sallyport::dataplane {

// A sum that has not been folded; additions of such sums are sums of the parts, each part at an even offset.
inline uint64_t checksum_add(uint64_t sum, const void* data, size_t bytes) {
  const auto* at = static_cast<const uint8_t*>(data);
#if defined(__SSE2__)
  // Both 32-bit halves of each 64-bit word have room above them for four billion additions.
  const __m128i low_halves = _mm_set1_epi64x(0xffffffff);
  __m128i first = _mm_setzero_si128(), second = first;
  for (; bytes >= 32; at += 32, bytes -= 32) {
    const __m128i a = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
    const __m128i b = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at + 16));
    first = _mm_add_epi64(first, _mm_add_epi64(_mm_and_si128(a, low_halves), _mm_srli_epi64(a, 32)));
    second = _mm_add_epi64(second, _mm_add_epi64(_mm_and_si128(b, low_halves), _mm_srli_epi64(b, 32)));
  }
  first = _mm_add_epi64(first, second);
  first = _mm_add_epi64(first, _mm_unpackhi_epi64(first, first));
  sum += static_cast<uint64_t>(_mm_cvtsi128_si64(first));
#endif
  for (; bytes >= 8; at += 8, bytes -= 8) {
    uint64_t word;
    std::memcpy(&word, at, 8);
    sum += (word & 0xffffffff) + (word >> 32);
  }
  for (; bytes >= 2; at += 2, bytes -= 2) {
    uint16_t word;
    std::memcpy(&word, at, 2);
    sum += word;
  }
  if (bytes != 0) sum += *at;  // RFC 1071: padded with a zero byte behind
  return sum;
}

// Of a sum of a few 16-bit words.
inline uint16_t checksum_fold_small(uint32_t sum) {
  sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>(sum + (sum >> 16));
}

inline uint16_t checksum_fold(uint64_t sum) {
  // Below 2^33 after the first step, so the second is exact in 16-bit words.
  sum = (sum & 0xffffffff) + (sum >> 32);
  sum = (sum & 0xffff) + ((sum >> 16) & 0xffff) + (sum >> 32);
  return checksum_fold_small(static_cast<uint32_t>(sum));
}

// RFC 768: a checksum that comes out as zero is sent as all ones.
inline uint16_t checksum_of_sum(uint64_t sum) {
  const auto check = static_cast<uint16_t>(~checksum_fold(sum));
  return check == 0 ? 0xffff : check;
}

// A 16-bit word of the pseudo-header in memory order.
constexpr uint64_t checksum_word(uint16_t value) { return __builtin_bswap16(value); }

// Of a UDP datagram with its pseudo-header: both addresses lie one behind the other, as IPv4 and IPv6 have them.
inline uint16_t udp_sum(const void* addresses, size_t addresses_bytes, const void* udp, uint16_t udp_bytes) {
  const uint64_t pseudo = checksum_word(17) + checksum_word(udp_bytes);
  return checksum_fold(checksum_add(checksum_add(pseudo, addresses, addresses_bytes), udp, udp_bytes));
}

// The sum of a UDP payload, from the checksum it came with less everything else that covers (RFC 1624 3): no byte of the payload is
// read, and an error in it stays an error. In ones' complement a 32-bit word adds as its two halves do, and the complement subtracts.
inline uint64_t carried_payload_sum(const uint8_t* addresses, bool is_v4, const uint8_t* udp) {
  uint64_t header, first;  // ports, length, checksum
  std::memcpy(&header, udp, 8);
  std::memcpy(&first, addresses, 8);
  const uint64_t inverted = ~header;
  uint64_t sum = (inverted >> 48) + static_cast<uint32_t>(inverted) + 2 * ((inverted >> 32) & 0xffff) + static_cast<uint16_t>(~checksum_word(17));
  sum += static_cast<uint32_t>(~first) + (~first >> 32);
  if (is_v4) return sum;
  for (size_t at = 8; at < 32; at += 8) {
    uint64_t word;
    std::memcpy(&word, addresses + at, 8);
    sum += static_cast<uint32_t>(~word) + (~word >> 32);
  }
  return sum;
}

}  // namespace sallyport::dataplane
