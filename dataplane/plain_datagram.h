// SPDX-License-Identifier: Apache-2.0
#pragma once
// What nearly every packet is, judged in a few words: a whole UDP datagram over IPv4, no VLAN tag, no option, no fragment, lengths that
// agree, a right header checksum, one segment, nothing that the port complains of. And which local address it came to, without a loop.
// Reads the first 42 bytes of the frame, no more; any content is safe. Any lcore; no failure: what is not plain is looked at with care
// elsewhere (stage_parse.cc).

#include <emmintrin.h>
#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_mbuf.h>
#include <rte_udp.h>

#include <array>
#include <cstdint>
#include <cstring>

#include "dataplane/abi/flow.h"
#include "dataplane/abi/region.h"
#include "dataplane/checksum.h"
#include "dataplane/rtp_bytes.h"

namespace sallyport::dataplane {

inline constexpr uint32_t plain_ip_at = sizeof(rte_ether_hdr);
inline constexpr uint32_t plain_udp_at = plain_ip_at + sizeof(rte_ipv4_hdr);
inline constexpr uint32_t plain_payload_at = plain_udp_at + sizeof(rte_udp_hdr);

// Summed with its own checksum in place, a whole header gives all ones.
inline bool plain_header_holds(const uint8_t* ip) {
  uint64_t first, second;
  uint32_t third;
  std::memcpy(&first, ip, 8);
  std::memcpy(&second, ip + 8, 8);
  std::memcpy(&third, ip + 16, 4);
  return checksum_fold((first & 0xffffffff) + (first >> 32) + (second & 0xffffffff) + (second >> 32) + third) == 0xffff;
}

inline bool is_plain_datagram(const rte_mbuf& mbuf, const uint8_t* frame) {
  const uint32_t length = mbuf.data_len;
  if (length < plain_payload_at) return false;
  // From the Ethernet type to the first half of the source address. MF and the fragment offset are 14 bits of two bytes.
  const __m128i mattering = _mm_setr_epi8(-1, -1, -1, 0, 0, 0, 0, 0, 0x3f, -1, 0, -1, 0, 0, 0, 0);
  const __m128i wanted = _mm_setr_epi8(0x08, 0x00, 0x45, 0, 0, 0, 0, 0, 0, 0, 0, IPPROTO_UDP, 0, 0, 0, 0);
  const __m128i found = _mm_and_si128(_mm_loadu_si128(reinterpret_cast<const __m128i*>(frame + 12)), mattering);
  const bool has_form = _mm_movemask_epi8(_mm_cmpeq_epi8(found, wanted)) == 0xffff;
  const uint32_t total = load_be16(frame + plain_ip_at + 2);
  const uint32_t udp_bytes = load_be16(frame + plain_udp_at + 4);
  const bool has_lengths = total + plain_ip_at <= length && udp_bytes >= sizeof(rte_udp_hdr) && udp_bytes + sizeof(rte_ipv4_hdr) == total;
  const bool is_sound = mbuf.nb_segs == 1 && (mbuf.ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK) != RTE_MBUF_F_RX_L4_CKSUM_BAD;
  return has_form & has_lengths & is_sound && plain_header_holds(frame + plain_ip_at);
}

// abi::no_slot when it is none of ours. `slots`: network byte order, zero where there is none.
inline uint16_t find_slot_v4(const std::array<uint32_t, abi::max_address_slots>& slots, uint32_t address) {
  static_assert(abi::max_address_slots == 16);
  const __m128i wanted = _mm_set1_epi32(static_cast<int>(address));
  const auto* at = reinterpret_cast<const __m128i*>(slots.data());
  const __m128i low = _mm_packs_epi32(_mm_cmpeq_epi32(_mm_loadu_si128(at), wanted), _mm_cmpeq_epi32(_mm_loadu_si128(at + 1), wanted));
  const __m128i high = _mm_packs_epi32(_mm_cmpeq_epi32(_mm_loadu_si128(at + 2), wanted), _mm_cmpeq_epi32(_mm_loadu_si128(at + 3), wanted));
  const auto matches = static_cast<uint32_t>(_mm_movemask_epi8(_mm_packs_epi16(low, high)));
  return matches == 0 || address == 0 ? abi::no_slot : static_cast<uint16_t>(__builtin_ctz(matches));
}

// As abi::Address::first_word() has it.
inline uint64_t plain_source_word(const uint8_t* frame) {
  uint32_t ip;
  std::memcpy(&ip, frame + plain_ip_at + 12, sizeof ip);
  return uint64_t{ip} << 32 | uint64_t{load_be16(frame + plain_udp_at)} << 16 | 4;
}

}  // namespace sallyport::dataplane
