// SPDX-License-Identifier: Apache-2.0
#pragma once
// The 32-bit multiplexID before each packet between C and E (H.460.19), network byte order on the wire. Allotted by E.
//   bits 31..22 random tag | bits 21..2 index (index % E's workers names E's owner; index % C's workers C's) | bits 1..0 candidate
// The low bits tell up to four candidate sources of a flow apart. ID 0 is the link's own control datagrams, so index 0 is never allotted.

#include <cstdint>

namespace sallyport::abi {

inline constexpr uint32_t multiplex_index_bits = 20;
inline constexpr uint32_t multiplex_index_limit = 1u << multiplex_index_bits;
inline constexpr uint32_t control_multiplex_id = 0;

constexpr uint32_t multiplex_index(uint32_t id) { return (id >> 2) & (multiplex_index_limit - 1); }
constexpr uint32_t multiplex_candidate(uint32_t id) { return id & 3; }
constexpr uint32_t without_candidate(uint32_t id) { return id & ~3u; }
constexpr uint32_t make_multiplex_id(uint32_t random_tag, uint32_t index) {
  return (random_tag << 22) | ((index & (multiplex_index_limit - 1)) << 2);
}

}  // namespace sallyport::abi
